/* The function of an elementwise loss of doubles: what elementwise.c calls for a run of elements whose operands and
 * results are contiguous. One way for all inputs. */
#ifndef VLOSS_KERNELS_F64_ELEMENTWISE_H
#define VLOSS_KERNELS_F64_ELEMENTWISE_H

#include "exp.h"
#include "kernels.h"
#include "sum.h"

/* The numbers at n places: results where they are not null. */
struct wide_block {
  size_t n;
  const double *p, *t, *other, *weights, *upstream; /* the last three: null is 1 */
  double scale, scale_low;                          /* multiplies every gradient, in two parts */
  double *loss, *grad, *grad_target, *grad_other;
  const double *parameters;
};
typedef void wide_function(const struct wide_block *b);
/* The loop of elementwise.c. */
void KERNEL(wide_elementwise)(const struct vloss_loss_job *job, wide_function *function, struct vloss_range range,
                              struct vloss_partial *partial);

/* 1 is a valid probability, label and variance: what lies beyond a tail is harmless. */
VFN vd wide_at(const double *p, size_t i, size_t n) {
  return !p ? dset1(1.0) : n < 16 ? dtail(p + i, n, 1.0) : dload(p + i);
}
VFN void wide_put(double *p, size_t i, size_t n, vd v) {
  if (n == 16) {
    dstore(p + i, v);
    return;
  }
  double t[16];
  dstore(t, v);
  memcpy(p + i, t, n * sizeof *t);
}
/* Every NaN is the canonical one. */
VFN vd wide_canonical(vd v, dm nan) { return dsel(dmor(nan, dnan(v)), dset1(WIDE_NAN), v); }
/* v times a factor of two parts: 0 where that is 0, NaN excepted. */
VFN vd times_parts(vd v, struct parts factor) {
  const vd product = dmul(v, factor.high), both = dfma(v, factor.high, dmul(v, factor.low));
  return dsel(dmand(deq(factor.high, dset1(0.0)), deq(v, v)), dset1(0.0), dsel(dfinite(product), both, product));
}

typedef struct wide_result wide_element(struct wide e, const double *parameters);
static inline __attribute__((always_inline)) void wide_elements(const struct wide_block *given,
                                                                wide_element *const element) {
  const struct wide_block b = *given; /* no store can change it, nor the parameters */
  double k[4];
  memcpy(k, b.parameters, sizeof k);
  const struct parts scale = {dset1(b.scale), dset1(b.scale_low)};
  for (size_t i = 0; i < b.n; i += 16) {
    const size_t n = b.n - i < 16 ? b.n - i : 16;
    const struct wide e = {wide_at(b.p, i, n), wide_at(b.t, i, n), wide_at(b.other, i, n)};
    const struct wide_result r = element(e, k);
    const dm nan = dmor(dnan(e.p), dmor(dnan(e.t), dnan(e.other)));
    const vd w = wide_at(b.weights, i, n);
    struct parts factor = scale;
    if (b.weights || b.upstream) factor = parts_product(product_of(w, wide_at(b.upstream, i, n)), scale);
    if (b.grad) wide_put(b.grad, i, n, wide_canonical(times_parts(r.grad, factor), nan));
    if (b.grad_target) wide_put(b.grad_target, i, n, wide_canonical(times_parts(r.grad_target, factor), nan));
    if (b.grad_other) wide_put(b.grad_other, i, n, wide_canonical(times_parts(r.grad_other, factor), nan));
    const vd loss = b.weights ? times_parts(r.loss, whole(w)) : r.loss;
    if (b.loss) wide_put(b.loss, i, n, wide_canonical(loss, nan));
  }
}

/* WIDE_LOSS(mse) exports the loss of loss/mse.h for doubles. */
#define WIDE_LOSS(name)                                                                                                \
  static void name##_elements(const struct wide_block *b) { wide_elements(b, name##_wide); }                           \
  void KERNEL(name##_f64)(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial) { \
    KERNEL(wide_elementwise)(job, name##_elements, range, partial);                                                    \
  }

#endif
