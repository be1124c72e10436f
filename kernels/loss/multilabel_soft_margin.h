/* Multi-label soft margin: (1/C) sum_c w_c (t_c sp(-p_c) + (1 - t_c) sp(p_c)), sp(x) = log(1 + e^x): the mean over the
 * classes of weighted BCE with logits. Gradient w_c (s(p_c) - t_c) / C, s the sigmoid. Each gradient needs its own
 * column only and is written on the way, but a NaN makes NaN of all. */
#ifndef VLOSS_KERNELS_LOSS_MULTILABEL_SOFT_MARGIN_H
#define VLOSS_KERNELS_LOSS_MULTILABEL_SOFT_MARGIN_H

#include "bce_with_logits.h"

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/reduce.h"

/* Weights, and factors outside [-1, 1], multiply before anything is rounded. */
VFN void soft_margins(const struct row *r, struct row_state *s, const int exactly, const int calm) {
  const vd share = dset1(1 / (double)r->columns);
  struct bce_with_logits_constants k = {0};
  bce_with_logits_constants(&(double){0}, &k); /* no label smoothing, no pos_weight */
  vd sum = resumed(r, s, 0, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const struct element e = {
        .p = get(r->p, c, m, 0.0f), .t = get(r->t, c, m, 0.0f), .other = vset1(1.0f), .calm = calm};
    vd loss, grad;
    if (exactly) {
      const vd w = r->weights ? dwiden(get(r->weights, c, m, 0.0f)) : dset1(1.0);
      const struct bce_with_logits_exact exact = bce_with_logits_exact(e, &k);
      loss = dmul_or_zero(w, exact.loss), grad = dmul_or_zero(w, exact.grad);
    } else {
      const struct bce_with_logits_plain plain = bce_with_logits_plain(e);
      loss = dwiden(plain.loss), grad = dwiden(plain.grad);
    }
    sum = dadd(sum, dwithout(loss, m, SIZE_MAX));
    if (r->grad) put(r, r->grad, c, m, dmul(grad, share));
  }
  s->writes = r->grad != NULL;
  if (r->to < r->columns) {
    s->lanes[0] = sum;
    return;
  }
  s->loss = dsum(sum) / (double)r->columns;
  s->pass = ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
}
static __attribute__((noinline)) void soft_margins_exactly(struct row r, struct row_state *s) {
  soft_margins(&r, s, 1, 0);
}
/* From the first row on that met a denormal. */
static RARE void soft_margins_calmly(struct row r, struct row_state *s) { soft_margins(&r, s, 0, 1); }

VFN void multilabel_soft_margin(const struct row *r, struct row_state *s) {
  if (r->weights || !(r->factor >= -1 && r->factor <= 1))
    soft_margins_exactly(*r, s);
  else if (DENORMALS_ARE_SLOW && vmet_denormal())
    soft_margins_calmly(*r, s);
  else
    soft_margins(r, s, 0, 0);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

static double multilabel_soft_margin_wide(const struct wide_loss_row *r) {
  const struct parts columns = one_number((double)r->columns);
  const vd zero = dset1(0.0), one = dset1(1.0);
  struct row_sum sum;
  begin_sum(&sum);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const struct wide e = {classes_at(r->p, c, n, 0.0), classes_at(r->t, c, n, 0.0), one, 0};
    const struct wide_result bce = bce_with_logits_wide(e, (double[]){0}); /* no smoothing, no pos_weight */
    const vd w = r->weights.p ? classes_at(r->weights, c, n, 0.0) : one;
    const struct parts loss = product_of(w, bce.loss);
    const dm none = dmand(deq(w, zero), deq(bce.loss, bce.loss));
    add_to_sum(&sum, lanes_below(dsel(none, zero, loss.high), n));
    add_to_sum(&sum, lanes_below(dsel(none, zero, loss.low), n));
    const struct parts slope = parts_product(whole(bce.grad), parts_quotient(whole(w), columns));
    put_gradient(r, r->grad, c, n, rounded_parts(slope));
  }
  return end_mean(&sum, r->columns);
}
#else
#include "../losses/formula.h"

FORMULA void multilabel_soft_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, *w = r->class_weights, share = 1 / (real)r->n;
  const double smoothing = 0;
  real sum = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    const struct formula_value l = bce_with_logits_formula(p[c], t[c], 1, &smoothing).loss;
    const real weight = w ? w[c] : 1;
    sum += weight == 0 && l.value == l.value ? 0 : weight * l.value;
    scale += weight == 0 ? 0 : fabs(weight) * l.scale;
  }
  *loss = (struct formula_value){sum * share, scale * share};
  const real bad = sum == sum ? 0 : sum;
  if (r->grad)
    for (size_t c = 0; c < r->n; c++)
      r->grad[c] = (w ? w[c] : 1) * share * bce_with_logits_formula(p[c], t[c], 1, &smoothing).grad.value + bad;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++)
      r->grad_scale[c] = fabs(w ? w[c] : 1) * share * bce_with_logits_formula(p[c], t[c], 1, &smoothing).grad.scale;
}
#endif

#endif
