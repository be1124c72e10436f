/* Softmax and log-softmax over interleaved rows (slabs.h). */
#include "softmax.h"

static void write_slab(const struct vloss_softmax_job *job, const struct group *g, const struct softmax_rows *rows,
                       size_t i, const enum softmax_kind kind) {
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

void write_slabs(const struct vloss_softmax_job *job, const struct group *g, const struct softmax_rows *rows,
                 enum softmax_kind kind) {
  const size_t w = slab_rows(&job->shape, g);
  for (size_t i = 0; i < g->n; i += w)
    if (kind == SOFTMAX)
      write_slab(job, g, rows, i, SOFTMAX);
    else
      write_slab(job, g, rows, i, LOG_SOFTMAX);
}
