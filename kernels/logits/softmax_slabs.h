/* The softmax functions over slabs (slab.h); included by softmax.c, for whose jobs it is. */
#ifndef VLOSS_KERNELS_SOFTMAX_SLABS_H
#define VLOSS_KERNELS_SOFTMAX_SLABS_H

static void sum_slabs(const struct vloss_softmax_job *job, const struct group *g, struct row_sums *sums) {
  const size_t w = slab_rows(&job->shape, g);
  no_sums(sums);
  for (size_t i = 0; i < g->n; i += w) {
    const struct slab x = slab_at(&job->shape, g, job->x, job->x_stride, i);
    slab_sum(&x, job->shape.classes, viset1(-1), sums, i);
  }
}

/* The sums of rows without the class of their maximum, for the rows whose left_out is not -inf. */
static void sum_slabs_below(const struct vloss_softmax_job *job, const struct group *g, const float *left_out,
                            struct row_sums *sums) {
  const size_t w = slab_rows(&job->shape, g), classes = job->shape.classes;
  for (size_t i = 0; i < g->n; i += w) {
    const struct slab x = slab_at(&job->shape, g, job->x, job->x_stride, i);
    int32_t found[16];
    int any = 0;
    for (size_t k = 0; k < w; k++) any |= left_out[i + k] != -INF;
    if (!any) continue;
    slab_find(&x, classes, sums->max + i, found);
    for (size_t k = 0; k < 16; k++)
      if (k >= w || left_out[i + k] == -INF) found[k] = -1;
    slab_sum_below(&x, classes, viload(found), sums, i);
  }
}

/* What the rows of a group are written from, one a lane. */
struct softmax_rows {
  ALIGNED float n[16], shift[16], max[16], log_sum[16], at_max[16], undefined[16];
  struct row_factors factors;
};

static __attribute__((noinline)) void slab_softmax(const struct vloss_softmax_job *job, const struct group *g,
                                                   const struct softmax_rows *rows, size_t i,
                                                   const enum softmax_kind kind) {
  ALIGNED float x_buffer[SLAB_BLOCK];
  ALIGNED float n[SLAB_PATTERN], shift[SLAB_PATTERN], max[SLAB_PATTERN], log_sum[SLAB_PATTERN], at_max[SLAB_PATTERN],
      undefined[SLAB_PATTERN];
  struct factor_patterns factors;
  const struct slab x = slab_at(&job->shape, g, job->x, job->x_stride, i);
  const struct slab out = slab_at(&job->shape, g, job->out, job->out_stride, i);
  const size_t classes = job->shape.classes, w = x.w;
  const vf nan = vset1(NOT_A_NUMBER), zero = vset1(0.0f);
  to_pattern(undefined, vload(rows->undefined), i, w);
  if (kind == SOFTMAX) {
    to_pattern(n, vload(rows->n), i, w);
    to_pattern(shift, vload(rows->shift), i, w);
    factors_to_patterns(&factors, &rows->factors, i, w);
  } else {
    to_pattern(max, vload(rows->max), i, w);
    to_pattern(log_sum, vload(rows->log_sum), i, w);
    to_pattern(at_max, vload(rows->at_max), i, w);
  }
  for (size_t c = 0; c < classes; c += BLOCK) {
    const float *from = slab_block(&x, c, classes, -INF, x_buffer);
    float *const to = slab_output(&out, c, classes, x_buffer);
    for (size_t k = 0; k < 16 * w; k += 16) {
      vf v[4];
      UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(from + k + 16 * j * w);
      if (kind == SOFTMAX) {
        const struct reference ref = reference_at(vload(n + k));
        const struct factors f = factors_at(&factors, k);
        UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsub(v[j], vload(shift + k));
        terms(v, v, 4, &ref);
        scaled4(v, &f);
      } else {
        UNROLL for (size_t j = 0; j < 4; j++) v[j] =
            log_softmax_term(v[j], vload(max + k), vload(log_sum + k), vload(at_max + k));
      }
      const vm is_undefined = vgt(vload(undefined + k), zero);
      UNROLL for (size_t j = 0; j < 4; j++) vstore(to + k + 16 * j * w, vsel(is_undefined, nan, v[j]));
    }
    slab_write(&out, c, classes, x_buffer);
  }
}

#endif
