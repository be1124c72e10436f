/* Writing F exp(x_c) / 2^N over a row whose classes lie along the vector lanes. */
#include "row_softmax.h"

#include <string.h>

#include "words/half.h"

/* n <= 16 classes from c on, `type` and `writing` being constants. */
VFN vf load_classes(const void *p, const vloss_type type, size_t c, size_t n) {
  if (type == VLOSS_F32) return load_n((const float *)p + c, n);
  const uint16_t *from = (const uint16_t *)p + c;
  uint16_t some[16] = {0};
  if (n < 16) {
    memcpy(some, from, n * sizeof *from);
    from = some;
  }
  return type == VLOSS_BF16 ? vload_bf16(from) : vload_f16(from);
}
VFN void store_classes(void *p, const vloss_type type, size_t c, vf v, size_t n, const enum writing writing) {
  if (type == VLOSS_F32) {
    store_n((float *)p + c, v, n, writing == PAST);
    return;
  }
  uint16_t some[16];
  type == VLOSS_BF16 ? vstore_bf16(some, v) : vstore_f16(some, v);
  memcpy((uint16_t *)p + c, some, n * sizeof *some);
}
VFN void store_block(void *p, const vloss_type type, size_t c, const vf *v, const enum writing writing) {
  UNROLL for (size_t j = 0; j < 4; j += 2) {
    const size_t at = c + 16 * j;
    if (type == VLOSS_F32) {
      store_n((float *)p + at, v[j], 16, writing == PAST);
      store_n((float *)p + at + 16, v[j + 1], 16, writing == PAST);
    } else if (type == VLOSS_BF16) {
      (writing == PAST ? vstream_bf16_numbers : vstore_bf16_numbers)((uint16_t *)p + at, v[j], v[j + 1]);
    } else {
      (writing == PAST ? vstream_f16_numbers : vstore_f16_numbers)((uint16_t *)p + at, v[j], v[j + 1]);
    }
  }
}

/* The label's own term may lie beyond the reach of exp, and be NaN: any other number serves. */
VFN void row_softmax_step(const struct row_output *row, const struct factors *f, const struct reference *ref, size_t c,
                          size_t n, const vloss_type type, const enum writing writing) {
  const size_t label = row->label;
  vf v = load_classes(writing == KEPT ? row->out : row->x, type, c, n);
  if (writing != KEPT) v = term(vsub(v, vset1(row->shift)), ref);
  if (label - c < 16) v = put_label(v, c, label, 1.0f);
  v = scaled(v, f);
  store_classes(row->out, type, c, label - c < 16 ? put_label(v, c, label, row->value) : v, n, writing);
}
VFN void row_softmax_as(const struct row_output *row, const struct factors *f, const vloss_type type,
                        const enum writing writing, const int shifted) {
  const struct reference ref = reference_at(vset1(row->n));
  const vf shifts = vset1(row->shift);
  const size_t classes = row->classes, label = row->label;
  void *const out = row->out;
  const void *const from = writing == KEPT ? out : row->x;
  size_t c = 0;
  if (writing == PAST) {
    const size_t head = (64 - (uintptr_t)out % 64) % 64 / (type == VLOSS_F32 ? sizeof(float) : sizeof(uint16_t));
    const size_t before = head < classes ? head : classes;
    for (; c < before; c = before - c < 16 ? before : c + 16)
      row_softmax_step(row, f, &ref, c, before - c < 16 ? before - c : 16, type, CACHED);
  }
  for (; c + BLOCK <= classes; c += BLOCK) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = load_classes(from, type, c + 16 * j, 16);
    if (writing != KEPT) {
      if (shifted) UNROLL for (int j = 0; j < 4; j++) v[j] = vsub(v[j], shifts);
      terms(v, v, 4, &ref);
    }
    if (label - c < BLOCK) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, label, 1.0f);
    scaled4(v, f);
    if (label - c < BLOCK) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, label, row->value);
    store_block(out, type, c, v, writing);
  }
  for (; c < classes; c += 16) row_softmax_step(row, f, &ref, c, classes - c < 16 ? classes - c : 16, type, writing);
}

void row_softmax(const struct row_output *row, const struct row_factors *factors, size_t i, enum writing writing) {
  const struct factors f = factors_of_row(factors, i);
  struct row_output calm;
  if (writing == COPIED && row->shift == 0) {
    calm = *row;
    copy_calm(row->x, 1, row->classes, row->out);
    calm.x = row->out;
    row = &calm;
  }
  if (row->shift != 0)
    row_softmax_as(row, &f, VLOSS_F32, writing == PAST ? PAST : CACHED, 1);
  else if (writing == KEPT)
    row_softmax_as(row, &f, VLOSS_F32, KEPT, 0);
  else if (writing == PAST)
    row_softmax_as(row, &f, VLOSS_F32, PAST, 0);
  else
    row_softmax_as(row, &f, VLOSS_F32, CACHED, 0);
}

#if VLOSS_BUILDS_BF16 || VLOSS_BUILDS_F16
void half_row_softmax(const struct row_output *row, const struct row_factors *factors, size_t i, enum writing writing) {
  const struct factors f = factors_of_row(factors, i);
  const int bf16 = VLOSS_HALF_IS_BF16(row->type);
  const unsigned flags = vflags();
  if (row->shift != 0)
    bf16 ? row_softmax_as(row, &f, VLOSS_BF16, CACHED, 1) : row_softmax_as(row, &f, VLOSS_F16, CACHED, 1);
  else if (writing == PAST)
    bf16 ? row_softmax_as(row, &f, VLOSS_BF16, PAST, 0) : row_softmax_as(row, &f, VLOSS_F16, PAST, 0);
  else
    bf16 ? row_softmax_as(row, &f, VLOSS_BF16, CACHED, 0) : row_softmax_as(row, &f, VLOSS_F16, CACHED, 0);
  vrestore_flags(flags);
}
#endif

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
    const struct row_output block = {.x = (const float *)row->x + c,
                                     .out = (float *)row->out + c,
                                     .classes = rest < CLASS_BLOCK ? rest : CLASS_BLOCK,
                                     .label = row->label - c,
                                     .n = block_n[b],
                                     .value = row->value};
    row_softmax(&block, &factors, b % 16, KEPT);
  }
}
