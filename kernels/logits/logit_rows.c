/* See logit_rows.h. */
#include "logit_rows.h"

static size_t classes_from(const struct logit_row *r, size_t c) {
  return r->at.classes - c < CLASS_BLOCK ? r->at.classes - c : CLASS_BLOCK;
}

const float *logit_row_raw(const struct logit_row *r, size_t c, size_t *n) {
  *n = classes_from(r, c);
  if (r->at.type == VLOSS_F32 && r->at.step == 1) return (const float *)r->at.p + c;
  if (VLOSS_IS_HALF(r->at.type)) {
    half_block_read(&r->at, c, r->block);
  } else {
    const float *const from = (const float *)r->at.p + c * r->at.step;
    for (size_t i = 0; i < *n; i++) r->block[i] = from[i * r->at.step];
  }
  return r->block;
}

const float *logit_row_block(const struct logit_row *r, size_t c, size_t *n) {
  const float *const x = logit_row_raw(r, c, n);
  const struct logit_change change = r->change; /* which no store can change */
  if (changes_nothing(&change)) return x;
  for (size_t i = 0; i < *n; i += 16) {
    const size_t m = *n - i < 16 ? *n - i : 16;
    store_n(r->block + i, logits_of(&change, load_n(x + i, m)), m, 0);
  }
  return r->block;
}

float logit_row_class(const struct logit_row *r, size_t c) {
  const float x = view_element(r->at.p, r->at.type, c * r->at.step);
  return changes_nothing(&r->change) ? x : vfirst(logits_of(&r->change, vset1(x)));
}

void logit_row_put(const struct half_row *at, size_t c, size_t n, const float *from) {
  if (at->step == 1)
    view_write(vloss_element_out(at->p, at->type, c), from, at->type, n, 0);
  else
    for (size_t i = 0; i < n; i++) view_put(at->p, at->type, (c + i) * at->step, from[i]);
}

void logit_row_fill(const struct half_row *at, float value, float *block) {
  for (size_t c = 0; c < CLASS_BLOCK && c < at->classes; c++) block[c] = value;
  for (size_t c = 0; c < at->classes; c += CLASS_BLOCK)
    logit_row_put(at, c, at->classes - c < CLASS_BLOCK ? at->classes - c : CLASS_BLOCK, block);
}
