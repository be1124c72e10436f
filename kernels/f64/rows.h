/* Rows of doubles over logits: how they are read and written, and what is known of one after its sum. One row at a
 * time, 16 classes at once, whatever the layout. */
#ifndef VLOSS_KERNELS_F64_ROWS_H
#define VLOSS_KERNELS_F64_ROWS_H

#include "exp.h"
#include "sum.h"
#include "table.h"
#include "tuning.h"

#define wide_log_sums VLOSS_ISA_SYMBOL(vloss_wide_log_sums)

/* What may be done to logits before they count: y = cap tanh(scale x / cap), or scale x without a cap. */
struct wide_change {
  double scale; /* 0: nothing is done */
  double cap;   /* 0: none */
};
#define wide_changed VLOSS_ISA_SYMBOL(vloss_wide_changed)
vd wide_changed(const struct wide_change *change, vd x);
/* dy/dx: scale times 1 / cosh^2. */
VFN struct scaled_exp slopes_at(const struct wide_change *change, vd x) {
  const vd one = dset1(1.0);
  if (change->cap == 0) return (struct scaled_exp){dset1(change->scale), one};
  /* In two parts: far out the rounding of the exponent would be many ulp. */
  const struct parts ratio = parts_quotient(whole(dset1(2 * change->scale)), whole(dset1(change->cap)));
  const struct parts power = parts_product(whole(dneg(dabs(x))), ratio);
  struct scaled_exp e = scaled_exp_of(power.high);
  const vd sum = dfma(e.mantissa, e.scale, one);
  e.mantissa = dfma(e.mantissa, power.low, e.mantissa);
  e.mantissa = ddiv(dmul(dmul(dset1(4.0), e.mantissa), dset1(change->scale)), dmul(sum, sum));
  return e;
}

/* A row of one of the arrays. */
struct wide_row {
  double *p; /* inputs are not written */
  size_t step;
  struct wide_change change; /* done to what is read */
  int from_memory;           /* rows lie side by side, and together do not fit a cache near the core */
};
VFN struct wide_row wide_row_of(const struct vloss_shape *shape, const void *p, size_t stride, size_t row) {
  const size_t inner = shape->inner;
  const uintptr_t first = (uintptr_t)p + (row / inner * stride + row % inner) * sizeof(double);
  const size_t bytes = shape->outer * inner * shape->classes * sizeof(double);
  struct wide_row r = {.step = inner, .from_memory = inner == 1 && bytes > MEMORY_BYTES};
  memcpy(&r.p, &first, sizeof r.p);
  return r;
}
/* Classes c .. c + n - 1, at most 16, as they lie; `fill` beyond. What is not 16 in a row is read and written apart. */
#define wide_some_classes VLOSS_ISA_SYMBOL(vloss_wide_some_classes)
#define wide_put_some VLOSS_ISA_SYMBOL(vloss_wide_put_some)
vd wide_some_classes(const double *p, size_t step, size_t n, double fill);
void wide_put_some(double *p, size_t step, size_t n, vd v);
VFN vd raw_classes_at(struct wide_row r, size_t c, size_t n, double fill) {
  if (n == 16 && r.step == 1) return dload(r.p + c);
  return wide_some_classes(r.p + c * r.step, r.step, n, fill);
}
/* The same as they count. */
#define wide_changed_classes VLOSS_ISA_SYMBOL(vloss_wide_changed_classes)
vd wide_changed_classes(const struct wide_row *r, size_t c, size_t n, double fill);
VFN vd classes_at(struct wide_row r, size_t c, size_t n, double fill) {
  return r.change.scale == 0 ? raw_classes_at(r, c, n, fill) : wide_changed_classes(&r, c, n, fill);
}
VFN void put_classes(struct wide_row r, size_t c, size_t n, vd v) {
  const vd canonical = dsel(dnan(v), dset1(WIDE_NAN), v);
  if (n == 16 && r.step == 1)
    dstore(r.p + c, canonical);
  else
    wide_put_some(r.p + c * r.step, r.step, n, canonical);
}
/* 64 classes from c on, where they lie or in a copy, with `fill` beyond the end and at `but`. */
#define wide_copy_64 VLOSS_ISA_SYMBOL(vloss_wide_copy_64)
const double *wide_copy_64(double *copy, struct wide_row r, size_t classes, size_t c, size_t but, double fill);
/* Asks for the 64 classes that will be wanted some rows later, of rows in memory. */
VFN void ask_for_64(struct wide_row r, size_t c) {
  if (!r.from_memory) return;
  UNROLL for (size_t i = 0; i < 8; i++)
      __builtin_prefetch((const void *)((uintptr_t)(r.p + c + 8 * i) + ROW_AHEAD_BYTES), 0, 3);
}
VFN const double *raw_classes_64(double *copy, struct wide_row r, size_t classes, size_t c, size_t but, double fill) {
  if (__builtin_expect(classes - c >= 64 && but - c >= 64 && r.step == 1, 1)) return r.p + c;
  return wide_copy_64(copy, r, classes, c, but, fill);
}
/* What is rare is AVX2's on AVX-512, too, where that is built: the bits are the same, and every such CPU has it. */
#ifdef VLOSS_RARE_ISA
#define RARE_SYMBOL(x) VLOSS_PASTE(x, VLOSS_RARE_ISA)
#else
#define RARE_SYMBOL(x) VLOSS_ISA_SYMBOL(x)
#endif
VFN size_t at_once(size_t classes, size_t c) { return classes - c < 16 ? classes - c : 16; }
VFN double first_of(vd v) {
  double t[16];
  dstore(t, v);
  return t[0];
}

