/* See reference.h: the losses of the registry, by the formula of each element or row, in the order of the job's values.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <tgmath.h>

#include "formulas.h"
#include "loss_facts.h"
#include "losses.h"

static void *allocate(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (p) return p;
  fprintf(stderr, "vloss-check: out of memory\n");
  exit(2);
}

/* A factor of 0 makes 0 of everything but NaN; an infinite one makes NaN of 0. */
static real times(real factor, real v) { return factor == 0 && !isnan(v) ? 0 : factor * v; }

/* What becomes of a number beyond the largest float, or double, before it is scaled. */
static real as_element(real x) {
  const real beyond = job_type == VLOSS_F64 ? ldexp((real)1, 1024) : (real)0x1.ffffffp127;
  return fabs(x) >= beyond ? copysign((real)INFINITY, x) : x;
}

/* A loss or derivative times its factor. A normal result is rounded once; on the way to a denormal one, either may have
 * lost digits below 2^-126, the factor before the last of its own multiplications, by the weight: but not many. Of
 * doubles what the factor multiplies is one itself: infinite beyond them, and with fewer digits where it is a denormal,
 * or a denormal times an operand of that size. */
static struct expectation scaled(real factor, real weight, real size, struct formula_value v) {
  if (job_type == VLOSS_F64) v.value = as_element(v.value);
  struct expectation e = {times(factor, v.value), fabs(times(factor, v.scale))};
  const bool wide = job_type == VLOSS_F64;
  const real normal = ldexp((real)1, wide ? -1022 : -126);
  const real least = fmax(fabs(factor), fabs(v.value) * fmax(fabs(weight), (real)1)) * normal;
  if (!(e.scale > 0)) e.scale = 0;
  if (fabs(e.value) < normal && least > e.scale && factor != 0 && isfinite(least))
    e.scale = fmax(e.scale, fmin(least, normal * 128));
  const real unit = normal * fmax(1, size);
  if (wide && fabs(v.value) < unit * 0x1p22 && isfinite(factor)) e.scale = fmax(e.scale, fabs(factor) * unit);
  return e;
}

struct losses {
  const struct job *job;
  const vloss_loss_info *info;
  double parameters[4];
  const struct array *prediction, *target, *other, *weights, *upstream, *labels;
  struct expectation *loss, *grad, *grad_target, *grad_other;
  real grad_scale;
  struct expectation row_sum, total;
};

static real value_at(const struct array *array, size_t row, size_t column, size_t columns) {
  if (!array) return 1;
  const size_t at[] = {[SCALAR] = 0, [PER_ROW] = row, [PER_CLASS] = column, [MATRIX] = row * columns + column};
  return job_value(array, at[array->shape]);
}

static void put(struct expectation *out, size_t i, real factor, real weight, real size, struct formula_value v) {
  if (out) out[i] = scaled(factor, weight, size, v);
}
static void add(struct expectation *sum, struct expectation e) {
  sum->value += e.value;
  sum->scale += fmax(e.scale, fabs(e.value));
}
static struct expectation divided(struct expectation e, real divisor) {
  return (struct expectation){e.value / divisor, e.scale / divisor};
}

/* Whether an element of three operands lies so near to a kink that the rounding of the difference of two of them
 * decides on which side it is. (Of two operands the difference keeps its order with any float.) */
static bool near_kink(const struct losses *f, real p, real t, real q, struct formula v) {
  if (!takes(f->info, VLOSS_TAKES_OTHER) || parameter_index(f->info, "margin") == f->info->parameter_count)
    return false;
  const bool wide = job_type == VLOSS_F64;
  const real step = fmax(fabs(p), fabs(q)) * ldexp((real)1, wide ? -52 : -23) + ldexp((real)1, wide ? -1074 : -149);
  element_formula *formula = REFERENCE(formula_of)(f->info->kind).element;
  return formula(p - step, t, q, f->parameters).grad.value != v.grad.value ||
         formula(p + step, t, q, f->parameters).grad.value != v.grad.value;
}

