/* Categorical hinge: max(neg - pos + 1, 0), pos = sum_c t_c p_c, neg = max_c (1 - t_c) p_c. Gradient, at the kink, too:
 * -t_c, plus, in the columns that reach neg, (1 - t_c) over their number. Ties are those of products in double, where
 * they are exact for labels of 0 and 1: rows with ties of floats have their gradients in double, and so have rows that
 * are near the kink. Both, and rows that lie side by side: hence longer than other files. */
#ifndef VLOSS_KERNELS_LOSS_CATEGORICAL_HINGE_H
#define VLOSS_KERNELS_LOSS_CATEGORICAL_HINGE_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"

/* ---- In double: infinities, and rows of which floats do not tell where their gradients are -------------------------
 */

/* (1 - t) p and t p: 0 where the coefficient is 0, whatever p. */
struct hinge_products {
  vd other, own;
};
VFN struct hinge_products hinge_products(vd p, vd t) {
  return (struct hinge_products){dmul_or_zero(dsub(dset1(1.0), t), p), dmul_or_zero(t, p)};
}

/* value[0] becomes neg, value[1] the share of each that reaches it, and value[2] what is negative beyond the kink. In
 * `most` there is no NaN: then `pos` has it. */
static __attribute__((noinline)) int hinge_sums_in_double(struct row r, struct row_state *s) {
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd pos = resumed(&r, s, 0, 0), most = resumed(&r, s, 1, -(double)INF), ties = resumed(&r, s, 2, 0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vd p = dwiden(get(r.p, c, m, -INF)), t = dwiden(get(r.t, c, m, 0.0f));
    const struct hinge_products v = hinge_products(p, t);
    pos = dadd(pos, v.own);
    ties = dsel(dgt(v.other, most), one, dadd(ties, dsel(deq(v.other, most), one, zero)));
    most = dmax(v.other, most);
  }
  s->lanes[0] = pos, s->lanes[1] = most, s->lanes[2] = ties;
  if (r.to < r.columns) return 0;
  const double neg = lane_max(most);
  s->value[0] = neg;
  s->value[1] = r.grad ? 1 / sum_at(ties, most, neg) : 0; /* a division by 0 would cost its flag */
  s->value[2] = neg - dsum(pos) + 1;
  return 1;
}
static __attribute__((noinline)) void hinge_gradient_in_double(struct row r, struct row_state *s) {
  const vd neg = dset1(s->value[0]), share = dset1(s->value[1]);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vd p = dwiden(get(r.p, c, m, 0.0f)), t = dwiden(get(r.t, c, m, 0.0f));
    const dm tied = deq(hinge_products(p, t).other, neg);
    put_number(&r, r.grad, c, m, dsub(dsel(tied, dmul(dsub(dset1(1.0), t), share), dset1(0.0)), t));
  }
  wrote(&r, s);
}

/* ---- In float ---------------------------------------------------------------------------------------------------- */

/* (1 - t) p, rounded once: so the greatest is the greatest's. Where denormals are slow they may be 0, as it counts only
 * if it is no smaller than this. */
#define HINGE_LEAST 0x1p-60f
VFN vf hinge_other(vf p, vf t, const int calm) {
  const vf of_p = calm ? vflush(p) : p, of_t = calm ? vflush(t) : t;
  return vnfma(of_t, of_p, of_p);
}

/* What columns add up to, lane by lane: `own` in double, of sums of four vectors; the two greatest of the others; the
 * sizes of own, for targets that are not negative; and the bits that targets have. */