/* How many classes from the first on, a multiple of 16, can be loaded as they lie: loops over these have no calls,
 * which would keep sums out of the registers. */
VFN size_t loadable_classes(struct wide_row r, size_t classes) {
  return r.step == 1 && r.change.scale == 0 ? classes / 16 * 16 : 0;
}

VFN double class_at(struct wide_row r, size_t c) {
  return r.change.scale == 0 ? r.p[c * r.step] : first_of(classes_at(r, c, 1, 0.0));
}

/* e^d apart from a power of two, in two parts but for what is far below the maximum. */
struct precise_exp {
  struct parts mantissa;
  vd scale;
};
VFN struct precise_exp inlined_precise_exp(struct parts d) {
  const struct scaled_exp exp = scaled_exp_of(d.high);
  const struct parts near = exp_minus_in_parts(dneg(d.high));
  const dm far = dgt(dset1(-700.0), d.high);
  const vd high = dsel(far, exp.mantissa, near.high), low = dsel(far, dset1(0.0), near.low);
  return (struct precise_exp){{high, dfma(high, d.low, low)}, exp.scale};
}

#ifdef VLOSS_ISA_IS_SCALAR /* vectors are loops: too large for a copy in every file */
#define precise_exp_of VLOSS_ISA_SYMBOL(vloss_precise_exp_of)
struct precise_exp precise_exp_of(struct parts d);
#else
#define precise_exp_of inlined_precise_exp
#endif
/* log S relative to e^max in two parts, of what S is but for 1, a number. */
#define wide_log_of VLOSS_ISA_SYMBOL(vloss_wide_log_of)
struct parts wide_log_of(struct parts rest);

/* How the terms of a row whose maximum m is near are found: as e^x 2^-k, of which that of m is about 1. e^(x - m) would
 * need the difference in two parts. */
struct row_scale {
  int near;
  double max, round;   /* VLOSS_D_ROUND - k */
  double least;        /* classes from here on have a normal number for a term */
  struct total of_max; /* its own term */
};
#define wide_row_scales VLOSS_ISA_SYMBOL(vloss_wide_row_scales)
/* Of `rows` maxima, at most 16. */
void wide_row_scales(const double *max, size_t rows, struct row_scale *scales);
VFN struct row_scale row_scale_of(double max) {
  struct row_scale scale;
  wide_row_scales(&max, 1, &scale);
  return scale;
}
#define wide_far_terms VLOSS_ISA_SYMBOL(vloss_wide_far_terms)
vd wide_far_terms(const struct row_scale *s, vd x);
/* The terms of classes that are no NaN. */
VFN vd row_terms(const struct row_scale *s, vd x) {
  const vd e = exp_scaled(x, dset1(s->round));
  const dm far = dgt(dset1(s->least), x);
  if (__builtin_expect(!dany(far), 1)) return e;
  const dm between = dmand(far, dgt(x, dset1(s->max - EXP_NOTHING)));
  return dsel(far, dany(between) ? wide_far_terms(s, x) : dset1(0.0), e);
}
/* Terms of which less than the term is left in what follows: that takes the differences. */
VFN dm far_terms(vd e) { return dgt(dset1(0x1p-1000), e); }

/* Of a row: its maximum m, the sum of e^(x - m) over the classes other than the first at the maximum, and the same
 * without class `but` (another one), too. So log S, S relative to e^m, is log1p(rest), and loses no digits where one
 * class has nearly everything. */
struct log_sum {
  double max, rest, rest_but;
  size_t best;   /* the first class at the maximum; of the first NaN */
  int undefined; /* NaN, +inf, or nothing but -inf; max is NaN, or infinite */
};
enum { WIDE_NO_CLASS = -1 };
/* Of at most 16 rows that are as long: what comes before their terms and after them is found for all of them at once.
 * but and kept are null, or an array of one for each. Where kept[i] is not null, the terms of row i (row_scale_of) are
 * written to it, if the maximum is near. */
void wide_log_sums(const struct wide_row *x, size_t rows, size_t classes, const size_t *but, double *const *kept,
                   struct log_sum *sums);
/* As many of them as stay in the L1 cache between two passes. */
VFN size_t rows_at_once(size_t classes) { return classes <= 256 ? 16 : classes <= 512 ? 8 : classes <= 1024 ? 4 : 1; }

#endif
