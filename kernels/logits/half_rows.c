/* See half_rows.h: reading and writing rows; what is looked for in them. */
#include "half_rows.h"

#include "lse.h"
#include "memory/ahead.h"
#include "memory/columns.h"
#include "row_sums.h"

struct vloss_shape half_group_at(const struct vloss_shape *shape, struct vloss_range range, size_t room,
                                 int interleaved) {
  const size_t inner = shape->inner, classes = shape->classes, whole = classes * inner;
  const size_t left = range.last - range.first, column = range.first - quotient(range.first, inner) * inner;
  if (column == 0 && left >= inner && whole <= room && (interleaved || inner == 1 || inner % 16 == 0)) {
    size_t planes = left / inner < room / whole ? left / inner : room / whole;
    if (planes >= 16) planes -= planes % 16;
    return (struct vloss_shape){planes, classes, inner};
  }
  if (inner >= 16) {
    size_t rows = room / classes < left ? room / classes : left;
    if (rows > inner - column) rows = inner - column;
    if (rows >= 16) return (struct vloss_shape){1, classes, rows - rows % 16};
  }
  return (struct vloss_shape){half_tile_rows(shape, range.first, range.last, classes, room), classes, 1};
}

/* Classes with others between them, by way of an array of those alone. */
enum { SOME = 256 };
static void read_apart(const struct half_row *row, size_t c, size_t n, float *to) {
  if (!VLOSS_IS_HALF(row->type)) {
    const float *const floats = (const float *)row->p + c * row->step;
    for (size_t i = 0; i < n; i++) to[i] = floats[i * row->step];
    return;
  }
  const uint16_t *from = (const uint16_t *)row->p + c * row->step;
  for (size_t i = 0; i < n; i += SOME) {
    uint16_t some[SOME];
    const size_t m = n - i < SOME ? n - i : SOME;
    for (size_t k = 0; k < m; k++) some[k] = from[(i + k) * row->step];
    view_read(to + i, some, row->type, m);
  }
}
static void write_apart(const struct half_row *row, size_t c, size_t n, const float *from) {
  if (!VLOSS_IS_HALF(row->type)) {
    float *const floats = (float *)row->p + c * row->step;
    for (size_t i = 0; i < n; i++) floats[i * row->step] = from[i];
    return;
  }
  uint16_t *to = (uint16_t *)row->p + c * row->step;
  for (size_t i = 0; i < n; i += SOME) {
    uint16_t some[SOME];
    const size_t m = n - i < SOME ? n - i : SOME;
    view_write(some, from + i, row->type, m, 0);
    for (size_t k = 0; k < m; k++) to[(i + k) * row->step] = some[k];
  }
}
void half_classes_read(const struct half_row *row, size_t c, size_t n, float *to) {
  if (row->step == 1)
    view_read(to, vloss_element(row->p, row->type, c), row->type, n);
  else
    read_apart(row, c, n, to);
}
void half_classes_write(const struct half_row *row, size_t c, size_t n, const float *from) {
  if (row->step == 1)
    view_write(vloss_element_out(row->p, row->type, c), from, row->type, n, row->past_cache);
  else
    write_apart(row, c, n, from);
}

void change_logits(const struct logit_change *how, const float *from, size_t n, float *to) {
  const struct logit_change change = *how; /* which no store to `to` can change */
  const struct cap_factors factors = change.cap != 0 ? cap_factors_of(&change) : (struct cap_factors){.scale = 1};
  const int capped = change.cap != 0, unscaled = capped && change.scale == 1;
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf x = load_n(from + i, m);
    const vf y = unscaled ? capped_by(&factors, x, 1).y
                 : capped ? capped_by(&factors, x, 0).y
                          : vmul(x, vset1(change.scale));
    store_n(to + i, y, m, 0);
  }
}

