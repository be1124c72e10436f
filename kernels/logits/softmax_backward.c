/* The backward forms of softmax and log-softmax: one weighted sum of the upstream h a row, in double, class c in lane
 * c % 16; then one step a class. Rows lie in five ways, which share what a term is: hence longer than other files. */
#include "half_softmax.h"
#include "kernels.h"
#include "softmax.h"

VFN vd backward_add(vd sum, vf y, vf h, const enum softmax_kind kind) {
  return kind == SOFTMAX ? dfma(dwiden(h), dwiden(y), sum) : dadd(sum, dwiden(h));
}
/* How the terms of a row are made. CAREFUL: some y is below the limit from which on it makes no denormal product, or
 * may be a denormal log-probability, or the sum may leave a small h - sum. USUAL: products are flushed, and NaN is made
 * the one there is. BARE, of softmax: neither is needed, as h - sum is 0 or at least 2^-63, and no number here is
 * beyond the floats. */
enum care { BARE, USUAL, CAREFUL };
/* What the terms of a row need of its sum. */
struct backward_row {
  vf sum, limit; /* from `limit` on, a y makes no denormal product */
  enum care care;
  int calm; /* there may be denormals (calm.h) */
};
VFN struct backward_row backward_row(vf sum, vf least, const enum softmax_kind kind, int calm) {
  const vf exponent = vitof(viand(visra(vbits(sum), 23), viset1(255)));
  const vf limit = vfma(vsub(vset1(1.0f), exponent), vset1(VLOSS_LN2_HI), vset1(0.01f));
  struct backward_row row = {sum, kind == SOFTMAX ? vset1(0x1p-62f) : limit, USUAL, calm};
  int careful = vany(vgt(row.limit, least)) || (calm && kind == LOG_SOFTMAX);
  if (kind == SOFTMAX) { /* h - sum is 0 or at least an ulp of the sum; where that is 0, it is h */
    const vf size = vabs(sum), zero = vset1(0.0f);
    careful |= vany(vgt(vsel(vgt(size, zero), vset1(0x1p-39f), zero), size));
    /* A sum is finite where h and y are all; and no y is 0 here, which infinity would make NaN of. */
    if (!vany(vmor(veq(size, zero), vmor(vge(size, vset1(INF)), vnan(size))))) row.care = BARE;
  }
  if (careful) row.care = CAREFUL;
  return row;
}
/* y d, where products of a small factor are flushed at 2^63 times their size. */
VFN vf careful_product(vf y, vf d) {
  const vf zero = vset1(0.0f), limit = vset1(0x1p-63f);
  const vm small_y = vgt(limit, vabs(y)), small_d = vgt(limit, vabs(d));
  const vm small = vmor(small_y, small_d), nothing = vmand(small_y, small_d);
  const vf less = vsel(nothing, zero, vsel(small_y, y, vsel(small_d, d, zero))), other = vsel(small_y, d, y);
  const vf v = vmul(vmul(less, vset1(0x1p63f)), other);
  const vf scaled = vmul(vsel(vgt(vset1(0x1p-63f), vabs(v)), zero, v), vset1(0x1p-63f));
  return vsel(small, scaled, vmul(vsel(small, zero, y), d));
}
/* The same by way of doubles, to which no float is a denormal: 0 for what is below 2^-126 with the digits of a float.
 */
VFN vf calm_product(vf y, vf d) {
  const vd v = dmul(dwiden(y), dwiden(d));
  return dnarrow(dsel(dbelow(v, 0x1.ffffffp-127), dset1(0.0), v));
}
/* The same for exp(y) sum; but beside small h it counts. */
VFN struct vexp_halves without_small(struct vexp_halves e, vf h, vf sum) {
  const vf zero = vset1(0.0f), size = vabs(h);
  const vm large = vgt(vabs(sum), vset1(0x1p40f));
  const vf more = vsel(large, vset1(1.0f), vset1(0x1p64f)), least = vsel(large, vset1(0x1p-126f), vset1(0x1p-62f));
  const vm small = vgt(least, vabs(vmul(e.mantissa, vmul(e.scale, vmul(sum, more)))));
  const vm nothing = vmand(small, vmor(veq(h, zero), vgt(size, vset1(0x1p-100f))));
  return (struct vexp_halves){vsel(nothing, zero, e.mantissa), vsel(nothing, zero, e.scale)};
}
VFN vf backward_term(vf y, vf h, const struct backward_row *row, const enum softmax_kind kind, const enum care care) {
  if (kind == SOFTMAX) {
    const vf d = vsub(h, row->sum);
    if (care == BARE) return vmul(y, d);
    if (care == CAREFUL && row->calm) return canonical(calm_product(y, d));
    return canonical(care == CAREFUL ? careful_product(y, d) : vflush(vmul(y, d)));
  }
  struct vexp_halves e = vexp_in_halves(care == CAREFUL ? vflush(y) : y);
  if (care == CAREFUL) e = without_small(e, h, row->sum);
  return canonical(vflush(vnfma(e.mantissa, vmul(e.scale, row->sum), h)));
}

