/* The backward forms of softmax and log-softmax of rows that lie in five ways, which share their sums and their terms
 * (backward_terms.h), and are together for their two passes: hence longer than other files. */
#include "backward_terms.h"
#include "half_softmax.h"
#include "kernels.h"

/* ---- Rows along the vectors ---------------------------------------------------------------------------------------
 */

VFN float tail_fill(const enum softmax_kind kind) { return kind == SOFTMAX ? 1.0f : -1.0f; }
VFN vf y_or_fill(const float *y, size_t n, const enum softmax_kind kind) {
  return n < 16 ? vtail(y, n, tail_fill(kind)) : vload(y);
}
VFN vd add_along(vd sum, const float *y, const float *h, size_t n, const enum softmax_kind kind) {
  size_t c = 0;
  for (; c + BLOCK <= n; c += BLOCK) sum = add_quad(sum, quad_at(y + c, 16, h + c, 16), 4, kind, 0);
  if (c == n) return sum;
  y += c, h += c, n -= c;
  const size_t whole = n / 16 * 16;
  const vf last_y = n > whole ? vtail(y + whole, n - whole, 1.0f) : vset1(1.0f);
  const vf last_h = n > whole ? vtail(h + whole, n - whole, 0.0f) : vset1(0.0f);
  vf first = vset1(SUM_BASE), second = first;
  if (whole > 0) first = add_float(first, vload(y), vload(h), kind);
  if (whole > 16) first = add_float(first, vload(y + 16), vload(h + 16), kind);
  if (whole > 32) second = add_float(second, vload(y + 32), vload(h + 32), kind);
  if (whole < 32)
    first = add_float(first, last_y, last_h, kind);
  else
    second = add_float(second, last_y, last_h, kind);
  return dadd(sum, dwiden(vadd(first, second)));
}
VFN vd add_along_double(vd sum, const float *y, const float *h, size_t n, const enum softmax_kind kind) {
  size_t c = 0;
  for (; c + 16 <= n; c += 16) sum = add_double(sum, vload(y + c), vload(h + c), kind);
  return c < n ? add_double(sum, vtail(y + c, n - c, 0.0f), vtail(h + c, n - c, 0.0f), kind) : sum;
}
static SMALL void add_along_again(vd *sum, const float *y, const float *h, size_t n, enum softmax_kind kind) {
  *sum = kind == SOFTMAX ? add_along_double(*sum, y, h, n, SOFTMAX) : add_along_double(*sum, y, h, n, LOG_SOFTMAX);
}
/* Of a row along the vectors. By numbers: of what is in memory anyway, GCC makes vectors that wait for its parts. */
static SMALL void careful_along(const float *y, const float *h, float *out, size_t n, float sum, float low, int calm,
                                enum softmax_kind kind) {
  struct backward_row row = {.sum = vset1(sum), .low = vset1(low)};
  other_row(&row, kind, calm);
  (kind == SOFTMAX ? careful_softmax : careful_log_softmax)(y, h, out, &along, n / 16, &row);
}
/* The same of up to 16 classes. */
static RARE void careful_few(const float *y, const float *h, float *out, size_t n, float sum, float low, int calm,
                             enum softmax_kind kind) {
  ALIGNED float y_copy[16], h_copy[16];
  vstore(y_copy, y_or_fill(y, n, kind));
  vstore(h_copy, load_n(h, n));
  careful_along(y_copy, h_copy, y_copy, 16, sum, low, calm, kind);
  store_n(out, vload(y_copy), n, 0);
}
/* n classes of a row whose sum is usual, or is not. */
VFN void write_along(const float *y, const float *h, float *out, size_t n, float sum, float low, int usual, int calm,
                     const enum softmax_kind kind, const int past_cache) {
  struct bare row = {vset1(sum), vset1(low), viset1(0)};
  if (kind == LOG_SOFTMAX) row.limit = vbits(backward_limit(row.sum));
  size_t c = 0;
  if (!usual) {
    c = n / 16 * 16;
    careful_along(y, h, out, c, sum, low, calm, kind);
  }
  for (size_t m; !BY_SIZE && c + 16 * TOGETHER <= n; c += m) {
    m = 16 * TOGETHER;
    if (!bare_terms(y + c, h + c, out + c, (struct steps){16, 16, 16}, TOGETHER, row, kind, past_cache)) {
      m = 16 * careful_run((n - c) / 16);
      careful_along(y + c, h + c, out + c, m, sum, low, calm, kind);
    }
  }
  for (size_t m; c < n; c += m) {
    m = n - c < 16 ? n - c : 16;
    const vf y_here = y_or_fill(y + c, m, kind), h_here = load_n(h + c, m);
    if (usual && ordinary(&y_here, 1, row.limit, kind))
      store_n(out + c, bare_term(y_here, h_here, row.sum, row.low, kind), m, past_cache);
    else
      careful_few(y + c, h + c, out + c, m, sum, low, calm, kind);
  }
}
static __attribute__((noinline)) void log_along(const float *y, const float *h, float *out, size_t n, float sum,
                                                int usual, int calm) {
  write_along(y, h, out, n, sum, 0.0f, usual, calm, LOG_SOFTMAX, 0);
}
static __attribute__((noinline)) void softmax_along(const float *y, const float *h, float *out, size_t n, float sum,
                                                    float low, int usual, int calm) {
  write_along(y, h, out, n, sum, low, usual, calm, SOFTMAX, 0);
}
VFN void terms_along(const float *y, const float *h, float *out, size_t n, float sum, float low, int usual, int calm,
                     enum softmax_kind kind) {
  if (kind == SOFTMAX)
    softmax_along(y, h, out, n, sum, low, usual, calm);
  else
    log_along(y, h, out, n, sum, usual, calm);
}
/* The same past the cache. */
static __attribute__((noinline)) void along_past_cache(const float *y, const float *h, float *out, size_t n, float sum,
                                                       float low, int usual, int calm, enum softmax_kind kind) {
  const size_t to_line = (64 - (uintptr_t)out % 64) % 64 / sizeof *out, c = to_line < n ? to_line : n;
  if (c) terms_along(y, h, out, c, sum, low, usual, calm, kind);
  if (kind == SOFTMAX)
    write_along(y + c, h + c, out + c, n - c, sum, low, usual, calm, SOFTMAX, 1);
  else
    write_along(y + c, h + c, out + c, n - c, sum, low, usual, calm, LOG_SOFTMAX, 1);
}
static SMALL float sum_again(const float *y, const float *h, size_t n, enum softmax_kind kind) {
  vd sum = dset1(0.0);
  add_along_again(&sum, y, h, n, kind);
  return vfirst(dnarrow(dflush(dset1(dsum(sum)))));
}
/* A row whose quads come to `total`; inlined where it is hot. */
VFN void backward_along(const float *y, const float *h, float *out, size_t n, double total,
                        const enum softmax_kind kind, int calm, int past_cache, const int hot) {
  const int usual = is_usual((float)total, kind) && !(calm && kind == LOG_SOFTMAX);
  float sum = (float)total, low = 0;
  if (__builtin_expect(usual, 1))
    low = (float)(total - (double)sum);
  else if (!is_usual(sum, SOFTMAX))
    sum = sum_again(y, h, n, kind);
  if (past_cache && !BY_SIZE)
    along_past_cache(y, h, out, n, sum, low, usual, calm, kind);
  else if (hot && kind == SOFTMAX && !BY_SIZE)
    write_along(y, h, out, n, sum, low, usual, calm, kind, 0);
  else
    terms_along(y, h, out, n, sum, low, usual, calm, kind);
}