/* The rows of a tile from row i on that lie side by side, up to 16: where they are, and how many. */
struct beside {
  size_t at, rows, readable; /* elements that may be read from there on */
};
static struct beside beside_at(const struct half_tensor *t, const struct half_tile *tile, size_t i) {
  const size_t inner = t->shape.inner, row = tile->first + i, left = tile->rows - i;
  const size_t column = row - quotient(row, inner) * inner;
  struct beside b = {.at = row_offset(&t->shape, t->stride, row) + tile->c * inner, .rows = left < 16 ? left : 16};
  if (b.rows > inner - column) b.rows = inner - column;
  b.readable = (t->shape.classes - tile->c) * inner - column;
  return b;
}
/* Whether the next tile of the same rows is to be asked for; it is done here where they lie close together. */
static int ask_for_next(const struct half_tensor *t, const struct half_tile *tile, const struct beside *b,
                        int to_write) {
  const size_t inner = t->shape.inner, n = tile->n, left = t->shape.classes - tile->c - n,
               size = vloss_type_size(t->type);
  const size_t bytes = (left < n ? left : n) * inner * size;
  const void *const next = vloss_element(t->p, t->type, b->at + n * inner);
  if (tile->asked || inner == 1 || left == 0 || t->shape.classes * inner * size < ASKED_BYTES) return 0;
  if (b->rows < inner) return 1;
  if (to_write)
    ask_for_bytes(next, bytes, 1);
  else
    ask_for_bytes(next, bytes, 0);
  return 0;
}
void half_tile_read(const struct half_tensor *t, const struct half_tile *tile, float *to) {
  const size_t n = tile->n, inner = t->shape.inner;
  for (size_t i = 0, rows; i < tile->rows; i += rows) {
    const struct beside b = beside_at(t, tile, i);
    const void *const from = vloss_element(t->p, t->type, b.at);
    rows = b.rows;
    const int ask = ask_for_next(t, tile, &b, 0);
    if (inner == 1)
      view_read(to + i * n, from, t->type, n);
    else
      read_columns_asking(to + i * n, n, from, t->type, inner, rows, n, b.readable, ask);
  }
  if (t->change) change_logits(t->change, to, tile->rows * n, to);
}
void half_tile_write(const struct half_tensor *t, const struct half_tile *tile, const float *from) {
  const size_t n = tile->n, inner = t->shape.inner;
  for (size_t i = 0, rows; i < tile->rows; i += rows) {
    const struct beside b = beside_at(t, tile, i);
    void *const to = vloss_element_out(t->p, t->type, b.at);
    rows = b.rows;
    const int ask = ask_for_next(t, tile, &b, 1);
    if (inner == 1)
      view_write(to, from + i * n, t->type, n, t->past_cache);
    else
      write_columns_asking(to, t->type, inner, from + i * n, n, rows, n, ask);
  }
}

/* Runs of elements that lie together in both places. */
struct runs {
  size_t count, length, at, step; /* of the tensor: the first element, and from one run to the next */
};
static struct runs runs_of(const struct half_tensor *t, size_t first, const struct vloss_shape *group) {
  const size_t classes = group->classes, inner = t->shape.inner, at = row_offset(&t->shape, t->stride, first);
  if (group->inner == inner) {
    if (t->stride == classes * inner) return (struct runs){1, group->outer * classes * inner, at, 0};
    return (struct runs){group->outer, classes * inner, at, t->stride};
  }
  return (struct runs){classes, group->inner, at, inner};
}
void half_group_read(const struct half_tensor *t, size_t first, const struct vloss_shape *group, float *to) {
  const struct half_tile tile = {first, group->outer, 0, group->classes, 0};
  if (group->inner == 1 && t->shape.inner > 1) {
    half_tile_read(t, &tile, to);
    return;
  }
  const struct runs runs = runs_of(t, first, group);
  if (t->change && t->type == VLOSS_F32 && runs.count == 1) {
    change_logits(t->change, vloss_element(t->p, t->type, runs.at), runs.length, to);
    return;
  }
  for (size_t i = 0; i < runs.count; i++)
    view_read(to + i * runs.length, vloss_element(t->p, t->type, runs.at + i * runs.step), t->type, runs.length);
  if (t->change) change_logits(t->change, to, group->outer * group->classes * group->inner, to);
}
void half_group_write(const struct half_tensor *t, size_t first, const struct vloss_shape *group, const float *from) {
  const struct half_tile tile = {first, group->outer, 0, group->classes, 0};
  if (group->inner == 1 && t->shape.inner > 1) {
    half_tile_write(t, &tile, from);
    return;
  }
  const struct runs runs = runs_of(t, first, group);
  for (size_t i = 0; i < runs.count; i++)
    view_write(vloss_element_out(t->p, t->type, runs.at + i * runs.step), from + i * runs.length, t->type, runs.length,
               t->past_cache);
}

