/* The sums of rows in 16 bits, by what row_sums.c and group_sums.c do with floats. Where the classes lie side by side
 * they are widened on the way; else, and where a block is out of the ordinary, it is widened first. */
#include "half_rows.h"
#include "heavy_rows.h"
#include "row_steps.h"
#include "row_sums.h"
#include "words/half.h"

static const double none[16]; /* of the rows is left */

typedef vf load_half(const uint16_t *p);
VFN void half_steps(struct row_state *state, const uint16_t *x, size_t stop, load_half *const load) {
  struct row_state s = *state;
  for (size_t c = 0; c < stop; c += BLOCK) {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = load(x + c + 16 * j);
    row_fetch_ahead(x + c, BLOCK * sizeof *x);
    row_block(&s, v, NULL, c, SIZE_MAX, 0);
  }
  *state = s;
}
static __attribute__((noinline)) void bf16_steps(struct row_state *s, const uint16_t *x, size_t stop) {
  half_steps(s, x, stop, vload_bf16);
}
static __attribute__((noinline)) void f16_steps(struct row_state *s, const uint16_t *x, size_t stop) {
  half_steps(s, x, stop, vload_f16);
}
/* Classes of one block, from a multiple of 64 on, n of them: without class `skip` of these. */
static void whole_steps(struct row_state *s, const struct half_row *row, size_t c, size_t n) {
  const uint16_t *const x = (const uint16_t *)row->p + c;
  if (VLOSS_HALF_IS_BF16(row->type))
    bf16_steps(s, x, n);
  else
    f16_steps(s, x, n);
}
static void odd_classes(const struct half_row *row, size_t c, size_t n, size_t skip, vf *v) {
  ALIGNED float some[BLOCK];
  for (size_t i = 0; i < BLOCK; i += 16) vstore(some + i, vset1(-INF));
  view_read(some, vloss_element(row->p, row->type, c), row->type, n < BLOCK ? n : BLOCK);
  if (skip < BLOCK) some[skip] = -INF;
  for (size_t j = 0; j < 4; j++) v[j] = vload(some + 16 * j);
}
static SMALL void odd_step(struct row_state *s, const struct half_row *row, size_t c, size_t n, size_t skip) {
  vf v[4];
  odd_classes(row, c, n, skip, v);
  row_block(s, v, NULL, 0, SIZE_MAX, 0);
}

/* As row_blocks_sum, of classes c .. c + classes - 1. */
static void half_blocks_sum(const struct half_row *row, size_t c, size_t classes, size_t skip, struct row_sums *out) {
  struct row_state states[16];
  const size_t count = class_blocks(classes);
  for (size_t i = 0; i < count; i++) {
    vf v[4];
    const size_t b = i * CLASS_BLOCK, left = classes - b;
    odd_classes(row, c + b, left, skip - b, v);
    states[i] = (struct row_state){.max = vset1(-INF), .sum = dset1(0.0)};
    states[i].ref = reference_for(vset1(vhmax(vmax(vmax(v[0], v[1]), vmax(v[2], v[3])))));
  }
  for (size_t i = 0; i < count; i++) {
    struct row_state *const s = &states[i];
    const size_t b = i * CLASS_BLOCK, n = classes - b < CLASS_BLOCK ? classes - b : CLASS_BLOCK;
    const size_t whole = n / BLOCK * BLOCK, at = skip - b;
    size_t done = at < whole ? at / BLOCK * BLOCK : whole;
    whole_steps(s, row, c + b, done);
    if (done < n) odd_step(s, row, c + b + done, n - done, at - done);
    if (done + BLOCK <= whole) {
      whole_steps(s, row, c + b + done + BLOCK, whole - done - BLOCK);
      if (whole < n) odd_step(s, row, c + b + whole, n - whole, at - whole);
    }
  }
  for (size_t i = 0; i < count; i++) {
    out->n[i] = vfirst(states[i].ref.n);
    out->sum[i] = dsum(states[i].sum);
    out->max[i] = vhmax(states[i].max);
    out->shift[i] = 0;
  }
}