/* Whether all products of a row are nothing beside SUM_BASE; and the sum in double. */
static SMALL int small_products(const float *y, const float *h, size_t n, float *sum) {
  struct nothing nothing = nothing_yet();
  vd exact = dset1(0.0);
  for (size_t c = 0, m; c < n; c += m) {
    m = n - c < 16 ? n - c : 16;
    const vf y_here = load_n(y + c, m), h_here = load_n(h + c, m);
    nothing = and_these(nothing, y_here, h_here);
    exact = add_double(exact, y_here, h_here, SOFTMAX);
  }
  *sum = vfirst(dnarrow(dflush(dset1(dsum(exact)))));
  return is_nothing(nothing);
}
static SMALL vd calm_add_along(vd sum, const float *y, const float *h, size_t n) {
  for (size_t c = 0; c < n; c += BLOCK) {
    ALIGNED float y_copy[BLOCK], h_copy[BLOCK];
    const size_t m = n - c < BLOCK ? n - c : BLOCK;
    memcpy(y_copy, y + c, m * sizeof *y);
    memcpy(h_copy, h + c, m * sizeof *h);
    for (size_t j = m; j < BLOCK; j++) y_copy[j] = 1, h_copy[j] = 0;
    sum = dadd(sum, dwiden(calm_quad(y_copy, 16, h_copy, 16, 4)));
  }
  return sum;
}
static SMALL void calm_softmax_row(const float *y, const float *h, float *out, size_t n, int past_cache) {
  float sum;
  if (small_products(y, h, n, &sum))
    terms_along(y, h, out, n, sum, 0.0f, 0, 1, SOFTMAX);
  else
    backward_along(y, h, out, n, dsum(calm_add_along(dset1(0.0), y, h, n)), SOFTMAX, 1, past_cache, 0);
}
/* A row of up to 16 classes, all in registers: calls on one would notice anything else. */
static SMALL void other_few(const float *y, const float *h, float *out, size_t n, double total, int calm,
                            enum softmax_kind kind) {
  const float sum = is_usual((float)total, SOFTMAX) ? (float)total : sum_again(y, h, n, kind);
  const float low = is_usual((float)total, SOFTMAX) ? (float)(total - (double)sum) : 0.0f;
  careful_few(y, h, out, n, sum, low, calm, kind);
}
VFN void backward_few(const float *y, const float *h, float *out, size_t n, const enum softmax_kind kind, int calm) {
  const vf y_here = y_or_fill(y, n, kind), h_here = load_n(h, n), base = vset1(SUM_BASE);
  const double total = dsum(dwiden(vadd(add_float(base, y_here, h_here, kind), base)));
  const vf sum = vset1((float)total);
  const int usual = is_usual((float)total, kind) && !(calm && kind == LOG_SOFTMAX);
  if (__builtin_expect(usual && ordinary(&y_here, 1, vbits(backward_limit(sum)), kind), 1)) {
    const vf low = vset1((float)(total - (double)(float)total));
    store_n(out, bare_term(y_here, h_here, sum, low, kind), n, 0);
  } else {
    other_few(y, h, out, n, total, calm, kind);
  }
}
/* The sums of some rows before their terms, so that nobody waits for a sum; the rows are still in the L1 cache. */
VFN size_t rows_together(size_t classes) {
  return classes > SUMMED_CLASSES / 2 ? 1 : classes < SUMMED_CLASSES / 16 ? 16 : SUMMED_CLASSES / classes;
}
VFN void rows_along(const struct vloss_softmax_job *job, size_t first, size_t n, const enum softmax_kind kind, int calm,
                    int past_cache) {
  double totals[16];
  const size_t classes = job->shape.classes, y_step = job->x_stride, h_step = job->upstream_stride;
  const float *y = job->x + row_offset(&job->shape, y_step, first);
  const float *h = job->upstream + row_offset(&job->shape, h_step, first);
  float *out = job->out + row_offset(&job->shape, job->out_stride, first);
  if (kind == SOFTMAX && DENORMALS_ARE_SLOW && __builtin_expect(calm, 0)) {
    for (size_t i = 0; i < n; i++)
      calm_softmax_row(y + i * y_step, h + i * h_step, out + i * job->out_stride, classes, past_cache);
    return;
  }
  if (classes <= 16 && !BY_SIZE) {
    for (size_t i = 0; i < n; i++)
      backward_few(y + i * y_step, h + i * h_step, out + i * job->out_stride, classes, kind, calm);
    return;
  }
  for (size_t i = 0; i < n; i++) totals[i] = dsum(add_along(dset1(0.0), y + i * y_step, h + i * h_step, classes, kind));
  for (size_t i = 0; i < n; i++)
    backward_along(y + i * y_step, h + i * h_step, out + i * job->out_stride, classes, totals[i], kind, calm,
                   past_cache, 1);
}

