/* The first pass over two rows: see divergence.h. */
#include "divergence.h"
#include "row_sums.h"
#include "top_classes.h"

/* -FLT_MAX for -inf: what lies below it is then e^-inf of it. */
static float finite_maximum(const float *y, size_t n) {
  const float max = block_maximum(y, n);
  return max == -INF ? -__FLT_MAX__ : max + 0.0f; /* of -0 and 0 the same */
}

void pair_block(const float *p, const float *q, size_t n, struct pair_sums *s, size_t i) {
  const vd zero = dset1(0.0);
  const float a = finite_maximum(p, n);
  if (n > SHORT_ROW && float_pair_block(p, q, n, a, s, i)) return;
  const float b = finite_maximum(q, n);
  vd sum_p = zero, sum_q = zero, sum_t = zero;
  for (size_t c = 0; c < n; c += 16) {
    const vd of_p = dsub(dwiden(row_load(p, c, n, NO_CLASS)), dset1((double)a));
    const vd of_q = dsub(dwiden(row_load(q, c, n, NO_CLASS)), dset1((double)b));
    const vd e = distance_exp(of_p), f = distance_exp(of_q), u = dsub(of_q, of_p);
    vd t = dsel(is_near(u), dmul(e, near_phi(u)), dnfma(e, u, dsub(f, e)));
    t = dsel(deq(e, zero), f, t);
    sum_p = dadd(sum_p, e);
    sum_q = dadd(sum_q, f);
    sum_t = dadd(sum_t, t);
  }
  s->max_p[i] = a;
  s->max_q[i] = b;
  s->p[i] = dsum(sum_p);
  s->q[i] = dsum(sum_q);
  s->t[i] = dsum(sum_t);
}

/* Moving a part by v = (b' - b) - ... to the common maxima: with s = (a' - b') - (a - b), f = e^(a - a') and
 * g = e^(b - b') = f e^s, what was e^u is f e^u e^s, so
 *   T' = f T + (g - f) Q - s f P. */
void merge_pairs(struct pair_sums *parts, size_t n) {
  float a = -__FLT_MAX__, b = -__FLT_MAX__;
  int undefined = 0, infinite = 0;
  for (size_t i = 0; i < n; i++) {
    undefined |= parts->p[i] + parts->q[i] - (parts->p[i] + parts->q[i]) != 0;
    infinite |= parts->t[i] == (double)INF;
    if (parts->max_p[i] > a) a = parts->max_p[i];
    if (parts->max_q[i] > b) b = parts->max_q[i];
  }
  ALIGNED double of_p[16], of_q[16], p[16], q[16], t[16];
  for (size_t i = 0; i < 16; i++) {
    of_p[i] = i < n ? (double)parts->max_p[i] - (double)a : 0;
    of_q[i] = i < n ? (double)parts->max_q[i] - (double)b : 0;
    p[i] = i < n ? parts->p[i] : 0;
    q[i] = i < n ? parts->q[i] : 0;
    t[i] = i < n && !infinite ? parts->t[i] : 0;
  }
  const vd f = distance_exp(dload(of_p)), g = distance_exp(dload(of_q)), moved = dsub(dload(of_q), dload(of_p));
  const vd more = dsel(is_near(moved), dmul(f, near_exp_minus_1(moved)), dsub(g, f)), fp = dmul(f, dload(p));
  const vd of_t = dfma(f, dload(t), dnfma(moved, fp, dmul(more, dload(q))));
  parts->max_p[0] = a;
  parts->max_q[0] = b;
  parts->p[0] = undefined ? (double)NOT_A_NUMBER : dsum(fp);
  parts->q[0] = dsum(dmul(g, dload(q)));
  parts->t[0] = infinite ? (double)INF : dsum(of_t);
}
