/* See logit_rows.h. */
#include "logit_rows.h"

const float *logit_row_block(const struct logit_row *r, size_t c, size_t *n) {
  const float *x = r->block;
  if (r->at.type == VLOSS_F32 && r->at.step == 1) {
    *n = r->at.classes - c < CLASS_BLOCK ? r->at.classes - c : CLASS_BLOCK;
    x = (const float *)r->at.p + c;
  } else {
    *n = half_block_read(&r->at, c, r->block); /* unchanged: `change` is the logit row's, not that of `at` */
  }
  if (changes_nothing(&r->change)) return x;
  change_logits(&r->change, x, *n, r->block);
  return r->block;
}

float logit_row_class(const struct logit_row *r, size_t c) {
  const float x = view_element(r->at.p, r->at.type, c * r->at.step);
  return changes_nothing(&r->change) ? x : vfirst(logits_of(&r->change, vset1(x)));
}

void logit_row_fill(const struct half_row *at, float value, float *block) {
  if (at->type == VLOSS_F32 && at->step == 1) {
    fill_row(at->p, value, at->classes);
    return;
  }
  fill_row(block, value, at->classes < CLASS_BLOCK ? at->classes : CLASS_BLOCK);
  for (size_t c = 0; c < at->classes; c += CLASS_BLOCK) half_block_write(at, c, block);
}