#if VLOSS_BUILDS_BF16 || VLOSS_BUILDS_F16
/* Long rows in 16 bits: the same, by tiles that are read twice. */
struct half_rows {
  struct half_tensor y, h;
  size_t first, n, classes, width;
  float *y_buffer, *h_buffer;
};
VFN struct half_tile read_half_tile(const struct half_rows *r, size_t c) {
  const struct half_tile tile = {r->first, r->n, c, r->classes - c < r->width ? r->classes - c : r->width, 0};
  half_tile_read(&r->y, &tile, r->y_buffer);
  half_tile_read(&r->h, &tile, r->h_buffer);
  return tile;
}
static SMALL void half_again(const void *rows, enum softmax_kind kind, double *totals) {
  const struct half_rows *const r = rows;
  vd sums[TILE_ROWS];
  for (size_t k = 0; k < r->n; k++) sums[k] = dset1(0.0);
  for (size_t c = 0; c < r->classes; c += r->width) {
    const size_t n = read_half_tile(r, c).n;
    for (size_t k = 0; k < r->n; k++) add_along_again(&sums[k], r->y_buffer + k * n, r->h_buffer + k * n, n, kind);
  }
  for (size_t k = 0; k < 16; k++) totals[k] = dsum(sums[k < r->n ? k : 0]);
}
static SMALL vd add_half(vd sum, const float *y, const float *h, size_t n, enum softmax_kind kind, int calm) {
  if (kind == LOG_SOFTMAX) return add_along(sum, y, h, n, LOG_SOFTMAX);
  return DENORMALS_ARE_SLOW && calm ? calm_add_along(sum, y, h, n) : add_along(sum, y, h, n, SOFTMAX);
}
static SMALL void half_backward(const struct vloss_softmax_job *job, size_t first, size_t n, enum softmax_kind kind) {
  ALIGNED float y[CLASS_BLOCK], h[CLASS_BLOCK];
  ALIGNED float sum[16], low[16];
  ALIGNED double totals[16];
  const struct half_rows r = {half_input(job), half_upstream(job), first, n, job->shape.classes, tile_classes(n), y, h};
  const struct half_tensor output = half_output(job);
  vd sums[TILE_ROWS];
  for (size_t k = 0; k < n; k++) sums[k] = dset1(0.0);
  for (size_t c = 0; c < r.classes; c += r.width) {
    const size_t m = read_half_tile(&r, c).n;
    const int calm = vmet_denormal();
    for (size_t k = 0; k < n; k++) sums[k] = add_half(sums[k], y + k * m, h + k * m, m, kind, calm);
  }
  for (size_t k = 0; k < 16; k++) totals[k] = dsum(sums[k < n ? k : 0]);
  struct backward_row all;
  row_of_total(&all, dload(totals), half_again, &r, kind, vmet_denormal());
  vstore(sum, all.sum);
  vstore(low, all.low);
  for (size_t c = 0; c < r.classes; c += r.width) {
    const struct half_tile tile = read_half_tile(&r, c);
    for (size_t k = 0; k < n; k++) {
      const int usual = is_usual(sum[k], kind) && !(all.calm && kind == LOG_SOFTMAX);
      float *const of_row = y + k * tile.n;
      terms_along(of_row, h + k * tile.n, of_row, tile.n, sum[k], low[k], usual, all.calm, kind);
    }
    half_tile_write(&output, &tile, y);
  }
}
void half_softmax_backward(const struct vloss_softmax_job *job, size_t first, size_t n) {
  half_backward(job, first, n, SOFTMAX);
}
void half_log_softmax_backward(const struct vloss_softmax_job *job, size_t first, size_t n) {
  half_backward(job, first, n, LOG_SOFTMAX);
}
#endif