static size_t block_classes_at(const struct half_row *row, size_t c) {
  return row->classes - c < CLASS_BLOCK ? row->classes - c : CLASS_BLOCK;
}
size_t half_block_read(const struct half_row *row, size_t c, float *to) {
  const size_t n = block_classes_at(row, c);
  const int floats = row->type == VLOSS_F32 && row->step == 1 && row->change;
  if (!floats) half_classes_read(row, c, n, to);
  if (row->change) change_logits(row->change, floats ? (const float *)row->p + c : to, n, to);
  return n;
}
float half_row_class(const struct half_row *row, size_t c) {
  const float x = view_element(row->p, row->type, c * row->step);
  return row->change ? vfirst(logits_of(row->change, vset1(x))) : x;
}
void half_block_write(const struct half_row *row, size_t c, const float *from) {
  half_classes_write(row, c, block_classes_at(row, c), from);
}

static const double none[16]; /* of the rows is left */

size_t half_row_find(const struct half_reader *r, float max, int nan) {
  for (size_t c = 0; c < r->row.classes; c += CLASS_BLOCK) {
    const size_t n = half_block_read(&r->row, c, r->block), i = row_find(r->block, 1, n, max, nan);
    if (i < n && (nan ? r->block[i] != r->block[i] : r->block[i] == max)) return c + i;
  }
  return r->row.classes - 1;
}

/* Of a row of one block. */
static SMALL double block_lse(const struct half_reader *r, const struct row_sums *sums, size_t i, float left_out,
                              double lse) {
  const size_t n = half_block_read(&r->row, 0, r->block);
  const struct sum_rows read = {{1, n, 1}, {0, 1, ALONG, 0}, r->block, n, NULL, none};
  struct row_sums row;
  ALIGNED float left[16];
  ALIGNED double exact[16];
  vd all = dset1(lse);
  no_sums(&row);
  row.sum[0] = sums->sum[i];
  row.n[0] = sums->n[i];
  row.shift[0] = sums->shift[i];
  row.max[0] = sums->max[i];
  vstore(left, vset1(-INF));
  left[0] = left_out;
  group_lse(&all, &read, &row, left);
  dstore(exact, all);
  return exact[0];
}
double half_row_lse(const struct half_reader *r, const struct row_sums *sums, size_t i, float left_out, double lse) {
  const float max = sums->max[i] > left_out ? sums->max[i] : left_out;
  if (lse > -1.5 * (double)NEAR_0 && lse < 1.5 * (double)NEAR_0) {
    if (r->row.classes <= CLASS_BLOCK) return block_lse(r, sums, i, left_out, lse);
    if (lse > -(double)NEAR_0 && lse < (double)NEAR_0) {
      struct long_row near = lse_begin();
      for (size_t c = 0; c < r->row.classes; c += CLASS_BLOCK)
        lse_add(&near, r->block, 1, half_block_read(&r->row, c, r->block));
      lse = lse_of(&near);
    }
  }
  return (double)max > lse ? (double)max : lse;
}
