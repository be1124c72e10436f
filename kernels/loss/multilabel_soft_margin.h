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

/* Columns c .. c + n - 1: their losses are added to the lanes, or where those would be no numbers, to the exact sum. */
VFN struct lanes multilabel_soft_margin_columns(const struct wide_loss_row *r, struct lanes sum,
                                                struct vloss_exact_sum *exact, size_t c, size_t n, struct wide e) {
  const vd zero = dset1(0.0), one = dset1(1.0), w = r->weights.p ? columns_at(r->weights, c, n, 0.0) : one;
  const struct wide_result bce = bce_with_logits_wide(e, (double[]){0}); /* no smoothing, no pos_weight */
  struct parts loss = product_in(e.near, w, bce.loss);
  if (!e.near) {
    const dm none = dmand(deq(w, zero), deq(bce.loss, bce.loss));
    loss = (struct parts){dsel(none, zero, loss.high), dsel(none, zero, loss.low)};
  }
  loss = (struct parts){lanes_below(loss.high, n), lanes_below(loss.low, n)};
  if (e.near) {
    sum = lanes_plus(sum, loss.high);
    sum.low = dadd(sum.low, loss.low);
  } else {
    sum = add_carefully(add_carefully(sum, exact, loss.high), exact, loss.low);
  }
  if (r->grad.p && (!e.near || lanes_finite(sum))) {
    const struct parts share = parts_quotient_in(e.near, whole(w), one_number((double)r->columns));
    put_gradient_parts(r, r->grad, c, n, parts_product_in(e.near, whole(bce.grad), share));
  }
  return sum;
}
static RARE struct lanes multilabel_soft_margin_carefully(const struct wide_loss_row *r, struct lanes sum,
                                                          struct vloss_exact_sum *exact, size_t c, size_t n,
                                                          struct wide e) {
  return multilabel_soft_margin_columns(r, sum, exact, c, n, e);
}
static double multilabel_soft_margin_wide(const struct wide_loss_row *r) {
  struct vloss_exact_sum exact;
  struct row_sum sum;
  begin_sums(&sum, &exact, 1);
  sum.careful = 1; /* the end of the sum, as gradients may lie over what a second pass would read */
  vloss_exact_clear(&exact);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    struct wide e = {columns_at(r->p, c, n, 0.0), columns_at(r->t, c, n, 0.0), dset1(1.0), 1, 0};
    const vd squares = dfma(e.t, e.t, dmul(e.p, e.p)); /* up to 2^9 nothing is far */
    if (__builtin_expect(!dany(dmor(dgt(squares, dset1(0x1p18)), dnan(squares))), 1)) {
      const struct lanes next = multilabel_soft_margin_columns(r, sum.lanes, &exact, c, n, e);
      if (__builtin_expect(lanes_finite(next), 1)) {
        sum.lanes = next;
        continue;
      }
    }
    e.near = 0;
    sum.lanes = multilabel_soft_margin_carefully(r, sum.lanes, &exact, c, n, e);
  }
  sums_again(&sum, 1);
  return sum_mean(&sum, r->columns);
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