/* ---- A few rows side by side (slabs.h) ----------------------------------------------------------------------------
 */

struct slabs {
  struct slab y, h;
  size_t classes;
  float *y_buffer, *h_buffer;
};
/* Of lanes that are no row the sum is that of the first. */
VFN void add_slabs(const struct slabs *s, const enum softmax_kind kind, int calm, const int again, double *totals) {
  ALIGNED double sums[16 * SLAB_ROWS];
  const size_t w = s->y.w;
  for (size_t c = 0; c < s->classes; c += BLOCK) {
    const float *const y = slab_block(&s->y, c, s->classes, tail_fill(kind), s->y_buffer);
    const float *const h = slab_block(&s->h, c, s->classes, 0.0f, s->h_buffer);
    for (size_t k = 0; k < 16 * w; k += 16) {
      vd sum = c ? dload(sums + k) : dset1(0.0);
      if (again)
        for (size_t at = k; at < BLOCK * w; at += 16 * w) sum = add_double(sum, vload(y + at), vload(h + at), kind);
      else
        sum = add_quad(sum, quad_at(y + k, 16 * w, h + k, 16 * w), 4, kind, calm);
      dstore(sums + k, sum);
    }
  }
  pattern_sum(sums, w);
  for (size_t i = 0; i < 16; i++) totals[i] = sums[i < w ? i : 0];
}
static SMALL void slabs_again(const void *slabs, enum softmax_kind kind, double *totals) {
  add_slabs(slabs, kind, 0, 1, totals);
}
static __attribute__((noinline)) void slab_backward(const struct vloss_softmax_job *job, const struct group *g,
                                                    size_t i, const enum softmax_kind kind) {
  ALIGNED float y_buffer[SLAB_BLOCK], h_buffer[SLAB_BLOCK];
  ALIGNED float sum[SLAB_PATTERN], low[SLAB_PATTERN], limit[SLAB_PATTERN];
  ALIGNED double totals[16];
  const struct slabs s = {slab_at(&job->shape, g, job->x, job->x_stride, i),
                          slab_at(&job->shape, g, job->upstream, job->upstream_stride, i), job->shape.classes, y_buffer,
                          h_buffer};
  const struct slab out = slab_at(&job->shape, g, job->out, job->out_stride, i);
  const size_t w = out.w;
  const struct steps steps = {16 * w, 16 * w, 16 * w};
  /* A single block's copies are still there. */
  const int copied = s.classes < BLOCK || (s.classes == BLOCK && out.step != w);
  add_slabs(&s, kind, g->calm, 0, totals);
  struct backward_row rows;
  row_of_total(&rows, dload(totals), slabs_again, &s, kind, g->calm);
  to_pattern(sum, rows.sum, 0, w);
  to_pattern(low, rows.low, 0, w);
  to_pattern(limit, rows.limit, 0, w);
  for (size_t c = 0; c < s.classes; c += BLOCK) {
    const float *const y = copied ? y_buffer : slab_block(&s.y, c, s.classes, tail_fill(kind), y_buffer);
    const float *const h = copied ? h_buffer : slab_block(&s.h, c, s.classes, 0.0f, h_buffer);
    float *const to = slab_output(&out, c, s.classes, y_buffer);
    for (size_t k = 0; k < 16 * w; k += 16) {
      const struct backward_row row = {vload(sum + k), vload(low + k), vload(limit + k), rows.care, rows.calm};
      terms_beside(y + k, h + k, to + k, &steps, 4, &row, kind);
    }
    slab_write(&out, c, s.classes, y_buffer);
  }
}

