/* Triplet margin: max(0, D(a, p) - D(a, n) + margin), a the anchor (the prediction), p the positive (the target), n the
 * negative (other); D(u, v) = (sum_c |u_c - v_c + eps|^norm)^(1/norm). With swap, D(a, n) is the smaller of that and
 * D(p, n), and of equal ones each gets half of the gradient. dD/du_c = sg(d_c) (|d_c| / D)^(norm - 1) with
 * d = u - v + eps, 0 where D is 0. In double throughout, which neither overflows nor loses differences near -eps. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void triplet_margin_constants(const double *parameters, struct constants *k) {
  for (int i = 0; i < 4; i++) k->k[i] = (float)parameters[i];
}

/* d of the pairs (a, p), (a, n) and (p, n); 0 in the lanes beyond m. */
struct differences {
  vd d[3];
};
VFN struct differences differences(const struct row *r, size_t c, size_t m) {
  const vd eps = dset1((double)r->k.k[2]);
  const vd a = dwiden(get(r, r->p, c, m, 0.0f)), p = dwiden(get(r, r->t, c, m, 0.0f)),
           n = dwiden(get(r, r->other, c, m, 0.0f));
  return (struct differences){{dwithout(dadd(dsub(a, p), eps), m, SIZE_MAX),
                               dwithout(dadd(dsub(a, n), eps), m, SIZE_MAX),
                               dwithout(dadd(dsub(p, n), eps), m, SIZE_MAX)}};
}

/* (sum |d|^norm)^(1/norm) for norms other than 1 and 2, as greatest (sum (|d| / greatest)^norm)^(1/norm): any norm is
 * possible then. `sum` is that of |d|. */
static __attribute__((noinline, unused)) double general_distance(struct row r, int pair, vd most, double sum,
                                                                 double norm) {
  double lanes[16], greatest = 0;
  dstore(lanes, most);
  for (int i = 0; i < 16; i++) greatest = lanes[i] > greatest ? lanes[i] : greatest;
  if (sum != sum || greatest == 0 || greatest == (double)INF) return sum;
  vd powers = dset1(0.0);
  EACH_VECTOR(&r, c, m)
  powers = dadd(powers, dpow(ddiv(dabs(differences(&r, c, m).d[pair]), dset1(greatest)), norm));
  dstore(lanes, dpow(dset1(1 / dsum(powers)), 1 / norm));
  return greatest / lanes[0];
}

/* D of the first `pairs` pairs. */
VFN void distances(const struct row *r, const double norm, int pairs, double *distance) {
  vd sum[3], most[3];
  UNROLL for (int i = 0; i < 3; i++) sum[i] = most[i] = dset1(0.0);
  EACH_VECTOR(r, c, m) {
    const struct differences v = differences(r, c, m);
    UNROLL for (int i = 0; i < 3; i++) {
      if (i == pairs) break;
      sum[i] = norm == 2 ? dfma(v.d[i], v.d[i], sum[i]) : dadd(sum[i], dabs(v.d[i]));
      most[i] = norm == 2 || norm == 1 ? most[i] : dmax(dabs(v.d[i]), most[i]);
    }
  }
  UNROLL for (int i = 0; i < 3; i++) {
    if (i == pairs) break;
    const double total = dsum(sum[i]);
    distance[i] = norm == 2 ? sqrt(total) : norm == 1 ? total : general_distance(*r, i, most[i], total, norm);
  }
}

/* dD/dd. */
VFN vd slope(vd d, double distance, const double norm) {
  const vd zero = dset1(0.0), inverse = dset1(distance == 0 ? 0 : 1 / distance);
  if (norm == 2) return dmul(d, inverse);
  const vd size = norm == 1 ? dsel(deq(d, zero), zero, dset1(1.0)) : dpow(dmul(dabs(d), inverse), norm - 1);
  return dsel(dgt(zero, d), dsub(zero, size), size);
}

VFN double triplet_margin_of(const struct row *r, const double norm) {
  const int swap = r->k.k[3] == 1;
  double d[3] = {0};
  distances(r, norm, swap ? 3 : 2, d);
  const double share = swap ? d[1] < d[2] ? 1 : d[1] == d[2] ? 0.5 : 0 : 1; /* of D(a, n) in the gradient */
  const double excess = d[0] - (share == 0 ? d[2] : d[1]) + (double)r->k.k[0];
  if (excess != excess) return nan_row(r);
  if (excess < 0) {
    fill_gradients(r, 0.0f);
    return 0;
  }
  if (r->grad || r->grad_target || r->grad_other) EACH_VECTOR(r, c, m) {
      const struct differences v = differences(r, c, m);
      const vd ap = slope(v.d[0], d[0], norm);
      vd an = dset1(0.0), pn = an;
      if (share > 0) an = dmul(dset1(share), slope(v.d[1], d[1], norm));
      if (share < 1) pn = dmul(dset1(1 - share), slope(v.d[2], d[2], norm));
      if (r->grad) put(r, r->grad, c, m, dnarrow(dsub(ap, an)));
      if (r->grad_target) put(r, r->grad_target, c, m, dnarrow(dsub(dsub(dset1(0.0), ap), pn)));
      if (r->grad_other) put(r, r->grad_other, c, m, dnarrow(dadd(an, pn)));
    }
  return excess;
}