static __attribute__((noinline)) void slab_backward(const struct vloss_softmax_job *job, const struct group *g,
                                                    size_t i, const enum softmax_kind kind) {
  ALIGNED float y_buffer[SLAB_BLOCK], h_buffer[SLAB_BLOCK];
  ALIGNED float sum[SLAB_PATTERN], limit[SLAB_PATTERN], totals[16];
  vf least = vset1(1.0f);
  ALIGNED double sums[16 * SLAB_ROWS];
  const struct slab y = slab_at(&job->shape, g, job->x, job->x_stride, i);
  const struct slab h = slab_at(&job->shape, g, job->upstream, job->upstream_stride, i);
  const struct slab out = slab_at(&job->shape, g, job->out, job->out_stride, i);
  const size_t classes = job->shape.classes, w = y.w;
  /* Behind the last class, with h = 0: of no y comes a denormal product, an overflow, or a need for care. */
  const float fill = kind == SOFTMAX ? 1.0f : 0.0f;
  const float *ys = NULL, *hs = NULL;
  for (size_t c = 0; c < classes; c += BLOCK) {
    ys = slab_block(&y, c, classes, fill, y_buffer);
    hs = slab_block(&h, c, classes, 0.0f, h_buffer);
    const size_t end = used_vectors(c, classes) * w;
    for (size_t k = 0; k < 16 * w; k += 16) {
      vd s = c ? dload(sums + k) : dset1(0.0);
      for (size_t at = k; at < end; at += 16 * w) {
        const vf v = vload(ys + at);
        s = backward_add(s, v, vload(hs + at), kind);
        least = vmin(v, least);
      }
      dstore(sums + k, s);
    }
  }
  pattern_sum(sums, w);
  vstore(totals, dnarrow(dflush(dload(sums))));
  struct backward_row rows = backward_row(vload(totals), vset1(1.0f), kind, g->calm);
  to_pattern(sum, rows.sum, 0, w);
  to_pattern(limit, rows.limit, 0, w);
  int careful = rows.care == CAREFUL;
  for (size_t k = 0; k < 16 * w; k += 16) careful |= vany(vgt(vload(limit + k), least));
  const enum care care = careful ? CAREFUL : USUAL;
  for (size_t c = 0; c < classes; c += BLOCK) {
    if (classes > BLOCK) { /* a single block is still there */
      ys = slab_block(&y, c, classes, fill, y_buffer);
      hs = slab_block(&h, c, classes, 0.0f, h_buffer);
    }
    float *const to = slab_output(&out, c, classes, y_buffer);
    const size_t end = used_vectors(c, classes) * w;
    for (size_t k = 0; k < 16 * w; k += 16) {
      const struct backward_row row = {vload(sum + k), vload(limit + k), care, g->calm};
      for (size_t at = k; at < end; at += 16 * w)
        vstore(to + at, backward_term(vload(ys + at), vload(hs + at), &row, kind, care));
    }
    slab_write(&out, c, classes, y_buffer);
  }
}

struct backward_output {
  const float *y, *h;
  float *out;
  struct backward_row row;
  enum softmax_kind kind;
  int past_cache;
};
VFN void backward_step(const struct backward_output *o, size_t c, size_t n, const enum care care) {
  const vf v = backward_term(load_n(o->y + c, n), load_n(o->h + c, n), &o->row, o->kind, care);
  store_n(o->out + c, v, n, o->past_cache);
}
VFN void bare_step(void *context, size_t c, size_t n) { backward_step(context, c, n, BARE); }
VFN void usual_step(void *context, size_t c, size_t n) { backward_step(context, c, n, USUAL); }
VFN void careful_step(void *context, size_t c, size_t n) { backward_step(context, c, n, CAREFUL); }

VFN void write_classes(struct backward_output *o, size_t classes, const enum softmax_kind kind) {
  if (o->row.care == CAREFUL)
    for_classes(classes, o->out, 0, careful_step, o);
  else if (kind == SOFTMAX && o->row.care == BARE)
    for_classes(classes, o->out, 0, bare_step, o);
  else
    for_classes(classes, o->out, 0, usual_step, o);
}