/* ---- 16 rows side by side -----------------------------------------------------------------------------------------
 */

struct tiles {
  struct tile y, h;
  size_t classes;
};
/* n classes from `first` on, up to BLOCK, in whole vectors. */
VFN void add_tile_block(const struct tiles *t, size_t first, size_t n, const enum softmax_kind kind, int calm,
                        const int ask, vd *sums) {
  for (size_t j = 0; j < 16 && j < n; j++) {
    const size_t c = first + j;
    for (size_t k = j; ask && k < n; k += 16) tile_ask(&t->y, first + k, 1), tile_ask(&t->h, first + k, 1);
    const struct quad q = quad_at(t->y.p + c * t->y.step, 16 * t->y.step, t->h.p + c * t->h.step, 16 * t->h.step);
    if (n == BLOCK)
      sums[j] = add_quad(sums[j], q, 4, kind, calm);
    else
      sums[j] = add_quad(sums[j], q, (n - j + 15) / 16, kind, calm);
  }
}
static SMALL void tiles_again(const void *tiles, enum softmax_kind kind, double *totals) {
  const struct tiles *const t = tiles;
  vd sums[16];
  for (size_t j = 0; j < 16; j++) sums[j] = dset1(0.0);
  for (size_t c = 0; c < t->classes; c++)
    sums[c % 16] = add_double(sums[c % 16], tile_load(&t->y, c), tile_load(&t->h, c), kind);
  dstore(totals, tile_tree(sums, 16));
}
VFN void write_tile(const struct tiles *t, const struct tile *out, size_t n, const struct backward_row *row,
                    const enum softmax_kind kind, const int ask) {
  const float *y = t->y.p, *h = t->h.p;
  float *to = (float *)(uintptr_t)out->p; /* a tile that is written was made of what may be */
  const struct steps steps = {t->y.step, t->h.step, out->step};
  const size_t fours = n / 4 * 4, each = ask ? 4 : fours;
  for (size_t c = 0; c < fours; c += each) {
    for (size_t k = c; ask && k < c + 4; k++)
      tile_ask(&t->y, k, 1), tile_ask(&t->h, k, 1), tile_ask_to_write(out, k, 1);
    terms_beside(y, h, to, &steps, each, row, kind);
    y += each * steps.y, h += each * steps.h, to += each * steps.out;
  }
  write_terms(y, h, to, &steps, n - fours, 1, row, kind);
}
VFN void backward_tile(const struct vloss_softmax_job *job, const struct group *g, const enum softmax_kind kind) {
  ALIGNED float y_copy[GATHER_CLASSES * 16], h_copy[GATHER_CLASSES * 16];
  vd sums[16];
  const size_t classes = job->shape.classes;
  const struct tiles t = {group_tile(&job->shape, g, job->x, job->x_stride, y_copy),
                          group_tile(&job->shape, g, job->upstream, job->upstream_stride, h_copy), classes};
  const struct tile out = group_out(&job->shape, g, job->out, job->out_stride, y_copy);
  const int ask = tile_asks(&t.y, classes);
  for (size_t j = 0; j < 16; j++) sums[j] = dset1(0.0);
  for (size_t c = 0; c < classes; c += BLOCK)
    add_tile_block(&t, c, block_classes(c, classes), kind, g->calm, ask, sums);
  struct backward_row row;
  row_of_total(&row, tile_tree(sums, 16), tiles_again, &t, kind, g->calm);
  write_tile(&t, &out, classes, &row, kind, ask);
  group_scatter(&job->shape, g, job->out, job->out_stride, y_copy);
}

