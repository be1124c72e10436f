/* The sums of groups of rows. */
#include "group_sums.h"

#include "heavy_rows.h"
#include "row_sums.h"

/* Refines the sums of rows in which a few classes outweigh the others (heavy_rows.h). */
static SMALL void refine_rows(const struct sum_rows *r, const struct tile *tile, uint32_t rows, struct row_sums *sums) {
  const size_t classes = r->shape.classes;
  if (r->g.layout == INTERLEAVED) {
    const size_t w = slab_rows(&r->shape, &r->g);
    for (size_t i = 0; i < r->g.n; i += w) {
      const struct slab slab = slab_at(&r->shape, &r->g, r->x, r->stride, i);
      if (rows >> i & ((1u << w) - 1)) slab_refine(&slab, classes, irows_from(r->skip, i), rows >> i, sums, i);
    }
  } else if (r->g.layout == ACROSS) {
    tile_refine(tile, classes, r->skip, rows, sums);
  } else {
    for (size_t i = 0; i < r->g.n; i++)
      if (rows >> i & 1)
        sums->sum[i] += heavy_blocks(r->x + (r->g.first + i) * r->stride, classes, (size_t)(ptrdiff_t)r->skip[i],
                                     sums->max[i], sums->n[i]);
  }
}

static void rows_along(const struct sum_rows *r, const struct stash *stash, struct row_sums *out) {
  const size_t classes = r->shape.classes;
  const float *x = r->x + r->g.first * r->stride;
  float *terms = stash ? stash->terms : NULL;
  no_sums(out);
  int calm = r->g.calm;
  if (classes <= SHORT_ROW && r->g.n >= GATHER_ROWS) {
    (calm ? calm_short_rows : short_rows_sum)(x, r->stride, r->g.n, classes, r->skip, r->leave, terms,
                                              terms ? stash->stride : 0, out);
    return;
  }
  for (size_t i = 0; i < r->g.n; i++) {
    const float *const row = x + i * r->stride;
    const size_t skip = (size_t)(ptrdiff_t)r->skip[i];
    float *const kept = terms ? terms + i * stash->stride : NULL;
    if (r->leave[i] != 0) continue;
    if (classes > SHORT_ROW) calm = met_denormals(calm, row, (r->g.first + i) * classes, classes);
    if (calm)
      calm_row_sum(row, 1, classes, skip, kept, out, i);
    else
      row_sum(row, classes, skip, kept, out, i);
  }
}

/* What tile_sum and slab_sum do, by way of copies (calm.h): of rows that are gathered already, and one by one. */
static SMALL void calm_tile(const struct tile *tile, size_t classes, const int32_t *skip, struct row_sums *out,
                            float *left_out) {
  ALIGNED float copy[GATHER_CLASSES * 16], max[16];
  const struct tile calm = {copy, 16, 16};
  copy_calm(tile->p, 1, 16 * classes, copy);
  tile_sum(&calm, classes, skip, out, left_out);
  tile_max(tile, classes, skip, max);
  vstore(out->max, vsel(veq(vload(out->max), vset1(0.0f)), vload(max), vload(out->max)));
  for (size_t i = 0; i < 16; i++) /* a label may be in another shard of the row */
    if (skip[i] >= 0 && (size_t)skip[i] < classes) left_out[i] = tile->p[16 * (size_t)skip[i] + i];
}
static SMALL void calm_rows(const struct sum_rows *r, struct row_sums *out, float *left_out) {
  const size_t classes = r->shape.classes, step = r->shape.inner;
  no_sums(out);
  if (r->g.layout == ACROSS) vstore(left_out, vset1(-INF));
  for (size_t i = 0; i < r->g.n; i++) {
    const float *const x = r->x + row_offset(&r->shape, r->stride, r->g.first + i);
    const size_t skip = (size_t)(ptrdiff_t)r->skip[i];
    calm_row_sum(x, step, classes, skip, NULL, out, i);
    if (r->g.layout == ACROSS && skip < classes) left_out[i] = x[skip * step];
  }
}