struct hinge_lanes {
  vd own;
  vf most, second, size, targets;
};
VFN struct hinge_lanes hinge_start(void) {
  return (struct hinge_lanes){dset1(0.0), vset1(-INF), vset1(-INF), vset1(0.0f), vset1(0.0f)};
}
/* Some target is not in [0, 2). */
VFN int hinge_no_probabilities(vf targets) {
  const vi bits = vbits(targets);
  return vany(vmor(vigt(viset1(0), bits), vigt(bits, viset1(0x3fffffff))));
}
/* Products are added to what is nothing beside the 1 of the loss, so that small ones are not denormal. */
#define HINGE_BEGIN 0x1p-100f
VFN void hinge_add(struct hinge_lanes *l, const vf *p, const vf *t, const int gradient, const int calm) {
  vf own = vset1(HINGE_BEGIN), size = own;
  UNROLL for (size_t i = 0; i < 4; i++) {
    const struct two_factors by = calm ? calm_factors(p[i], t[i]) : (struct two_factors){p[i], t[i]};
    const vf other = hinge_other(p[i], t[i], calm);
    own = vfma(by.a, by.b, own);
    size = vfma(vabs(by.a), by.b, size);
    l->targets = vfloat(vior(vbits(l->targets), vbits(t[i])));
    if (gradient) l->second = vmax(vmin(other, l->most), l->second);
    l->most = vmax(other, l->most);
  }
  l->own = dadd(l->own, dwiden(own));
  l->size = vadd(l->size, size);
}

/* The passes. */
enum { HINGE_IN_FLOAT, HINGE_IN_DOUBLE, HINGE_GRADIENT, HINGE_GRADIENT_IN_DOUBLE, HINGE_SUMMED };

/* The end of the sums. All is done again in double if roundings could count for the side of the kink, if targets are no
 * probabilities, or if there is an infinity, which may count for nothing; and the gradient, if more than one column
 * reaches neg, or could. */
VFN void hinge_summed(const struct row *r, struct row_state *s, const struct hinge_lanes *l) {
  const float most = vhmax(l->most), neg = most < HINGE_LEAST && most > -HINGE_LEAST ? 0 : most;
  const vf reached = vset1(neg);
  const uint32_t lanes = vlanes(veq(l->most, reached));
  const double excess = (double)neg - dsum(l->own) + 1, distance = excess < 0 ? -excess : excess;
  const double size = dsum(dwiden(l->size)) + (double)(neg < 0 ? -neg : neg) + 1,
               factor = r->factor < 0 ? -r->factor : r->factor;
  const int near = !(distance > size * 0x1p-18 && distance < (double)INF);
  const int several = (lanes & (lanes - 1)) != 0 || vany(veq(l->second, reached)) || neg == 0;
  s->loss = excess < 0 ? 0 : excess;
  s->value[0] = (double)neg;
  s->pass = r->grad ? HINGE_GRADIENT : ROW_DONE;
  if (near || hinge_no_probabilities(l->targets)) {
    s->loss = (double)NOT_A_NUMBER;
    s->pass = HINGE_IN_DOUBLE;
  } else if (excess < 0)
    filled_row(r, s, 0, 0);
  else if (r->grad && (several || !(factor >= 0x1p-100 && factor <= 0x1p100)))
    s->pass = HINGE_IN_DOUBLE;
}
VFN int hinge_sums(const struct row *r, struct row_state *s, const int gradient, const int calm) {
  struct hinge_lanes l = hinge_start();
  if (r->from)
    l = (struct hinge_lanes){s->lanes[0], dnarrow(s->lanes[1]), dnarrow(s->lanes[2]), dnarrow(s->lanes[3]),
                             dnarrow(s->lanes[4])};
  const size_t last = r->to / 64 * 64;
  float p_end[64], t_end[64];
  if (last < r->to) {
    copy_of_64(p_end, r->p + last, r->to - last, -FLT_MAX, 64);
    copy_of_64(t_end, r->t + last, r->to - last, 0.0f, 64);
  }
  ROLLED for (size_t c = r->from; c < r->to; c += 64) {
    const float *const p = c == last ? p_end : r->p + c, *const t = c == last ? t_end : r->t + c;
    const vf some_p[4] = {vload(p), vload(p + 16), vload(p + 32), vload(p + 48)};
    const vf some_t[4] = {vload(t), vload(t + 16), vload(t + 32), vload(t + 48)};
    hinge_add(&l, some_p, some_t, gradient, calm);
  }
  if (r->to < r->columns) {
    s->lanes[0] = l.own, s->lanes[1] = dwiden(l.most), s->lanes[2] = dwiden(l.second), s->lanes[3] = dwiden(l.size);
    s->lanes[4] = dwiden(l.targets);
    return 0;
  }
  hinge_summed(r, s, &l);
  return 1;
}
VFN vf hinge_slope(vf p, vf t, vf neg, vf factor, const int calm) {
  const vf own = calm ? vmul_calm(t, factor) : vmul(t, factor), other = hinge_other(p, t, calm);
  const vf reaches = vnfma(calm ? vflush(own) : own, vset1(2.0f), factor);
  return vsel(veq(other, neg), reaches, vsub(vset1(0.0f), own));
}
VFN void hinge_gradient(const struct row *r, struct row_state *s, const int calm) {
  const vf neg = vset1((float)s->value[0]), factor = vset1((float)r->factor);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16)
    put_scaled(r->grad, c, m, hinge_slope(get(r->p, c, m, 0.0f), get(r->t, c, m, 0.0f), neg, factor, calm));
  wrote(r, s);
}
static RARE int hinge_sums_of_denormals(struct row r, struct row_state *s) { return hinge_sums(&r, s, 1, 1); }
static RARE void hinge_gradient_of_denormals(struct row r, struct row_state *s) { hinge_gradient(&r, s, 1); }

