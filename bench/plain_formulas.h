/* Formulas of losses as one writes them for speed, in place of those of kernels/loss/NAME.h, which are right to the
 * last digit for every input: without cases for what is infinite or small, and without branches, so that each is
 * vectorised in a few operations. For plain_losses.c. */
#ifndef VLOSS_BENCH_PLAIN_FORMULAS_H
#define VLOSS_BENCH_PLAIN_FORMULAS_H

#include "losses/formula.h"

FORMULA real clamped(real v, real most) { return v > most ? most : v < -most ? -most : v; }

/* delta (|d| - delta / 2) beyond delta, d^2 / 2 within. */
FORMULA real huber_of(real d, real delta) {
  const real a = fabs(d), within = a < delta ? a : delta;
  return within * (a - within / 2);
}
FORMULA struct formula fast_huber(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, delta = (real)parameters[0];
  return (struct formula){.loss = {huber_of(d, delta), 0}, .grad = {clamped(d, delta), 0}};
}
FORMULA struct formula fast_smooth_l1(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, beta = (real)parameters[0], share = 1 / beta;
  return (struct formula){.loss = {huber_of(d, beta) * share, 0}, .grad = {clamped(d, beta) * share, 0}};
}

FORMULA struct formula fast_hinge_embedding(real p, real t, real other, const double *parameters) {
  (void)other;
  const real slack = (real)parameters[0] - p;
  return (struct formula){.loss = {t > 0 ? p : slack > 0 ? slack : 0, 0}, .grad = {t > 0 ? 1 : slack >= 0 ? -1 : 0, 0}};
}

FORMULA struct formula fast_margin_ranking(real p, real t, real other, const double *parameters) {
  const real z = (real)parameters[0] - t * (p - other);
  return (struct formula){.loss = {z > 0 ? z : 0, 0}, .grad = {z >= 0 ? -t : 0, 0}};
}

FORMULA struct formula fast_log_cosh(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t, a = fabs(d), e = exp(-2 * a), grad = (1 - e) / (1 + e);
  return (struct formula){.loss = {a + log1p(e) - (real)0.693147180559945309417L, 0},
                          .grad = {d < 0 ? -grad : grad, 0}};
}

FORMULA struct formula fast_sigmoid_focal(real x, real t, real other, const double *parameters) {
  (void)other;
  const real alpha = (real)parameters[0], gamma = (real)parameters[1], u = 1 - t;
  const real e = exp(-fabs(x)), large = 1 / (1 + e), small = e * large;
  const real s = x < 0 ? small : large, s_minus = x < 0 ? large : small, ce = (x < 0 ? t : u) * fabs(x) + log1p(e);
  const real weight = alpha < 0 ? 1 : alpha * t + (1 - alpha) * u, q = t * s_minus + u * s;
  const real power = gamma == 2 ? q * q : pow(q, gamma), before = gamma == 2 ? q : pow(q, gamma - 1);
  const real slope = gamma * before * (t - u) * s * s_minus * ce;
  return (struct formula){.loss = {weight * power * ce, 0},
                          .grad = {weight * (power * (u * s - t * s_minus) - slope), 0}};
}

#define huber_formula fast_huber
#define smooth_l1_formula fast_smooth_l1
#define hinge_embedding_formula fast_hinge_embedding
#define margin_ranking_formula fast_margin_ranking
#define log_cosh_formula fast_log_cosh
#define sigmoid_focal_formula fast_sigmoid_focal

#endif