/* A block whose maximum is huge, or that has a heavy class: widened, and as floats are done. */
static SMALL void odd_block(const struct half_reader *r, size_t c, size_t skip, struct row_sums *part, size_t i) {
  const size_t n = half_block_read(&r->row, c, r->block);
  if (vany(is_huge(vset1(part->max[i]))))
    row_sum(r->block, n, skip, NULL, part, i);
  else
    part->sum[i] += heavy_blocks(r->block, n, skip, part->max[i], part->n[i]);
}

/* Classes that lie side by side, from block border c on: up to 16 blocks, but a short one at the end by itself. Lanes
 * 0.. of *part get the blocks. How many classes that were. */
static size_t add_blocks(const struct half_reader *r, size_t c, size_t skip, struct row_sums *part) {
  const size_t rest = r->row.classes - c, end = rest % CLASS_BLOCK;
  size_t width = end && end <= SHORT_ROW && rest > end ? rest - end : rest;
  if (width > 16 * CLASS_BLOCK) width = 16 * CLASS_BLOCK;
  no_sums(part);
  if (width <= SHORT_ROW) {
    row_sum(r->block, half_block_read(&r->row, c, r->block), skip, NULL, part, 0);
    return width;
  }
  half_blocks_sum(&r->row, c, width, skip, part);
  const size_t n = class_blocks(width);
  for (size_t i = 0; i < n; i++)
    if (vany(is_huge(vset1(part->max[i])))) odd_block(r, c + i * CLASS_BLOCK, skip - i * CLASS_BLOCK, part, i);
  const uint32_t heavy = rows_to_refine(part, none, n);
  for (size_t i = 0; i < n; i++)
    if (heavy >> i & 1) odd_block(r, c + i * CLASS_BLOCK, skip - i * CLASS_BLOCK, part, i);
  return width;
}

/* The same of others, and of those to which something is done when they are read: one block. */
static size_t add_block_apart(const struct half_reader *r, size_t c, size_t skip, struct row_sums *part) {
  const size_t n = half_block_read(&r->row, c, r->block);
  if (n <= SHORT_ROW) {
    no_sums(part);
    row_sum(r->block, n, skip, NULL, part, 0);
    return n;
  }
  const int32_t here[16] = {skip < n ? (int32_t)skip : -1};
  const struct sum_rows block = {{1, n, 1}, {0, 1, ALONG, vmet_denormal()}, r->block, n, here, none};
  group_sums(&block, NULL, NULL, part, NULL);
  return n;
}

void half_row_sums(const struct half_reader *r, size_t skip, struct row_sums *sums) {
  struct long_row row = long_row_begin();
  const int together = r->row.step == 1 && !r->row.change && VLOSS_IS_HALF(r->row.type);
  if (r->row.classes <= CLASS_BLOCK) {
    (together && !vmet_denormal() ? add_blocks : add_block_apart)(r, 0, skip, sums);
    return;
  }
  for (size_t c = 0, width; c < r->row.classes; c += width) {
    struct row_sums part;
    width = (together && !vmet_denormal() ? add_blocks : add_block_apart)(r, c, skip - c, &part);
    for (size_t i = 0; i < class_blocks(width); i++) long_row_add(&row, &part, i);
  }
  no_sums(sums);
  long_row_sums(&row, sums, 0);
}

/* ---- Rows side by side ------------------------------------------------------------------------------------------- */