VFN double triplet_margin(const struct row *r) {
  const double norm = (double)r->k.k[1];
  return norm == 2 ? triplet_margin_of(r, 2) : norm == 1 ? triplet_margin_of(r, 1) : triplet_margin_of(r, norm);
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA real triplet_margin_distance(const real *u, const real *v, size_t n, real norm, real eps) {
  real sum = 0;
  if (norm == 2)
    for (size_t c = 0; c < n; c++) sum += (u[c] - v[c] + eps) * (u[c] - v[c] + eps);
  else if (norm == 1)
    for (size_t c = 0; c < n; c++) sum += fabs(u[c] - v[c] + eps);
  else
    for (size_t c = 0; c < n; c++) sum += pow(fabs(u[c] - v[c] + eps), norm);
  return norm == 2 ? sqrt(sum) : norm == 1 ? sum : pow(sum, 1 / norm);
}

/* to[c] += factor dD/dd_c, d = u - v + eps; with `absolute` its absolute value. */
FORMULA void triplet_margin_slopes(real *to, real factor, const real *u, const real *v, size_t n, real distance,
                                   real norm, real eps, int absolute) {
  if (!to || factor == 0 || distance == 0) return;
  if (absolute)
    for (size_t c = 0; c < n; c++) {
      const real d = fabs(u[c] - v[c] + eps);
      to[c] += d == 0 ? 0 : fabs(factor) * pow(d / distance, norm - 1);
    }
  else if (norm == 2)
    for (size_t c = 0; c < n; c++) to[c] += factor * ((u[c] - v[c] + eps) / distance);
  else if (norm == 1)
    for (size_t c = 0; c < n; c++) {
      const real d = u[c] - v[c] + eps;
      to[c] += d > 0 ? factor : d < 0 ? -factor : 0;
    }
  else
    for (size_t c = 0; c < n; c++) {
      const real d = u[c] - v[c] + eps, size = pow(fabs(d) / distance, norm - 1);
      to[c] += d > 0 ? factor * size : d < 0 ? -factor * size : 0;
    }
}

FORMULA void triplet_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real margin = (real)(float)r->parameters[0], norm = (real)(float)r->parameters[1];
  const real *a = r->p, *p = r->t, *q = r->other, eps = (real)(float)r->parameters[2];
  const int swap = r->parameters[3] == 1;
  const size_t n = r->n;
  const real ap = triplet_margin_distance(a, p, n, norm, eps), aq = triplet_margin_distance(a, q, n, norm, eps);
  const real pq = swap ? triplet_margin_distance(p, q, n, norm, eps) : aq, least = aq < pq ? aq : pq;
  const real excess = ap - least + margin, bad = excess == excess ? 0 : excess, on = excess < 0 ? 0 : 1;
  const real share = !swap || aq < pq ? on : aq == pq ? on / 2 : 0, rest = on - share;
  *loss = (struct formula_value){excess < 0 ? 0 : excess, ap + least + margin};
  for (int absolute = 0; absolute < 2; absolute++) {
    real *const to_a = absolute ? r->grad_scale : r->grad, *const to_p =
                                                               absolute ? r->grad_target_scale : r->grad_target;
    real *const to_q = absolute ? r->grad_other_scale : r->grad_other;
    for (size_t c = 0; to_a && c < n; c++) to_a[c] = bad;
    for (size_t c = 0; to_p && c < n; c++) to_p[c] = bad;
    for (size_t c = 0; to_q && c < n; c++) to_q[c] = bad;
    triplet_margin_slopes(to_a, on, a, p, n, ap, norm, eps, absolute);
    triplet_margin_slopes(to_a, -share, a, q, n, aq, norm, eps, absolute);
    triplet_margin_slopes(to_p, -on, a, p, n, ap, norm, eps, absolute);
    triplet_margin_slopes(to_p, -rest, p, q, n, pq, norm, eps, absolute);
    triplet_margin_slopes(to_q, share, a, q, n, aq, norm, eps, absolute);
    triplet_margin_slopes(to_q, rest, p, q, n, pq, norm, eps, absolute);
  }
}
#endif
