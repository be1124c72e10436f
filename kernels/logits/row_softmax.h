/* Writing F exp(x_c) / 2^N over a row, for softmax and for the gradient of cross-entropy. */
#ifndef VLOSS_KERNELS_ROW_SOFTMAX_H
#define VLOSS_KERNELS_ROW_SOFTMAX_H

#include "finish.h"
#include "groups.h"
#include "slabs.h"

#define row_softmax VLOSS_ISA_SYMBOL(vloss_row_softmax)
#define half_row_softmax VLOSS_ISA_SYMBOL(vloss_half_row_softmax)
#define kept_row_softmax VLOSS_ISA_SYMBOL(vloss_kept_row_softmax)

/* How a group of rows is written. */
enum writing {
  KEPT,   /* the terms were kept in the output by the pass that summed them */
  CACHED, /* the terms are computed again */
  PAST,   /* the same, and written past the cache */
  COPIED  /* the same as CACHED, of copies in the place of what is written (calm.h) */
};
VFN enum writing calmer(enum writing writing, int calm) { return calm && writing != KEPT ? COPIED : writing; }

VFN enum writing writing_for(const struct vloss_shape *shape, int in_place) {
  if (in_place) return CACHED;
  return shape->outer * shape->inner * shape->classes * sizeof(float) > STREAM_BYTES ? PAST : KEPT;
}

/* The factors of 16 rows, or of one row in every lane; see struct row_factors. */
struct factors {
  vf factor, factor_low, least, f, f_low, scale0, scale1, flushed;
};
VFN struct factors factors_of(const struct row_factors *rows) {
  return (struct factors){vload(rows->factor), vload(rows->factor_low), vload(rows->least),    vload(rows->f),
                          vload(rows->f_low),  vload(rows->scale[0]),   vload(rows->scale[1]), vload(rows->flushed)};
}
VFN struct factors factors_of_row(const struct row_factors *rows, size_t i) {
  return (struct factors){vset1(rows->factor[i]),   vset1(rows->factor_low[i]), vset1(rows->least[i]),
                          vset1(rows->f[i]),        vset1(rows->f_low[i]),      vset1(rows->scale[0][i]),
                          vset1(rows->scale[1][i]), vset1(rows->flushed[i])};
}

struct factor_patterns {
  ALIGNED float value[8][SLAB_PATTERN];
};
VFN void factors_to_patterns(struct factor_patterns *out, const struct row_factors *rows, size_t i, size_t w) {
  const float *const values[8] = {rows->factor, rows->factor_low, rows->least,    rows->f,
                                  rows->f_low,  rows->scale[0],   rows->scale[1], rows->flushed};
  for (size_t k = 0; k < 8; k++) to_pattern(out->value[k], vload(values[k]), i, w);
}
VFN struct factors factors_at(const struct factor_patterns *p, size_t i) {
  return (struct factors){vload(p->value[0] + i), vload(p->value[1] + i), vload(p->value[2] + i),
                          vload(p->value[3] + i), vload(p->value[4] + i), vload(p->value[5] + i),
                          vload(p->value[6] + i), vload(p->value[7] + i)};
}

/* e F: where every e is at least `least`, and for any e. */
VFN vf scaled_normal(vf e, const struct factors *f) { return vfma(e, f->factor, vmul(e, f->factor_low)); }
VFN vf scaled_any(vf e, const struct factors *f) {
  const vf v = vfma(e, f->f, vmul(e, f->f_low));
  return vmul(vmul(vsel(vgt(f->flushed, vabs(v)), vset1(0.0f), v), f->scale0), f->scale1);
}
VFN vf scaled(vf e, const struct factors *f) {
  return __builtin_expect(vany(vgt(f->least, e)), 0) ? scaled_any(e, f) : scaled_normal(e, f);
}
/* The same for four vectors: one test for all. */
VFN void scaled4(vf *e, const struct factors *f) {
  if (__builtin_expect(vany(vgt(f->least, vmin(vmin(e[0], e[1]), vmin(e[2], e[3])))), 0))
    UNROLL for (int j = 0; j < 4; j++) e[j] = scaled_any(e[j], f);
  else
    UNROLL for (int j = 0; j < 4; j++) e[j] = scaled_normal(e[j], f);
}

/* What row_softmax writes and where: out_c = F exp(x_c) / 2^N, and `value` at the label (NO_CLASS: none). */
struct row_output {
  const void *x;
  void *out;
  size_t classes, label;
  float n, shift, value;
  vloss_type type; /* of both; row_softmax takes floats whatever it says */
};
/* The factors of row i, which are finite. */
void row_softmax(const struct row_output *row, const struct row_factors *factors, size_t i, enum writing writing);
/* The same in 16 bits, whose terms are not kept. */
void half_row_softmax(const struct row_output *row, const struct row_factors *factors, size_t i, enum writing writing);
/* The same over a long row whose terms were kept, with N of each block: the row is lane 0 of *finished and *upstream,
 * which are what its factors are made of. */
void kept_row_softmax(const struct row_output *row, const struct finished *finished, const vd *upstream,
                      const float *block_n);

#endif