/* Rows of one block. */
static void block_sums(const struct sum_rows *r, const struct tile *tile, const struct stash *stash,
                       struct row_sums *out, float *left_out) {
  const size_t classes = r->shape.classes;
  if (r->g.layout == ALONG) {
    rows_along(r, stash, out);
  } else if (r->g.calm && r->g.layout == GATHERED) {
    calm_tile(tile, classes, r->skip, out, left_out);
  } else if (r->g.calm) {
    calm_rows(r, out, left_out);
  } else if (r->g.layout == INTERLEAVED) {
    const size_t w = slab_rows(&r->shape, &r->g);
    no_sums(out);
    for (size_t i = 0; i < r->g.n; i += w) {
      const struct slab x = slab_at(&r->shape, &r->g, r->x, r->stride, i);
      int32_t skip[16];
      vistore(skip, irows_from(r->skip, i));
      slab_sum(&x, classes, skip, out, i);
    }
  } else {
    tile_sum(tile, classes, r->skip, out, left_out);
  }
  if (classes <= SHORT_ROW) return;
  const uint32_t rows = rows_to_refine(out, r->leave, r->g.n);
  if (rows) refine_rows(r, tile, rows, out);
}

/* The same of the groups of a band. */
static void band_block(const struct sum_rows *rows, const struct tile *tiles, size_t count, struct row_sums *out,
                       float *const *left_out) {
  const size_t classes = rows->shape.classes;
  const int32_t *skip[BAND_GROUPS] = {NULL};
  int calm = 0;
  for (size_t k = 0; k < count; k++) {
    calm |= rows[k].g.calm;
    skip[k] = rows[k].skip;
  }
  if (calm) {
    for (size_t k = 0; k < count; k++) block_sums(&rows[k], &tiles[k], NULL, &out[k], left_out[k]);
    return;
  }
  band_sum(tiles, count, classes, skip, out, left_out);
  for (size_t k = 0; k < count; k++) {
    const uint32_t heavy = rows_to_refine(&out[k], rows[k].leave, rows[k].g.n);
    if (heavy) refine_rows(&rows[k], &tiles[k], heavy, &out[k]);
  }
}

/* A long row along its classes, up to 16 blocks at a time. */
static void row_blocks(const struct sum_rows *r, size_t row, struct stash *stash, struct long_row *sums) {
  static const double none[16]; /* of the blocks is left */
  const size_t classes = r->shape.classes, skip = (size_t)(ptrdiff_t)r->skip[row];
  const float *x = r->x + (r->g.first + row) * r->stride;
  for (size_t c = 0; c < classes;) {
    const size_t rest = classes - c, end = rest % CLASS_BLOCK;
    /* A short block at the end comes by itself. */
    size_t width = end && end <= SHORT_ROW && rest > end ? rest - end : rest;
    if (width > 16 * CLASS_BLOCK) width = 16 * CLASS_BLOCK;
    const size_t n = class_blocks(width);
    float *const terms = stash ? stash->terms + c : NULL;
    struct row_sums part;
    no_sums(&part);
    if (width <= SHORT_ROW && vmet_denormal())
      calm_row_sum(x + c, 1, width, skip - c, terms, &part, 0);
    else if (width <= SHORT_ROW)
      row_sum(x + c, width, skip - c, terms, &part, 0);
    else
      row_blocks_sum(x + c, width, skip - c, terms, &part);
    const uint32_t heavy = width > SHORT_ROW ? rows_to_refine(&part, none, n) : 0;
    for (size_t i = 0; i < n; i++) {
      const size_t b = c + i * CLASS_BLOCK;
      if (heavy >> i & 1)
        part.sum[i] += heavy_blocks(x + b, classes - b < CLASS_BLOCK ? classes - b : CLASS_BLOCK, skip - b, part.max[i],
                                    part.n[i]);
      long_row_add(sums, &part, i);
      if (!stash) continue;
      stash->n[b / CLASS_BLOCK] = part.n[i];
      if (part.shift[i] != 0) stash->writing = CACHED;
    }
    c += width;
  }
}