/* The next n classes of a block, all but the last ones a multiple of 64. */
static __attribute__((noinline)) void tile_steps(struct row_state *state, const float *x, size_t n, int first) {
  struct row_state s = *state;
  vf v[4];
  if (first) {
    for (size_t j = 0; j < 4; j++) v[j] = vload(x + 16 * j);
    s = (struct row_state){.max = vset1(-INF), .sum = dset1(0.0)};
    s.ref = reference_for(vset1(vhmax(vmax(vmax(v[0], v[1]), vmax(v[2], v[3])))));
  }
  for (size_t c = 0; c < n; c += BLOCK) {
    for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, n, NO_CLASS);
    row_block(&s, v, NULL, c, SIZE_MAX, 0);
  }
  *state = s;
}
static size_t skip_of(const struct tiled_rows *rows, size_t k) {
  return rows->skip ? (size_t)(ptrdiff_t)rows->skip[k] : NO_CLASS;
}
static void tile_odd_block(const struct tiled_rows *rows, size_t c, struct row_sums *part, size_t k) {
  const struct half_reader r = {half_row_of(rows->t, rows->first + k), rows->block};
  odd_block(&r, c, skip_of(rows, k) - c, part, k);
}
_Static_assert(TILE_CLASSES >= SHORT_ROW && TILE_CLASSES % BLOCK == 0,
               "a short block is a tile, others begin with one");

void half_tile_block(const struct tiled_rows *rows, size_t c, struct row_sums *part) {
  const size_t left = rows->t->shape.classes - c, width = left < CLASS_BLOCK ? left : CLASS_BLOCK;
  const size_t step = tile_classes(rows->n);
  struct row_state states[TILE_ROWS];
  no_sums(part);
  for (size_t at = 0; at < width; at += step) {
    const struct half_tile tile = {rows->first, rows->n, c + at, width - at < step ? width - at : step, 1};
    half_tile_read(rows->t, &tile, rows->block);
    for (size_t k = 0; k < rows->n; k++) {
      half_tile_ask(rows->t, &tile, k, 0);
      float *const y = rows->block + k * tile.n;
      if (rows->look) rows->look(rows->context, y, k, tile.c, tile.n);
      if (skip_of(rows, k) - tile.c < tile.n) y[skip_of(rows, k) - tile.c] = -INF;
      if (width <= SHORT_ROW)
        row_sum(y, width, NO_CLASS, NULL, part, k);
      else
        tile_steps(&states[k], y, tile.n, at == 0);
    }
  }
  if (width <= SHORT_ROW) return;
  for (size_t k = 0; k < rows->n; k++) {
    part->n[k] = vfirst(states[k].ref.n);
    part->sum[k] = dsum(states[k].sum);
    part->max[k] = vhmax(states[k].max);
    part->shift[k] = 0;
  }
  for (size_t k = 0; k < rows->n; k++)
    if (vany(is_huge(vset1(part->max[k])))) tile_odd_block(rows, c, part, k);
}

/* The same, and refined (heavy_rows.h). */
static void add_tiles(const struct tiled_rows *rows, size_t c, struct row_sums *part) {
  half_tile_block(rows, c, part);
  const uint32_t heavy = rows->t->shape.classes - c > SHORT_ROW ? rows_to_refine(part, none, rows->n) : 0;
  for (size_t k = 0; k < rows->n; k++)
    if (heavy >> k & 1) tile_odd_block(rows, c, part, k);
}

void half_tile_sums(const struct tiled_rows *rows, struct row_sums *sums) {
  struct long_row long_rows[TILE_ROWS];
  if (rows->t->shape.classes <= CLASS_BLOCK) {
    add_tiles(rows, 0, sums);
    return;
  }
  for (size_t k = 0; k < rows->n; k++) long_rows[k] = long_row_begin();
  for (size_t c = 0; c < rows->t->shape.classes; c += CLASS_BLOCK) {
    struct row_sums part;
    add_tiles(rows, c, &part);
    for (size_t k = 0; k < rows->n; k++) long_row_add(&long_rows[k], &part, k);
  }
  no_sums(sums);
  for (size_t k = 0; k < rows->n; k++) long_row_sums(&long_rows[k], sums, k);
}