struct backward_sum {
  const float *y, *h;
  vd sum;
  vf least;
  enum softmax_kind kind;
};
VFN void sum_step(void *context, size_t c, size_t n) {
  struct backward_sum *s = context;
  const vf y = n == 16 ? vload(s->y + c) : vtail(s->y + c, n, 1.0f);
  s->sum = backward_add(s->sum, y, load_n(s->h + c, n), s->kind);
  s->least = vmin(y, s->least);
}
VFN struct backward_row row_of_sum(const struct backward_sum *s, const enum softmax_kind kind, int calm) {
  const double total = dsum(s->sum);
  const float narrow = total * total < 0x1p-252 ? 0.0f : (float)total;
  return backward_row(vset1(narrow), s->least, kind, calm);
}

VFN void backward_along(const float *y, const float *h, float *out, size_t classes, const enum softmax_kind kind,
                        int calm, int past_cache) {
  struct backward_sum s = {y, h, dset1(0.0), vset1(1.0f), kind};
  for_classes(classes, out, 0, sum_step, &s);
  struct backward_output o = {y, h, out, row_of_sum(&s, kind, calm), kind, 0};
  if (past_cache && o.row.care != CAREFUL) {
    o.past_cache = 1;
    for_classes(classes, out, 1, usual_step, &o);
  } else {
    write_classes(&o, classes, kind);
  }
}