static void expect_element(struct losses *f, size_t row, size_t column) {
  const size_t columns = f->job->classes, i = row * columns + column;
  const real p = value_at(f->prediction, row, column, columns), t = value_at(f->target, row, column, columns);
  const real q = value_at(f->other, row, column, columns), w = value_at(f->weights, row, column, columns);
  const real size = fmin(fmax(fabs(p), fabs(q)), (real)0x1p64);
  const real h = value_at(f->upstream, row, column, columns), factor = times(w * h, f->grad_scale);
  struct formula v = REFERENCE(formula_of)(f->info->kind).element(p, t, q, f->parameters);
  if (isnan(p + t + q) && (isnan(p) || isnan(t) || isnan(q))) {
    const struct formula_value nan = {(real)NAN, 0};
    v = (struct formula){nan, nan, nan, nan};
  }
  if (near_kink(f, p, t, q, v)) v.grad.scale = v.grad_other.scale = (real)INFINITY; /* any finite gradient will do */
  struct expectation loss = scaled(w, 1, size, v.loss);
  loss.value = as_element(loss.value);
  add(&f->row_sum, loss);
  if (f->job->option->reduction == VLOSS_NONE) f->loss[i] = loss;
  put(f->grad, i, factor, w, size, v.grad);
  put(f->grad_target, i, factor, w, size, v.grad_target);
  put(f->grad_other, i, factor, w, size, v.grad_other);
}

static bool row_nan(const real *x, size_t n) {
  for (size_t c = 0; x && c < n; c++)
    if (isnan(x[c])) return true;
  return false;
}

/* Whether the gradient of a row jumps when the margin moves by a float, as that is what formulas make of it, or by less
 * than what double arithmetic can tell apart. Leaves the gradients of the row as it stands in the room. */
static bool at_kink(const struct losses *f, struct formula_row r, struct formula_value loss, real *room) {
  const size_t n = r.n, margin = parameter_index(f->info, "margin");
  if (margin == f->info->parameter_count) return false;
  real *given = allocate(6 * n, sizeof *given), largest = 0, jump = 0;
  memcpy(given, room + 4 * n, 6 * n * sizeof *given);
  const double step = fmax(fabs(f->parameters[margin]) * 0x1p-23, (double)loss.scale * 0x1p-40);
  double parameters[4];
  memcpy(parameters, f->parameters, sizeof parameters);
  r.parameters = parameters;
  for (int side = -1; side <= 1; side += 2) {
    parameters[margin] = f->parameters[margin] + side * step;
    memset(room + 4 * n, 0, 6 * n * sizeof *room);
    REFERENCE(formula_of)(f->info->kind).row(&r, &loss);
    for (size_t c = 0; c < 3 * n; c++) {
      largest = fmax(largest, fabs(given[c]));
      jump = fmax(jump, fabs(given[c] - room[4 * n + c]));
    }
  }
  memcpy(room + 4 * n, given, 6 * n * sizeof *given);
  free(given);
  return jump > largest * (real)0x1p-18;
}

/* One row: operands, gradients and their scales as arrays of real, 10 of them in `room`. */
static void expect_row(struct losses *f, size_t row, real *room, int64_t *list) {
  const size_t n = f->job->classes;
  const bool classes = takes(f->info, VLOSS_WEIGHTS_A_CLASS), per_row = takes(f->info, VLOSS_TAKES_TARGET_PER_ROW);
  const real w = classes ? 1 : value_at(f->weights, row, 0, n), h = value_at(f->upstream, row, 0, n);
  const real factor = times(w * h, f->grad_scale);
  memset(room, 0, 10 * n * sizeof *room);
  struct formula_row r = {.n = n, .p = room, .parameters = f->parameters};
  r.grad = room + 4 * n, r.grad_scale = room + 7 * n;
  if (f->grad_target) r.grad_target = room + 5 * n, r.grad_target_scale = room + 8 * n;
  if (f->grad_other) r.grad_other = room + 6 * n, r.grad_other_scale = room + 9 * n;
  for (size_t c = 0; c < n; c++) {
    room[c] = value_at(f->prediction, row, c, n);
    room[n + c] = value_at(f->target, row, c, n);
    room[2 * n + c] = value_at(f->other, row, c, n);
    room[3 * n + c] = value_at(f->weights, row, c, n);
  }
  if (f->target && !per_row) r.t = room + n;
  if (f->target && per_row) r.target = value_at(f->target, row, 0, n);
  if (f->other) r.other = room + 2 * n;
  if (f->weights && classes) r.class_weights = room + 3 * n;
  bool bad = isnan(r.target) || row_nan(r.p, n) || row_nan(r.t, n) || row_nan(r.other, n);
  if (f->labels && takes(f->info, VLOSS_TAKES_LABELS)) {
    r.label = get_integer(f->labels, row);
    bad |= r.label < 0 || (uint64_t)r.label >= n;
  } else if (f->labels) {
    for (size_t c = 0; c < n; c++) {
      list[c] = get_integer(f->labels, row * n + c);
      bad |= list[c] < -1 || list[c] >= (int64_t)n; /* beyond the end of the list, too */
    }
    r.labels = list;
  }
  struct formula_value loss = {(real)NAN, 0};
  real apart = (real)INFINITY;
  r.apart = &apart;
  if (!bad) REFERENCE(formula_of)(f->info->kind).row(&r, &loss);
  const bool tie = apart < loss.scale * (real)0x1p-40, kink = !bad && (tie || at_kink(f, r, loss, room));
  /* At a kink any finite gradient will do. */
  for (size_t c = 0; kink && c < 3 * n; c++) room[7 * n + c] = (real)INFINITY;
  const struct expectation e = scaled(w, 1, 1, loss);
  add(&f->row_sum, e);
  for (size_t c = 0; c < n; c++) {
    struct formula_value v[3];
    for (size_t k = 0; k < 3; k++)
      v[k] = bad ? (struct formula_value){(real)NAN, 0}
                 : (struct formula_value){room[(4 + k) * n + c], room[(7 + k) * n + c]};
    put(f->grad, row * n + c, factor, w, 1, v[0]);
    put(f->grad_target, row * n + c, factor, w, 1, v[1]);
    put(f->grad_other, row * n + c, factor, w, 1, v[2]);
  }
}