/* Out of line, as the bands below: not all of their buffers are on the stack at once. */
static __attribute__((noinline)) void softmax_backward_tile(const struct vloss_softmax_job *job,
                                                            const struct group *g) {
  backward_tile(job, g, SOFTMAX);
}
static __attribute__((noinline)) void log_softmax_backward_tile(const struct vloss_softmax_job *job,
                                                                const struct group *g) {
  backward_tile(job, g, LOG_SOFTMAX);
}

/* A band (groups.h): 64 classes of each of its groups at a time. */
VFN struct tiles band_block(const struct tiles *t, size_t c, size_t n, float *y_copy, float *h_copy) {
  return (struct tiles){whole_tile(&t->y, c, n, y_copy), whole_tile(&t->h, c, n, h_copy), n};
}
VFN void backward_band(const struct vloss_softmax_job *job, size_t from, size_t n, const enum softmax_kind kind,
                       int calm) {
  const size_t classes = job->shape.classes, count = band_groups(n);
  struct tiles t[BAND_GROUPS];
  struct tile out[BAND_GROUPS];
  vd sums[BAND_GROUPS][16];
  struct backward_row rows[BAND_GROUPS];
  ALIGNED float y_copy[TILE_COPY], h_copy[TILE_COPY];
  for (size_t k = 0; k < count; k++) {
    const struct group g = band_group(from, n, k, calm);
    t[k] = (struct tiles){group_tile(&job->shape, &g, job->x, job->x_stride, NULL),
                          group_tile(&job->shape, &g, job->upstream, job->upstream_stride, NULL), classes};
    out[k] = group_out(&job->shape, &g, job->out, job->out_stride, NULL);
    for (size_t j = 0; j < 16; j++) sums[k][j] = dset1(0.0);
  }
  /* Lanes without a row are as most rows. */
  fill_tile_copy(y_copy, tail_fill(kind));
  fill_tile_copy(h_copy, 1.0f);
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < count; k++) {
      const size_t m = block_classes(c, classes);
      const struct tiles block = band_block(&t[k], c, m, y_copy, h_copy);
      add_tile_block(&block, 0, m, kind, calm, t[k].y.n == 16, sums[k]);
    }
  for (size_t k = 0; k < count; k++) row_of_total(&rows[k], tile_tree(sums[k], 16), tiles_again, &t[k], kind, calm);
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < count; k++) {
      const size_t m = block_classes(c, classes);
      const struct tiles block = band_block(&t[k], c, m, y_copy, h_copy);
      const struct tile to = whole_output(&out[k], c, h_copy);
      write_tile(&block, &to, m, &rows[k], kind, t[k].y.n == 16);
      put_whole_output(&out[k], c, m, h_copy);
      if (out[k].n < 16) fill_tile_copy(h_copy, 1.0f);
    }
}
static __attribute__((noinline)) void softmax_backward_band(const struct vloss_softmax_job *job, size_t first, size_t n,
                                                            int calm) {
  backward_band(job, first, n, SOFTMAX, calm);
}
static __attribute__((noinline)) void log_softmax_backward_band(const struct vloss_softmax_job *job, size_t first,
                                                                size_t n, int calm) {
  backward_band(job, first, n, LOG_SOFTMAX, calm);
}