/* The first step; what follows it is in value[3]. */
VFN void categorical_hinge_sums(const struct row *r, struct row_state *s) {
  if (s->pass != HINGE_IN_FLOAT) return;
  if (!(expects_denormals(r) ? hinge_sums_of_denormals(*r, s)
        : r->grad            ? hinge_sums(r, s, 1, 0)
                             : hinge_sums(r, s, 0, 0)) ||
      s->pass < 0)
    return;
  s->value[3] = s->pass;
  s->pass = HINGE_SUMMED;
}
VFN void categorical_hinge(const struct row *r, struct row_state *s) {
  if (s->pass == HINGE_SUMMED) {
    s->pass = (int)s->value[3];
    if (r->from) return;
  }
  if (s->pass == HINGE_IN_DOUBLE) {
    if (!hinge_sums_in_double(*r, s)) return;
    const double excess = s->value[2];
    if (s->loss != s->loss) s->loss = excess < 0 ? 0 : excess;
    s->pass = r->grad ? HINGE_GRADIENT_IN_DOUBLE : ROW_DONE;
    if (excess != excess) nan_row(r, s);
    if (excess < 0) filled_row(r, s, s->loss, 0);
    if (r->from) return;
  }
  if (s->pass == HINGE_GRADIENT && expects_denormals(r))
    hinge_gradient_of_denormals(*r, s);
  else if (s->pass == HINGE_GRADIENT)
    hinge_gradient(r, s, 0);
  if (s->pass == HINGE_GRADIENT_IN_DOUBLE) hinge_gradient_in_double(*r, s);
}

/* ---- Rows that lie side by side ---------------------------------------------------------------------------------- */