#if VLOSS_BUILDS_BF16 || VLOSS_BUILDS_F16
/* Long rows in 16 bits: the same, by tiles that are read twice. */
VFN void half_backward(const struct vloss_softmax_job *job, size_t first, size_t n, const enum softmax_kind kind) {
  ALIGNED float y[CLASS_BLOCK], h[CLASS_BLOCK];
  const struct half_tensor input = half_input(job), upstream = half_upstream(job), output = half_output(job);
  const size_t classes = job->shape.classes, width = tile_classes(n);
  struct backward_sum sums[TILE_ROWS];
  struct backward_row rows[TILE_ROWS];
  for (size_t k = 0; k < n; k++) sums[k] = (struct backward_sum){NULL, NULL, dset1(0.0), vset1(1.0f), kind};
  for (size_t c = 0; c < classes; c += width) {
    const struct half_tile tile = {first, n, c, classes - c < width ? classes - c : width, 0};
    half_tile_read(&input, &tile, y);
    half_tile_read(&upstream, &tile, h);
    for (size_t k = 0; k < n; k++) {
      sums[k].y = y + k * tile.n, sums[k].h = h + k * tile.n;
      for_classes(tile.n, y, 0, sum_step, &sums[k]);
    }
  }
  for (size_t k = 0; k < n; k++) rows[k] = row_of_sum(&sums[k], kind, vmet_denormal());
  for (size_t c = 0; c < classes; c += width) {
    const struct half_tile tile = {first, n, c, classes - c < width ? classes - c : width, 0};
    half_tile_read(&input, &tile, y);
    half_tile_read(&upstream, &tile, h);
    for (size_t k = 0; k < n; k++) {
      float *const of_row = y + k * tile.n;
      struct backward_output o = {of_row, h + k * tile.n, of_row, rows[k], kind, 0};
      write_classes(&o, tile.n, kind);
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

VFN void backward_tile_terms(const struct tile *y, const struct tile *h, const struct tile *out, size_t classes,
                             const struct backward_row *row, const enum softmax_kind kind, const enum care care,
                             const int ask) {
  for (size_t c = 0; c < classes; c++) {
    if (ask) tile_ask(y, c, 1), tile_ask(h, c, 1), tile_ask_to_write(out, c, 1);
    tile_store(out, c, backward_term(tile_load(y, c), tile_load(h, c), row, kind, care));
  }
}
/* The sums of 16 rows. */
struct backward_tile_sums {
  vd sums[16];
  vf least;
};
VFN void begin_tile_sums(struct backward_tile_sums *s) {
  for (size_t j = 0; j < 16; j++) s->sums[j] = dset1(0.0);
  s->least = vset1(1.0f);
}
/* Classes first .. stop - 1, up to BLOCK: they are walked over 16 apart, so that the sum at hand stays in registers. */
VFN void add_tile_block(const struct tile *y, const struct tile *h, size_t first, size_t stop,
                        const enum softmax_kind kind, const int ask, struct backward_tile_sums *s) {
  vf least = s->least;
  for (size_t j = 0; j < 16 && first + j < stop; j++) {
    vd sum = s->sums[j];
    for (size_t c = first + j; c < stop; c += 16) {
      const vf v = tile_load(y, c);
      if (ask) tile_ask(y, c, 1), tile_ask(h, c, 1);
      sum = backward_add(sum, v, tile_load(h, c), kind);
      least = vmin(v, least);
    }
    s->sums[j] = sum;
  }
  s->least = least;
}
VFN struct backward_row row_of_tile(struct backward_tile_sums *s, const enum softmax_kind kind, int calm) {
  return backward_row(dnarrow(dflush(tile_tree(s->sums, 16))), s->least, kind, calm);
}
VFN void write_backward_tile(const struct tile *y, const struct tile *h, const struct tile *out, size_t classes,
                             const struct backward_row *row, const enum softmax_kind kind, const int ask) {
  if (row->care == CAREFUL)
    backward_tile_terms(y, h, out, classes, row, kind, CAREFUL, ask);
  else if (kind == SOFTMAX && row->care == BARE)
    backward_tile_terms(y, h, out, classes, row, kind, BARE, ask);
  else
    backward_tile_terms(y, h, out, classes, row, kind, USUAL, ask);
}
/* full: 16 rows, and the compiler knows. */
VFN void backward_tile_of(struct tile y, struct tile h, struct tile out, size_t classes, const enum softmax_kind kind,
                          int calm, const int full) {
  struct backward_tile_sums sums;
  if (full) y.n = h.n = out.n = 16;
  begin_tile_sums(&sums);
  for (size_t first = 0, stop; first < classes; first = stop) {
    stop = classes - first < BLOCK ? classes : first + BLOCK;
    add_tile_block(&y, &h, first, stop, kind, tile_asks(&y, classes), &sums);
  }
  const struct backward_row row = row_of_tile(&sums, kind, calm);
  write_backward_tile(&y, &h, &out, classes, &row, kind, tile_asks(&y, classes));
}
VFN void backward_tile(const struct vloss_softmax_job *job, const struct group *g, const enum softmax_kind kind) {
  ALIGNED float y_copy[GATHER_CLASSES * 16], h_copy[GATHER_CLASSES * 16];
  const size_t classes = job->shape.classes;
  const struct tile y = group_tile(&job->shape, g, job->x, job->x_stride, y_copy);
  const struct tile h = group_tile(&job->shape, g, job->upstream, job->upstream_stride, h_copy);
  const struct tile out = group_out(&job->shape, g, job->out, job->out_stride, y_copy);
  if (out.n == 16)
    backward_tile_of(y, h, out, classes, kind, g->calm, 1);
  else
    backward_tile_of(y, h, out, classes, kind, g->calm, 0);
  group_scatter(&job->shape, g, job->out, job->out_stride, y_copy);
}

/* A band (groups.h): 64 classes of each of its groups at a time. */
VFN void backward_band(const struct vloss_softmax_job *job, size_t from, size_t n, const enum softmax_kind kind,
                       int calm) {
  const size_t classes = job->shape.classes, count = band_groups(n);
  struct tile y[BAND_GROUPS], h[BAND_GROUPS], out[BAND_GROUPS];
  struct backward_tile_sums sums[BAND_GROUPS];
  struct backward_row rows[BAND_GROUPS];
  ALIGNED float y_copy[TILE_COPY], h_copy[TILE_COPY];
  for (size_t k = 0; k < count; k++) {
    const struct group g = band_group(from, n, k, calm);
    y[k] = group_tile(&job->shape, &g, job->x, job->x_stride, NULL);
    h[k] = group_tile(&job->shape, &g, job->upstream, job->upstream_stride, NULL);
    out[k] = group_out(&job->shape, &g, job->out, job->out_stride, NULL);
    begin_tile_sums(&sums[k]);
  }
  /* Of lanes without a row no term asks for care. */
  fill_tile_copy(y_copy, kind == SOFTMAX ? 1.0f : 0.0f);
  fill_tile_copy(h_copy, 1.0f);
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < count; k++) {
      const size_t m = block_classes(c, classes);
      const struct tile of_y = whole_tile(&y[k], c, m, y_copy), of_h = whole_tile(&h[k], c, m, h_copy);
      add_tile_block(&(struct tile){of_y.p, of_y.step, 16}, &(struct tile){of_h.p, of_h.step, 16}, 0, m, kind,
                     y[k].n == 16, &sums[k]);
    }
  for (size_t k = 0; k < count; k++) rows[k] = row_of_tile(&sums[k], kind, calm);
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < count; k++) {
      const size_t m = block_classes(c, classes);
      const struct tile of_y = whole_tile(&y[k], c, m, y_copy), of_h = whole_tile(&h[k], c, m, h_copy);
      const struct tile to = whole_output(&out[k], c, h_copy);
      write_backward_tile(&(struct tile){of_y.p, of_y.step, 16}, &(struct tile){of_h.p, of_h.step, 16},
                          &(struct tile){to.p, to.step, 16}, m, &rows[k], kind, y[k].n == 16);
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
      for (size_t i = g.first; i < g.first + g.n; i++)
        backward_along(job->x + i * job->x_stride, job->upstream + i * job->upstream_stride,
                       job->out + i * job->out_stride, job->shape.classes, kind, g.calm, writing == PAST);
    } else {
      backward_tile(job, &g, kind);
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