VFN void softmax_backward_of(const struct vloss_softmax_job *job, struct vloss_range range,
                             const enum softmax_kind kind) {
  const enum writing writing = writing_for(&job->shape, job->x == job->out || job->upstream == job->out);
  int calm = 0;
  for (size_t first = range.first; first < range.last;) {
    struct group g = group_at(&job->shape, first, range.last, 1);
    g.calm = calm = rows_calm(&job->shape, first, g.n, job->x, job->x_stride, calm);
    g.calm = calm = rows_calm(&job->shape, first, g.n, job->upstream, job->upstream_stride, calm);
    const size_t band = band_rows(&job->shape, first, range.last);
    if (band) {
      (kind == SOFTMAX ? softmax_backward_band : log_softmax_backward_band)(job, first, band, calm);
      first += band;
      continue;
    }
    first += g.n;
    if (g.layout == INTERLEAVED) {
      const size_t w = slab_rows(&job->shape, &g);
      for (size_t i = 0; i < g.n; i += w) slab_backward(job, &g, i, kind);
    } else if (g.layout == ALONG) {
      const size_t together = writing == PAST ? 1 : rows_together(job->shape.classes);
      for (size_t i = g.first, n; i < g.first + g.n; i += n) {
        n = g.first + g.n - i < together ? g.first + g.n - i : together;
        rows_along(job, i, n, kind, g.calm, writing == PAST);
      }
    } else {
      (kind == SOFTMAX ? softmax_backward_tile : log_softmax_backward_tile)(job, &g);
    }
  }
  if (writing == PAST) vstream_end();
}

void KERNEL(softmax_backward)(const struct vloss_softmax_job *job, struct vloss_range range) {
  if (VLOSS_IS_HALF(job->type))
    half_softmax_rows(job, range, KERNEL(softmax_backward), half_softmax_backward);
  else
    softmax_backward_of(job, range, SOFTMAX);
}
void KERNEL(log_softmax_backward)(const struct vloss_softmax_job *job, struct vloss_range range) {
  if (VLOSS_IS_HALF(job->type))
    half_softmax_rows(job, range, KERNEL(log_softmax_backward), half_log_softmax_backward);
  else
    softmax_backward_of(job, range, LOG_SOFTMAX);
}
