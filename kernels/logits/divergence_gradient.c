/* The passes over two rows that know their sums: what JSD and total variation come to, and the gradient. In double, so
 * that nothing is a denormal number on the way; rounded once. */
#include "divergence.h"
#include "row_sums.h"

/* The weighted h of a class, and what it adds to the value. */
struct class_terms {
  vd value, h;
};
/* JSD as beta p phi(log(M / p)) + (1 - beta) q phi(log(M / q)), p phi(log(M / p)) = M - p - p log(M / p): the sums are
 * the same, as M adds up to 1, and no term is negative. */
VFN vd share_term(vd p, vd m, vd log) { return dsel(is_near(log), dmul(p, near_phi(log)), dnfma(p, log, dsub(m, p))); }
VFN struct class_terms terms_of_jsd(const struct compared *c, const struct class_pair *of) {
  const vd p_share = dset1(c->beta), q_share = dset1(1 - c->beta);
  const vd d = bounded_distance(of->d), of_q = log_of_mixture(d, c->beta), of_p = dsub(of_q, d);
  const vd m = dfma(p_share, of->p, dmul(q_share, of->q));
  return (struct class_terms){
      .value = dfma(p_share, share_term(of->p, m, of_p), dmul(q_share, share_term(of->q, m, of_q))),
      .h = dmul(dset1(c->beta - 1), of_q),
  };
}
VFN struct class_terms terms_of_variation(const struct class_pair *of) {
  const vd zero = dset1(0.0), half = dset1(0.5), difference = p_minus_q(of);
  return (struct class_terms){
      .value = dmul(half, dabs(difference)),
      .h = dsel(dgt(difference, zero), dset1(-0.5), dsel(dgt(zero, difference), half, zero)),
  };
}
VFN struct class_terms terms_of_class(const struct compared *c, const struct class_pair *of) {
  return c->kind == VLOSS_JSD ? terms_of_jsd(c, of) : terms_of_variation(of);
}

void second_begin(const struct compared *c, struct second_pass *s) {
  s->by_floats = c->kind == VLOSS_TOTAL_VARIATION && c->classes > SHORT_ROW && float_variation_serves(c);
  s->value = s->mean = dset1(0.0);
}
void second_add(const struct compared *c, const float *z, const float *x, size_t n, struct second_pass *s) {
  if (s->by_floats) {
    float_variation_add(c, z, x, n, s);
    return;
  }
  for (size_t i = 0; i < n; i += 16) {
    const struct class_pair of = class_pair_of(c, row_load(z, i, n, NO_CLASS), row_load(x, i, n, NO_CLASS));
    const struct class_terms t = terms_of_class(c, &of);
    s->value = dadd(s->value, t.value);
    s->mean = dfma(of.q, t.h, s->mean);
  }
}
struct second_sums second_end(const struct compared *c, const struct second_pass *s) {
  const double factor = s->by_floats ? float_variation_factor(c) : 1;
  return (struct second_sums){dsum(s->value) * factor, dsum(s->mean) * factor};
}

VFN vd slope_of_class(const struct compared *c, const struct class_pair *of, double mean) {
  const vd zero = dset1(0.0);
  if (c->kind == VLOSS_FORWARD_KL) return dsub(zero, p_minus_q(of));
  const vd h = c->kind == VLOSS_REVERSE_KL ? dsub(zero, of->d) : terms_of_class(c, of).h;
  return dsel(deq(of->q, zero), zero, dmul(of->q, dsub(h, dset1(mean))));
}

void exact_gradient(const struct compared *c, const float *z, const float *x, float *to, size_t n, double factor,
                    double mean) {
  const vd by = dset1(factor);
  for (size_t i = 0; i < n; i += 16) {
    const struct class_pair of = class_pair_of(c, row_load(z, i, n, NO_CLASS), row_load(x, i, n, NO_CLASS));
    const vd slope = dmul(slope_of_class(c, &of, mean), by);
    store_n(to + i, canonical(dnarrow(dflush(slope))), n - i < 16 ? n - i : 16, 0);
  }
}

void divergence_gradient(const struct compared *c, const struct half_row *out, double factor, double mean) {
  const int direct = out->type == VLOSS_F32 && out->step == 1;
  if (float_pair_gradient(c, out, factor, mean)) return;
  for (size_t at = 0, n; at < out->classes; at += n) {
    const float *const z = logit_row_block(&c->teacher.x, at, &n), *const x = logit_row_block(&c->student.x, at, &n);
    float *const to = direct ? (float *)out->p + at : c->student.x.block;
    exact_gradient(c, z, x, to, n, factor, mean);
    if (!direct) half_classes_write(out, at, n, to);
  }
}