/* What rows leave out of the block that begins with class c: in other blocks a number that no class has. */
static void skips_from(const int32_t *of_row, size_t c, int32_t *skips) {
  const vi skip = viload(of_row), first = viset1((int32_t)c);
  vistore(skips, visel(vigt(first, skip), viset1(-1), visub(skip, first)));
}
void long_blocks(const struct sum_rows *r, struct stash *stash, struct long_row *sums) {
  if (r->g.layout == ALONG) {
    for (size_t i = 0; i < r->g.n; i++)
      if (r->leave[i] == 0) row_blocks(r, i, stash, &sums[i]);
  } else {
    struct sum_rows block = *r;
    int32_t skips[16];
    ALIGNED float left_out[16], copy[GATHER_CLASSES * 16]; /* of the few classes that a shard of rows may have */
    block.skip = skips;
    for (size_t c = 0; c < r->shape.classes; c += CLASS_BLOCK) {
      const size_t rest = r->shape.classes - c;
      block.shape.classes = rest < CLASS_BLOCK ? rest : CLASS_BLOCK;
      block.x = r->x + c * r->shape.inner;
      block.g.calm |= vmet_denormal();
      skips_from(r->skip, c, skips);
      const struct tile tile =
          r->g.layout == INTERLEAVED ? (struct tile){0} : group_tile(&block.shape, &r->g, block.x, r->stride, copy);
      struct row_sums part;
      block_sums(&block, &tile, NULL, &part, left_out);
      for (size_t i = 0; i < r->g.n; i++) long_row_add(&sums[i], &part, i);
    }
  }
}

static void long_sums(const struct sum_rows *r, struct stash *stash, struct row_sums *out) {
  struct long_row sums[16];
  for (size_t i = 0; i < r->g.n; i++) sums[i] = long_row_begin();
  long_blocks(r, stash, sums);
  no_sums(out);
  /* Beside others a row is read whether it counts or not, and its gradient is computed before it is dropped. */
  for (size_t i = 0; i < r->g.n; i++)
    if (r->leave[i] == 0 || r->g.layout != ALONG) long_row_sums(&sums[i], out, i);
}

void group_sums(const struct sum_rows *rows, const struct tile *tile, struct stash *stash, struct row_sums *out,
                float *left_out) {
  if (stash && !stash->terms) stash = NULL;
  if (rows->shape.classes > CLASS_BLOCK) {
    if (stash && class_blocks(rows->shape.classes) > STASHED_BLOCKS) {
      stash->writing = CACHED;
      stash = NULL;
    }
    long_sums(rows, stash, out);
  } else {
    block_sums(rows, tile, stash, out, left_out);
  }
}

/* Long rows. Not inline: what else is summed has its own use of the stack. */
static __attribute__((noinline)) void long_band(const struct sum_rows *rows, const struct tile *tiles, size_t count,
                                                struct row_sums *out) {
  const size_t classes = rows->shape.classes;
  struct long_row sums[BAND_GROUPS][16];
  struct sum_rows block[BAND_GROUPS] = {rows[0]};
  struct tile at[BAND_GROUPS];
  int32_t skips[BAND_GROUPS][16];
  ALIGNED float left[BAND_GROUPS][16];
  float *left_out[BAND_GROUPS];
  for (size_t k = 0; k < count; k++) {
    left_out[k] = left[k];
    for (size_t i = 0; i < rows[k].g.n; i++) sums[k][i] = long_row_begin();
  }
  for (size_t c = 0; c < classes; c += CLASS_BLOCK) {
    const int calm = vmet_denormal();
    for (size_t k = 0; k < count; k++) {
      block[k] = rows[k];
      block[k].shape.classes = classes - c < CLASS_BLOCK ? classes - c : CLASS_BLOCK;
      block[k].x = rows[k].x + c * rows[k].shape.inner;
      block[k].g.calm |= calm;
      block[k].skip = skips[k];
      skips_from(rows[k].skip, c, skips[k]);
      at[k] = tile_from(&tiles[k], c);
    }
    band_block(block, at, count, out, left_out);
    for (size_t k = 0; k < count; k++)
      for (size_t i = 0; i < rows[k].g.n; i++) long_row_add(&sums[k][i], &out[k], i);
  }
  for (size_t k = 0; k < count; k++) {
    no_sums(&out[k]);
    for (size_t i = 0; i < rows[k].g.n; i++) long_row_sums(&sums[k][i], &out[k], i);
  }
}
void band_sums(const struct sum_rows *rows, const struct tile *tiles, size_t count, struct row_sums *out,
               float *const *left_out) {
  if (rows->shape.classes > CLASS_BLOCK)
    long_band(rows, tiles, count, out);
  else
    band_block(rows, tiles, count, out, left_out);
}
