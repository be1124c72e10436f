/* The gradients of cross-entropy. */
#include "cross_entropy.h"

/* F exp(x_c) / 2^N - upstream q_c in every form: spread q, wide rows. Narrow lanes get the bits of row_softmax. */
struct general_row {
  struct reference ref, wide_ref;
  struct factors factors;
  vf shift, minus_qt, minus_qu;
  vm wide;
  int any_wide;
};
VFN struct general_row general_row(vf n, vf k, vf wide) {
  const vm is_wide = vgt(wide, vset1(0.0f));
  return (struct general_row){.ref = reference_at(n),
                              .wide_ref = reference_at(vadd(vsub(n, k), vset1(FACTOR_EXPONENT))),
                              .wide = is_wide,
                              .any_wide = vany(is_wide)};
}
/* Out of line, as it is rare: f exp(y) 2^(k - 46 - N) + minus_q, the power of two in two halves: it may be anything
 * from 2^-250 to 2^254. */
static SMALL void wide_term(const struct general_row *r, const vf *logits, const vf *minus_q, vf *out) {
  const vf round = r->wide_ref.round, low = vmul(vsub(r->wide_ref.n, vset1(250.0f)), vset1(VLOSS_LN2_HI));
  const vf x = vmax(low, *logits), t = vfma(x, vset1(VLOSS_LOG2E), round), n = vsub(t, round);
  const vf m = vexp_poly(vnfma(n, vset1(VLOSS_LN2_LO), vnfma(n, vset1(VLOSS_LN2_HI), x)));
  const vi power = visub(vbits(t), viset1(0x4b400000 + 127)), half = visra(power, 1), rest = visub(power, half);
  const vf s1 = vfloat(vishl(viadd(half, viset1(127)), 23)), s2 = vfloat(vishl(viadd(rest, viset1(127)), 23));
  vf v = vmul(vfma(m, r->factors.f, vmul(m, r->factors.f_low)), s1);
  /* 2^-126 / s2, of which v times s2 would be denormal. */
  const vi least = visub(viset1(1), rest);
  const vf flushed = vfloat(vishl(visel(vigt(least, viset1(1)), least, viset1(1)), 23));
  const vm nothing = vmand(vgt(flushed, vabs(v)), veq(*minus_q, vset1(0.0f)));
  v = vsel(nothing, vset1(0.0f), v);
  *out = vfma(v, s2, *minus_q);
}
/* e F + minus_q. Where minus_q is 0, that is scaled(e); elsewhere products that vanish beside it are no numbers of
 * their own. */
VFN vf general_narrow(const struct general_row *r, vf e, vf minus_q) {
  const struct factors *f = &r->factors;
  if (__builtin_expect(vany(vgt(f->least, e)), 0)) {
    const vm alone = veq(minus_q, vset1(0.0f));
    const vf other = vsel(alone, vset1(1.0f), e);
    return vsel(alone, scaled_any(e, f), vfma(other, f->factor, vfma(other, f->factor_low, minus_q)));
  }
  return vfma(e, f->factor, vfma(e, f->factor_low, minus_q));
}
VFN vf general_term(const struct general_row *r, vf x, vf w, vf t) {
  const vf y = vsub(x, r->shift), minus_q = vmul(w, vfma(t, r->minus_qt, r->minus_qu));
  vf v = general_narrow(r, term(y, &r->ref), minus_q);
  if (r->any_wide) {
    vf wide;
    wide_term(r, &y, &minus_q, &wide);
    v = vsel(r->wide, wide, v);
  }
  return canonical(vflush(v));
}

struct general_output {
  const struct general_row *row;
  const float *x, *w, *t;
  float *out;
};
VFN void general_step(void *context, size_t c, size_t n) {
  const struct general_output *o = context;
  const vf w = o->w ? load_n(o->w + c, n) : vset1(1.0f), t = o->t ? load_n(o->t + c, n) : vset1(0.0f);
  store_n(o->out + c, general_term(o->row, load_n(o->x + c, n), w, t), n, 0);
}
void row_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                  const struct row_factors *factors, const struct gradient *grad, size_t i) {
  const size_t classes = job->shape.classes, row = s->g.first + i;
  const float *x = job->x + row * job->x_stride;
  const float *t = job->targets ? job->targets + row * job->targets_stride : NULL;
  const float *w = is_spread(job) ? job->weights : NULL;
  float *out = job->grad + row * job->grad_stride;
  if (grad->flat[i] != 0) {
    fill_row(out, grad->flat_value[i], classes);
  } else if (!is_spread(job) && factors->wide[i] == 0) {
    const struct row_output result = {.x = x,
                                      .out = out,
                                      .classes = classes,
                                      .label = (size_t)(ptrdiff_t)s->l.label[i],
                                      .n = s->sums.n[i],
                                      .shift = s->sums.shift[i],
                                      .value = grad->at_target[i]};
    if (s->stash.writing == KEPT && classes > CLASS_BLOCK)
      kept_row_softmax(&result, grad->row, &grad->scale, s->stash.n);
    else
      row_softmax(&result, factors, i, calmer(s->stash.writing, s->g.calm));
  } else {
    struct general_row r = general_row(vset1(s->sums.n[i]), vset1(factors->k[i]), vset1(factors->wide[i]));
    r.factors = factors_of_row(factors, i);
    r.shift = vset1(s->sums.shift[i]);
    r.minus_qt = vset1(grad->minus_qt[i]);
    r.minus_qu = vset1(grad->minus_qu[i]);
    if (s->g.calm) { /* of a copy in the place of what is written */
      copy_calm(x, 1, classes, out);
      x = out;
    }
    struct general_output o = {&r, x, w, t, out};
    for_classes(classes, out, 0, general_step, &o);
    if (s->l.label[i] >= 0) out[s->l.label[i]] = grad->at_target[i];
  }
}

