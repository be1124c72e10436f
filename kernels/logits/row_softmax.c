/* Writing F exp(x_c) / 2^N over a row whose classes lie along the vector lanes. */
#include "row_softmax.h"

/* n <= 16 classes. The label's own term may lie beyond the reach of exp, and be NaN: any other number serves. */
VFN void row_softmax_step(const struct row_output *row, const struct factors *f, const struct reference *ref, size_t c,
                          size_t n, const enum writing writing) {
  const size_t label = row->label;
  vf v = load_n((writing == KEPT ? row->out : row->x) + c, n);
  if (writing != KEPT) v = term(vsub(v, vset1(row->shift)), ref);
  if (label - c < 16) v = put_label(v, c, label, 1.0f);
  v = scaled(v, f);
  store_n(row->out + c, label - c < 16 ? put_label(v, c, label, row->value) : v, n, writing == PAST);
}
VFN void row_softmax_as(const struct row_output *row, const struct factors *f, const enum writing writing,
                        const int shifted) {
  const struct reference ref = reference_at(vset1(row->n));
  const vf shifts = vset1(row->shift);
  const size_t classes = row->classes, label = row->label;
  float *out = row->out;
  const float *from = writing == KEPT ? out : row->x;
  size_t c = 0;
  if (writing == PAST) {
    const size_t head = (64 - (uintptr_t)out % 64) % 64 / sizeof *out;
    c = head < classes ? head : classes;
    if (c) row_softmax_step(row, f, &ref, 0, c, writing);
  }
  for (; c + BLOCK <= classes; c += BLOCK) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(from + c + 16 * j);
    if (writing != KEPT) {
      if (shifted) UNROLL for (int j = 0; j < 4; j++) v[j] = vsub(v[j], shifts);
      terms(v, v, 4, &ref);
    }
    if (label - c < BLOCK) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, label, 1.0f);
    scaled4(v, f);
    if (label - c < BLOCK) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, label, row->value);
    UNROLL for (size_t j = 0; j < 4; j++) store_n(out + c + 16 * j, v[j], 16, writing == PAST);
  }
  for (; c < classes; c += 16) row_softmax_step(row, f, &ref, c, classes - c < 16 ? classes - c : 16, writing);
}

void row_softmax(const struct row_output *row, const struct row_factors *factors, size_t i, enum writing writing) {
  const struct factors f = factors_of_row(factors, i);
  if (row->shift != 0)
    row_softmax_as(row, &f, writing == PAST ? PAST : CACHED, 1);
  else if (writing == KEPT)
    row_softmax_as(row, &f, KEPT, 0);
  else if (writing == PAST)
    row_softmax_as(row, &f, PAST, 0);
  else
    row_softmax_as(row, &f, CACHED, 0);
}

void kept_row_softmax(const struct row_output *row, const struct finished *finished, const vd *upstream,
                      const float *block_n) {
  ALIGNED double inverse[16], scale[16];
  dstore(inverse, finished->inverse);
  dstore(scale, *upstream);
  const vd every_inverse = dset1(inverse[0]), every_scale = dset1(scale[0]);
  const size_t blocks = (row->classes + CLASS_BLOCK - 1) / CLASS_BLOCK;
  for (size_t b = 0; b < blocks; b++) {
    struct row_factors factors;
    if (b % 16 == 0) { /* of 16 blocks at a time */
      const vf n = load_n(block_n + b, blocks - b < 16 ? blocks - b : 16);
      const vd change = dpower_of_two(dwiden(vsub(n, vset1(row->n))));
      const struct finished part = {.inverse = dmul(every_inverse, change)};
      row_factors_of(&factors, &part, &every_scale, 0);
    }
    const size_t c = b * CLASS_BLOCK, rest = row->classes - c;
    const struct row_output block = {.x = row->x + c,
                                     .out = row->out + c,
                                     .classes = rest < CLASS_BLOCK ? rest : CLASS_BLOCK,
                                     .label = row->label - c,
                                     .n = block_n[b],
                                     .value = row->value};
    row_softmax(&block, &factors, b % 16, KEPT);
  }
}
