/* The sums of the blocks of a long row, as row_sums.c makes that of a row. */
#include "calm.h"
#include "row_steps.h"
#include "row_sums.h"

/* Several blocks of a long row. What a block begins with, N, is known before the one before it ends, and what it ends
 * with, the sum of its lanes, is left for later: neither is waited for. The loop over whole steps is a function of its
 * own, so that it has the registers for itself. */
struct block_rows {
  const float *x;
  float *stash; /* null: none */
  size_t classes, skip;
};
VFN void block_steps(struct row_state *state, const float *x, float *stash, size_t c, size_t stop) {
  struct row_state s = *state;
  for (; c < stop; c += BLOCK) {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = vload(x + c + 16 * j);
    row_fetch_ahead(x + c, BLOCK * sizeof *x);
    row_block(&s, v, stash, c, SIZE_MAX, 0);
  }
  *state = s;
}
static __attribute__((noinline)) void kept_steps(struct row_state *s, const struct block_rows *b, size_t c,
                                                 size_t stop) {
  block_steps(s, b->x, b->stash, c, stop);
}
static __attribute__((noinline)) void plain_steps(struct row_state *s, const float *x, size_t c, size_t stop) {
  block_steps(s, x, NULL, c, stop);
}
static void whole_steps(struct row_state *s, const struct block_rows *b, size_t c, size_t stop) {
  b->stash ? kept_steps(s, b, c, stop) : plain_steps(s, b->x, c, stop);
}
/* The step with the class that is left out, or at the end of the row. */
static SMALL void odd_step(struct row_state *s, const struct block_rows *b, size_t c) {
  vf v[4];
  for (size_t j = 0; j < 4; j++) v[j] = row_load(b->x, c + 16 * j, b->classes, b->skip);
  row_block(s, v, b->stash, c, b->classes, 0);
}
static void first_n(const struct block_rows *b, float *n) {
  vf v[4];
  for (size_t j = 0; j < 4; j++) v[j] = row_load(b->x, 16 * j, b->classes, b->skip);
  *n = vfirst(reference_for(vset1(vhmax(vmax(vmax(v[0], v[1]), vmax(v[2], v[3]))))).n);
}
static void add_block_steps(struct row_state *s, const struct block_rows *b) {
  const size_t whole = b->classes / BLOCK * BLOCK, c = b->skip < whole ? b->skip / BLOCK * BLOCK : whole;
  whole_steps(s, b, 0, c);
  if (c < b->classes) odd_step(s, b, c);
  if (c + BLOCK <= whole) {
    whole_steps(s, b, c + BLOCK, whole);
    if (whole < b->classes) odd_step(s, b, whole);
  }
}
static __attribute__((noinline)) void calm_block_steps(struct row_state *s, const struct block_rows *b) {
  ALIGNED float copy[CLASS_BLOCK];
  struct block_rows calm = *b;
  calm.x = copy;
  copy_calm(b->x, 1, b->classes, copy);
  add_block_steps(s, &calm);
}
VFN struct block_rows block_of(const struct block_rows *row, size_t c) {
  const size_t rest = row->classes - c;
  return (struct block_rows){row->x + c, row->stash ? row->stash + c : NULL, rest < CLASS_BLOCK ? rest : CLASS_BLOCK,
                             row->skip - c};
}

void row_blocks_sum(const float *x, size_t classes, size_t skip, float *stash, struct row_sums *out) {
  const struct block_rows row = {x, stash, classes, skip};
  struct row_state states[16];
  struct block_rows next = block_of(&row, 0);
  size_t count = 0;
  first_n(&next, out->n);
  for (size_t first = 0; first < classes; first += CLASS_BLOCK, count++) {
    const struct block_rows block = next;
    struct row_state *const s = &states[count];
    *s = (struct row_state){.max = vset1(-INF), .sum = dset1(0.0), .ref = reference_at(vset1(out->n[count]))};
    if (first + CLASS_BLOCK < classes) {
      next = block_of(&row, first + CLASS_BLOCK);
      first_n(&next, out->n + count + 1);
    }
    if (met_denormals(0, block.x, 0, CLASS_BLOCK))
      calm_block_steps(s, &block);
    else
      add_block_steps(s, &block);
    out->n[count] = vfirst(s->ref.n);
  }
  for (size_t i = 0; i < count; i++) {
    out->sum[i] = dsum(states[i].sum);
    out->max[i] = vhmax(states[i].max);
    out->shift[i] = 0;
    const struct block_rows block = block_of(&row, i * CLASS_BLOCK);
    if (__builtin_expect(vany(is_huge(vset1(out->max[i]))), 0))
      row_sum_huge(block.x, block.classes, block.skip, out, i);
    else if (out->max[i] == 0 && vmet_denormal()) /* perhaps that of a copy */
      out->max[i] = row_max(block.x, block.classes, block.skip);
  }
}