/* What hinge_lanes has, of all lanes; `own` is in the scratch. */
struct hinge_beside {
  float most[16 * 16], second[16 * 16], size[16 * 16], targets[16 * 16];
};
VFN void hinge_add_beside(const struct beside *b, size_t at, struct hinge_lanes *l, const int gradient) {
  const size_t step = 16 * b->column_stride, end = b->columns * b->column_stride;
  vf p[4], t[4];
  UNROLL for (size_t i = 0; i < 4; i++, at += step) {
    p[i] = at < end ? beside_get_or(b, b->p, at, -FLT_MAX) : vset1(-FLT_MAX);
    t[i] = at < end ? beside_get(b, b->t, at) : vset1(0.0f);
  }
  hinge_add(l, p, t, gradient, 0);
}
/* Vector by vector where a row's next one is near, else as memory comes. */
VFN void hinge_sums_beside(const struct beside *beside, struct hinge_beside *all, const int gradient) {
  const struct beside b = *beside;
  const size_t at_once = b.dense ? b.columns : 64;
  for (size_t from = 0; from < b.columns; from += at_once) {
    const size_t to = b.columns - from < at_once ? b.columns : from + at_once;
    for (size_t f = 0, at = from * b.column_stride; f < 16 * b.width; f += 16, at += b.vector_stride) {
      struct hinge_lanes l = hinge_start();
      if (from > 0)
        l = (struct hinge_lanes){dload(b.scratch + f), vload(all->most + f), vload(all->second + f),
                                 vload(all->size + f), vload(all->targets + f)};
      for (size_t c = from; c < to; c += 64) hinge_add_beside(&b, at + (c - from) * b.column_stride, &l, gradient);
      dstore(b.scratch + f, l.own);
      vstore(all->most + f, l.most), vstore(all->second + f, l.second), vstore(all->size + f, l.size);
      vstore(all->targets + f, l.targets);
    }
  }
}
static void categorical_hinge_beside(const struct beside *b) {
  struct hinge_beside all;
  if (b->grad)
    hinge_sums_beside(b, &all, 1);
  else
    hinge_sums_beside(b, &all, 0);
  for (size_t i = 0; i < b->rows; i++) {
    float lanes[4][16];
    for (size_t j = 0; j < 16; j++) {
      lanes[0][j] = all.most[j * b->width + i];
      lanes[1][j] = all.second[j * b->width + i];
      lanes[2][j] = all.size[j * b->width + i];
      lanes[3][j] = all.targets[j * b->width + i];
    }
    const struct hinge_lanes l = {beside_lanes(b, 0, i), vload(lanes[0]), vload(lanes[1]), vload(lanes[2]),
                                  vload(lanes[3])};
    hinge_summed(&b->row[i], &b->state[i], &l);
  }
}
/* Their gradients. */
static int categorical_hinge_gradients_beside(const struct beside *beside) {
  const struct beside b = *beside;
  float neg[BESIDE_PATTERN], factor[BESIDE_PATTERN], fill[BESIDE_PATTERN];
  float filled[BESIDE_PATTERN] = {0}; /* there is a row, but GCC cannot tell */
  for (size_t i = 0; i < b.rows; i++)
    if (b.state[i].pass != HINGE_GRADIENT && b.state[i].pass != ROW_FILL) return 0;
  for (size_t i = 0; i < b.rows; i++) {
    const int fills = b.state[i].pass == ROW_FILL;
    filled[i] = fills ? 1 : 0;
    fill[i] = fills ? with_factor(&b.row[i], b.state[i].fill) : 0;
    neg[i] = fills ? 0 : (float)b.state[i].value[0];
    factor[i] = fills ? 0 : (float)b.row[i].factor;
    b.state[i].pass = ROW_DONE;
  }
  beside_repeat(&b, filled), beside_repeat(&b, fill), beside_repeat(&b, neg), beside_repeat(&b, factor);
  const size_t turn = beside_turn(&b), vectors = beside_vectors(&b, b.columns);
  for (size_t vector = 0, at = 0, phase = 0; vector < vectors; vector++, at += b.vector_stride) {
    const vf slope =
        hinge_slope(beside_get(&b, b.p, at), beside_get(&b, b.t, at), vload(neg + phase), vload(factor + phase), 0);
    beside_put(&b, b.grad, at, vsel(vgt(vload(filled + phase), vset1(0.0f)), vload(fill + phase), slope));
    phase = beside_phase(&b, phase, turn);
  }
  return 1;
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* Products are doubles, and so are ties. */
static double categorical_hinge_wide(const struct wide_loss_row *r) {
  const vd one = dset1(1.0);
  struct vloss_exact_sum exact;
  struct row_sum sum;
  double neg;
  begin_sums(&sum, &exact, 1);
  do {
    /* 0 times infinity is 0; where there is any, the sum is no number, and the second pass is for that. */
    vd most = dset1(-WIDE_INF);
    for (size_t c = 0; c < r->columns; c += 16) {
      const size_t n = at_once(r->columns, c);
      const vd p = columns_at(r->p, c, n, sum.careful ? -WIDE_INF : -WIDE_MAX), t = columns_at(r->t, c, n, 0.0);
      most = dmax(product_or_zero_in(!sum.careful, dsub(one, t), p), most);
      add_to_sum(&sum, dneg(product_or_zero_in(!sum.careful, t, p)));
    }
    neg = largest_lane(most);
    add_to_sum(&sum, lanes_below(dset1(neg), 1));
    add_to_sum(&sum, lanes_below(one, 1));
  } while (sums_again(&sum, 1));
  const double excess = sum.total.high;
  if (excess < 0) fill_gradients(r, 0);
  if (!(excess >= 0) || !r->grad.p) return excess < 0 ? 0 : excess;
  vd tied = dset1(0.0);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd t = columns_at(r->t, c, n, 0.0);
    const vd other = product_or_zero_in(!sum.careful, dsub(one, t), columns_at(r->p, c, n, 0.0));
    tied = dadd(tied, lanes_below(dsel(deq(other, dset1(neg)), one, dset1(0.0)), n));
  }
  const vd ties = dset1(dsum(tied));
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd t = columns_at(r->t, c, n, 0.0), wrong = dsub(one, t);
    const dm ties_here = deq(product_or_zero_in(!sum.careful, wrong, columns_at(r->p, c, n, 0.0)), dset1(neg));
    const vd v = dany(ties_here) ? dsel(ties_here, dsub(ddiv(wrong, ties), t), dneg(t)) : dneg(t);
    put_gradient(r, r->grad, c, n, v);
  }
  return excess;
}
#else
#include "../losses/formula.h"