/* hinge's AUTO: labels are 0 and 1 if all of the call are. */
static void resolve_label_mode(struct losses *f) {
  if (f->job->function->loss->first_parameter != PARAMETER_LABEL_MODE || f->parameters[0] != 0) return;
  f->parameters[0] = 1;
  for (size_t i = 0; i < job_length(f->job, f->target); i++) {
    const real t = job_value(f->target, i);
    if (t != 0 && t != 1) f->parameters[0] = 2;
  }
}

static struct expectation *expected(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array ? array->expected : NULL;
}

/* Sections 1.1 and 1.2 of the contract: what a reduction divides by. */
static real divisor_of(const struct job *job, bool by_element) {
  const real rows = (real)job->rows, width = by_element ? (real)job->classes : 1;
  switch (job->option->reduction) {
    case VLOSS_MEAN:
    case VLOSS_KERAS_SUM_OVER_BATCH_SIZE:
      return rows * width;
    case VLOSS_BATCH_MEAN:
      return rows;
    case VLOSS_KERAS_SUM:
    case VLOSS_KERAS_NONE:
      return width;
    default:
      return 1;
  }
}

void REFERENCE(loss)(struct job *job) {
  const vloss_loss_info *info = &job->function->loss->info;
  const bool by_element = elementwise(info);
  const vloss_reduction reduction = job->option->reduction;
  const real divisor = divisor_of(job, by_element);
  struct losses f = {
      .job = job,
      .info = info,
      .prediction = job_array(job, "prediction"),
      .target = job_array(job, "target"),
      .other = job_array(job, "other"),
      .weights = job_array(job, "weights"),
      .upstream = job_array(job, "upstream"),
      .labels = job_array(job, "labels"),
      .loss = expected(job, "loss"),
      .grad = expected(job, "grad"),
      .grad_target = expected(job, "grad_target"),
      .grad_other = expected(job, "grad_other"),
      .grad_scale = 1 / divisor,
  };
  for (size_t i = 0; i < info->parameter_count; i++) f.parameters[i] = parameter_at(info, job->option, i);
  resolve_label_mode(&f);
  real *room = by_element ? NULL : allocate(10 * job->classes, sizeof *room);
  int64_t *list = by_element ? NULL : allocate(job->classes, sizeof *list);
  for (size_t row = 0; row < job->rows; row++) {
    f.row_sum = (struct expectation){0, 0};
    for (size_t c = 0; by_element && c < job->classes; c++) expect_element(&f, row, c);
    if (!by_element) expect_row(&f, row, room, list);
    add(&f.total, f.row_sum);
    if (reduction == VLOSS_KERAS_NONE || (reduction == VLOSS_NONE && !by_element))
      f.loss[row] = divided(f.row_sum, divisor);
  }
  free(room);
  free(list);
  if (reduction == VLOSS_NONE || reduction == VLOSS_KERAS_NONE) return;
  const bool keras = reduction == VLOSS_KERAS_SUM || reduction == VLOSS_KERAS_SUM_OVER_BATCH_SIZE;
  const bool zero = keras ? job->rows == 0 : divisor == 0 && (job->option->flags & VLOSS_EMPTY_MEAN_ZERO);
  f.loss[0] = zero ? (struct expectation){0, 0} : divided(f.total, divisor);
}