void rows_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                   const struct row_factors *factors, const struct gradient *grad) {
  for (size_t i = 0; i < s->g.n; i++) row_gradient(job, s, factors, grad, i);
}

VFN int gradient_is_general(const struct vloss_cross_entropy_job *job, const struct row_factors *factors) {
  return is_spread(job) || vany(vgt(vload(factors->wide), vset1(0.0f)));
}
/* Of n classes from class `first` on: where they are, and where they go. */
VFN void tile_gradient_of(const struct vloss_cross_entropy_job *job, struct group_state *s,
                          const struct row_factors *factors, const struct gradient *grad, size_t first, size_t n,
                          const struct tile *x, const struct tile *out, const int ask) {
  const float *w = is_spread(job) ? job->weights : NULL;
  struct general_row r = general_row(vload(s->sums.n), vload(factors->k), vload(factors->wide));
  r.factors = factors_of(factors);
  r.shift = vload(s->sums.shift);
  r.minus_qt = vload(grad->minus_qt);
  r.minus_qu = vload(grad->minus_qu);
  const int general = is_spread(job) || r.any_wide;
  const vm flat = vgt(vload(grad->flat), vset1(0.0f));
  const vf flat_value = vload(grad->flat_value), at_target = vload(grad->at_target);
  const vi label = visub(viload(s->l.label), viset1((int32_t)first)); /* or below 0 */
  /* The label's own term may lie beyond the reach of exp: any other serves. */
  const vf neutral = vfma(r.ref.n, vset1(VLOSS_LN2_HI), r.shift);
  size_t c = 0;
  if (!general && !s->kept) {
    for (; c + 4 <= n; c += 4) {
      vf v[4];
      vm labels[4];
      if (ask) tile_ask(x, c, 4), tile_ask_to_write(out, c, 4);
      UNROLL for (size_t j = 0; j < 4; j++) {
        labels[j] = vieq(label, viset1((int32_t)(c + j)));
        v[j] = vsub(vsel(labels[j], neutral, tile_load(x, c + j)), r.shift);
      }
      terms(v, v, 4, &r.ref);
      scaled4(v, &r.factors);
      UNROLL for (size_t j = 0; j < 4; j++)
          tile_store(out, c + j, vsel(flat, flat_value, vsel(labels[j], at_target, v[j])));
    }
  }
  for (; c < n; c++) {
    const vm own = vieq(label, viset1((int32_t)c));
    vf v = s->kept ? vload(s->x_copy + 16 * c) : vsel(own, neutral, tile_load(x, c));
    if (general)
      v = general_term(&r, v, vset1(w ? w[first + c] : 1.0f), s->t_tile.p ? tile_load(&s->t_tile, c) : vset1(0.0f));
    else
      v = scaled(s->kept ? v : term(vsub(v, r.shift), &r.ref), &r.factors);
    tile_store(out, c, vsel(flat, flat_value, vsel(own, at_target, v)));
  }
}
void tile_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct row_factors *factors,
                   const struct gradient *grad) {
  const size_t classes = job->shape.classes;
  const struct tile out = group_out(&job->shape, &s->g, job->grad, job->grad_stride, s->x_copy);
  if (s->kept && gradient_is_general(job, factors)) {
    s->x_tile = group_tile(&job->shape, &s->g, job->x, job->x_stride, s->x_copy);
    s->kept = 0;
  }
  if (!s->kept && s->g.layout == GATHERED && s->g.calm) copy_calm(s->x_copy, 1, 16 * classes, s->x_copy);
  tile_gradient_of(job, s, factors, grad, 0, classes, &s->x_tile, &out, tile_asks(&s->x_tile, classes));
  group_scatter(&job->shape, &s->g, job->grad, job->grad_stride, s->x_copy);
}
void band_gradient(const struct vloss_cross_entropy_job *job, struct group_state *groups, size_t count,
                   const struct row_factors *factors, const struct gradient *grad) {
  ALIGNED float copy[TILE_COPY];
  const size_t classes = job->shape.classes;
  fill_tile_copy(copy, 0.0f);
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < count; k++) {
      struct group_state *const s = &groups[k];
      const size_t n = block_classes(c, classes);
      const struct tile out = group_out(&job->shape, &s->g, job->grad, job->grad_stride, NULL);
      const struct tile x = whole_tile(&s->x_tile, c, n, copy), to = whole_output(&out, c, copy);
      tile_gradient_of(job, s, &factors[k], &grad[k], c, n, &(struct tile){x.p, x.step, 16},
                       &(struct tile){to.p, to.step, 16}, out.n == 16);
      put_whole_output(&out, c, n, copy);
    }
}