/* (1 - t) p and t p, 0 where the coefficient is 0. In double, where ties are what the contract takes for them. */
FORMULA real categorical_hinge_double(real x) { return sizeof x > sizeof(double) ? (real)(double)x : x; }
FORMULA real categorical_hinge_product(real coefficient, real p) {
  const real product = categorical_hinge_double(categorical_hinge_double(coefficient) * p);
  return product != product && coefficient == 0 && p == p ? 0 : product;
}

FORMULA void categorical_hinge_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t;
  real pos = 0, pos_scale = 0, neg = categorical_hinge_product(1 - t[0], p[0]), ties = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real own = categorical_hinge_product(t[c], p[c]), other = categorical_hinge_product(1 - t[c], p[c]);
    pos += own;
    pos_scale += fabs(own);
    neg = other > neg ? other : neg;
  }
  const real excess = neg - pos + 1, bad = excess == excess ? 0 : excess;
  *loss = (struct formula_value){excess < 0 ? 0 : excess, excess < 0 ? 0 : fabs(neg) + pos_scale + 1};
  if (!r->grad) return;
  for (size_t c = 0; c < r->n; c++) ties += categorical_hinge_product(1 - t[c], p[c]) == neg ? 1 : 0;
  const real share = 1 / ties;
  for (size_t c = 0; c < r->n; c++) {
    const real wrong = 1 - t[c], tie = categorical_hinge_product(wrong, p[c]) == neg ? share : 0;
    r->grad[c] = (excess < 0 ? 0 : wrong * tie - t[c]) + bad;
  }
  /* Where the digits of a double do not tell on which side of the kink the row is, any gradient will do. */
  const real anything = fabs(excess) <= (fabs(neg) + pos_scale + 1) * (real)0x1p-45 ? (real)INFINITY : 0;
  if (!r->grad_scale) return;
  real sum = 0, lost = 0; /* what is lost of it also tells a row from one at the kink */
  for (size_t c = 0; c < r->n; c++) {
    const real own = categorical_hinge_product(t[c], p[c]), before = sum;
    sum += own;
    lost += fabs(formula_lost(before, -own, sum));
  }
  for (size_t c = 0; c < r->n; c++)
    r->grad_scale[c] = (excess < 0 ? 0 : fabs(1 - t[c]) / ties + fabs(t[c])) + (excess != 0 || lost > 0 ? anything : 0);
}
#endif

#endif
