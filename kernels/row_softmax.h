/* Writing F exp(x_c) / 2^N over a row, for softmax and for the gradient of cross-entropy. */
#ifndef VLOSS_KERNELS_ROW_SOFTMAX_H
#define VLOSS_KERNELS_ROW_SOFTMAX_H

#include "finish.h"
#include "rows16.h"

/* How a group of rows is written. */
enum writing {
  KEPT,   /* the terms were kept in the output by the pass that summed them */
  CACHED, /* the terms are computed again */
  PAST    /* the same, and written past the cache */
};

VFN enum writing writing_for(const struct vloss_shape *shape, int in_place) {
  if (in_place) return CACHED;
  return shape->outer * shape->inner * shape->classes * sizeof(float) > STREAM_BYTES ? PAST : KEPT;
}

/* e (f + low) */
VFN vf scaled(vf e, vf f, vf low) { return vfma(e, f, vmul(e, low)); }

/* vflush of four vectors without NaN, with one test for the usual case that there is nothing to flush. */
VFN void flush4(vf *v) {
  const vf least = vmin(vmin(vabs(v[0]), vabs(v[1])), vmin(vabs(v[2]), vabs(v[3])));
  if (__builtin_expect(vany(vgt(vset1(0x1p-126f), least)), 0)) UNROLL for (int j = 0; j < 4; j++) v[j] = vflush(v[j]);
}

VFN void row_softmax_as(const float *x, float *out, size_t classes, float factor, float factor_low, float n,
                        float shift, size_t label, float value, const enum writing writing) {
  const struct reference ref = reference_at(vset1(n));
  const vf f = vset1(factor), low = vset1(factor_low), shifts = vset1(shift);
  const float *from = writing == KEPT ? out : x;
  size_t c = 0;
#define STEP(c, n)                                                                                    \
  do {                                                                                                \
    vf v_ = load_n(from + (c), n);                                                                    \
    v_ = vflush(scaled(writing == KEPT ? v_ : term(vsub(v_, shifts), &ref), f, low));                 \
    store_n(out + (c), (label - (c) < 16) ? put_label(v_, c, label, value) : v_, n, writing == PAST); \
  } while (0)
  if (writing == PAST) {
    const size_t head = (64 - (uintptr_t)out % 64) % 64 / sizeof *out;
    c = head < classes ? head : classes;
    if (c) STEP(0, c);
  }
  for (; c + BLOCK <= classes; c += BLOCK) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(from + c + 16 * j);
    if (writing != KEPT) {
      if (shift != 0) UNROLL for (int j = 0; j < 4; j++) v[j] = vsub(v[j], shifts);
      terms(v, v, 4, &ref);
    }
    UNROLL for (int j = 0; j < 4; j++) v[j] = scaled(v[j], f, low);
    /* Before the flush: the label's own term may lie beyond the reach of exp, and be NaN. */
    if (label - c < BLOCK) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, label, value);
    flush4(v);
    UNROLL for (size_t j = 0; j < 4; j++) store_n(out + c + 16 * j, v[j], 16, writing == PAST);
  }
  for (; c < classes; c += 16) STEP(c, (classes - c < 16 ? classes - c : (size_t)16));
#undef STEP
}

/* out_c = F * exp(x_c) / 2^N for finite F, and `value` at the label (NO_CLASS: none). */
static void row_softmax(const float *x, float *out, size_t classes, float factor, float factor_low, float n,
                        float shift, enum writing writing, size_t label, float value) {
  if (writing == KEPT && shift == 0)
    row_softmax_as(x, out, classes, factor, factor_low, n, 0, label, value, KEPT);
  else if (writing == PAST)
    row_softmax_as(x, out, classes, factor, factor_low, n, shift, label, value, PAST);
  else
    row_softmax_as(x, out, classes, factor, factor_low, n, shift, label, value, CACHED);
}

#endif