/* What a gradient needs of each row, as patterns. */
struct gradient_patterns {
  ALIGNED float n[SLAB_PATTERN], k[SLAB_PATTERN], wide[SLAB_PATTERN], shift[SLAB_PATTERN];
  ALIGNED float minus_qt[SLAB_PATTERN], minus_qu[SLAB_PATTERN], flat[SLAB_PATTERN], flat_value[SLAB_PATTERN];
  struct factor_patterns factors;
  int any_flat;
};
VFN void slab_gradient_block(const struct gradient_patterns *rows, const float *x, const float *t, const float *weights,
                             float *out, size_t w, const int general) {
  for (size_t i = 0; i < 16 * w; i += 16) {
    const vf shift = vload(rows->shift + i);
    vf v[4];
    if (general) {
      struct general_row r = general_row(vload(rows->n + i), vload(rows->k + i), vload(rows->wide + i));
      r.factors = factors_at(&rows->factors, i);
      r.shift = shift;
      r.minus_qt = vload(rows->minus_qt + i);
      r.minus_qu = vload(rows->minus_qu + i);
      for (size_t j = 0; j < 4; j++) {
        const size_t at = i + 16 * j * w;
        v[j] = general_term(&r, vload(x + at), vload(weights + at), t ? vload(t + at) : vset1(0.0f));
      }
    } else {
      const struct reference ref = reference_at(vload(rows->n + i));
      const struct factors f = factors_at(&rows->factors, i);
      UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsub(vload(x + i + 16 * j * w), shift);
      terms(v, v, 4, &ref);
      scaled4(v, &f);
    }
    if (rows->any_flat) {
      const vm flat = vgt(vload(rows->flat + i), vset1(0.0f));
      UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsel(flat, vload(rows->flat_value + i), v[j]);
    }
    UNROLL for (size_t j = 0; j < 4; j++) vstore(out + i + 16 * j * w, v[j]);
  }
}

static void slab_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                          const struct row_factors *factors, const struct gradient *grad, size_t i) {
  struct gradient_patterns rows;
  ALIGNED float x_buffer[SLAB_BLOCK], t_buffer[SLAB_BLOCK], w_buffer[SLAB_BLOCK];
  const struct slab x = slab_at(&job->shape, &s->g, job->x, job->x_stride, i);
  const struct slab out = slab_at(&job->shape, &s->g, job->grad, job->grad_stride, i);
  const size_t classes = job->shape.classes, w = x.w;
  struct slab t = {NULL, 0, 0};
  if (job->targets) t = slab_at(&job->shape, &s->g, job->targets, job->targets_stride, i);
  const int spread = is_spread(job);
  int general = spread;
  rows.any_flat = 0;
  for (size_t k = i; k < i + w; k++) {
    general |= factors->wide[k] != 0;
    rows.any_flat |= grad->flat[k] != 0;
  }
  to_pattern(rows.n, vload(s->sums.n), i, w);
  to_pattern(rows.shift, vload(s->sums.shift), i, w);
  factors_to_patterns(&rows.factors, factors, i, w);
  if (general) {
    to_pattern(rows.k, vload(factors->k), i, w);
    to_pattern(rows.wide, vload(factors->wide), i, w);
    to_pattern(rows.minus_qt, vload(grad->minus_qt), i, w);
    to_pattern(rows.minus_qu, vload(grad->minus_qu), i, w);
  }
  if (rows.any_flat) {
    to_pattern(rows.flat, vload(grad->flat), i, w);
    to_pattern(rows.flat_value, vload(grad->flat_value), i, w);
  }

  const vi labels = irows_from(s->l.label, i);
  for (size_t c = 0; c < classes; c += BLOCK) {
    /* Without the label's own term where it may lie beyond the reach of exp. */
    const float *logits =
        spread ? slab_block(&x, c, classes, -INF, x_buffer) : slab_block_but(&x, c, classes, labels, x_buffer);
    float *const to = slab_output(&out, c, classes, x_buffer);
    if (general) {
      slab_weights(spread ? job->weights : NULL, c, classes, w, w_buffer);
      slab_gradient_block(&rows, logits, t.p ? slab_block(&t, c, classes, 0.0f, t_buffer) : NULL, w_buffer, to, w, 1);
    } else {
      slab_gradient_block(&rows, logits, NULL, NULL, to, w, 0);
    }
    slab_write(&out, c, classes, x_buffer);
  }
  for (size_t k = 0; k < w; k++)
    if (s->l.label[i + k] >= 0 && grad->flat[i + k] == 0)
      ((float *)(uintptr_t)out.p)[(size_t)s->l.label[i + k] * out.step + k] = grad->at_target[i + k];
}
void slabs_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                    const struct row_factors *factors, const struct gradient *grad) {
  const size_t w = slab_rows(&job->shape, &s->g);
  for (size_t i = 0; i < s->g.n; i += w) slab_gradient(job, s, factors, grad, i);
}
