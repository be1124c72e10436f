/* See log_probs.h: the jobs, calls and expected results. */
#include "log_probs.h"

#include <math.h>

/* Many ids in short rows alone: ranks take a pass each. */
static size_t ids_of(const struct job *job) {
  return job->classes > 300 && job->option->ids > 8 ? 8 : job->option->ids;
}

static int64_t any_id(const struct option *option, struct random *r, size_t classes) {
  const int64_t c = (int64_t)classes, bad[] = {-1, c, c + 15};
  int64_t id;
  fill_labels(r, 1, classes, &id);
  if ((option->flags & VLOSS_UNCHECKED) && random_below(r, 8) == 0) id = bad[random_below(r, 3)];
  if (option->ignore != VLOSS_IGNORE_NOTHING && random_below(r, 6) == 0) id = -100;
  return id;
}

void log_probs_describe(struct job *job, struct random *r) {
  const struct option *option = job->option;
  const size_t rows = job->rows, k = ids_of(job), top = option->top < job->classes ? option->top : job->classes;
  const enum element label = option->label_type == VLOSS_I64 ? I64 : I32;
  float *x = job_add(job, "logits", MATRIX, F32)->values;
  struct array *const ids = k ? job_add_wide(job, "ids", k, label) : NULL;
  for (size_t row = 0; row < rows; row++, x += job->classes) {
    int64_t first = 0;
    for (size_t i = 0; i < k; i++) {
      const int64_t id = any_id(option, r, job->classes);
      if (i == 0) first = id;
      if (label == I64)
        ((int64_t *)ids->values)[row * k + i] = id;
      else
        ((int32_t *)ids->values)[row * k + i] = (int32_t)id;
    }
    fill_logits(r, job->family, 1, job->classes, &first, x);
  }
  if (option->upstream) fill_scales(r, false, rows * k, job_add_wide(job, "upstream", k, F32)->values);
  if (option->row_upstreams) {
    fill_scales(r, false, rows, job_add(job, "entropy_upstream", PER_ROW, F32)->values);
    fill_scales(r, false, rows, job_add(job, "lse_upstream", PER_ROW, F32)->values);
  }
  if (option->upstream || option->row_upstreams) {
    struct array *const grad = job_add_output(job, "grad", MATRIX, F32, 4);
    grad->flushed = job_type != VLOSS_F64;
    grad->over[0] = "logits";
  }
  /* Whether two capped logits are alike, the reference cannot know: its own are not rounded as the library's. */
  const bool ranks = option->softcap == 0;
  const double gate = job_type == VLOSS_F64 ? 4 : 2;
  if (k) job_add_wide_output(job, "logprob", k, F32, gate);
  if (k && ranks) job_add_wide_output(job, "rank", k, label, 0);
  if (top && ranks) job_add_wide_output(job, "top_id", top, label, 0);
  if (top && ranks) job_add_wide_output(job, "top_logprob", top, F32, gate);
  job_add_output(job, "max", PER_ROW, F32, option->softcap == 0 ? 0 : 1);
  job_add_output(job, "log_sum", PER_ROW, F32, gate);
  job_add_output(job, "lse", PER_ROW, F32, gate);
  job_add_output(job, "entropy", PER_ROW, F32, 4);
}

static vloss_log_probs_args arguments(const struct job *job) {
  const struct option *option = job->option;
  return (vloss_log_probs_args){
      .rows = job->count / job->inner,
      .classes = job->classes,
      .inner = job->inner,
      .logits = job_data(job, "logits"),
      .logits_stride = job_stride(job, "logits"),
      .type = job_type,
      .scale = option->scale,
      .softcap = option->softcap,
      .ids = job_data(job, "ids"),
      .ids_per_row = ids_of(job),
      .label_type = option->label_type,
      .ignore = option->ignore,
      .flags = option->flags,
      .logprob = job_data(job, "logprob"),
      .rank = job_data(job, "rank"),
      .top = option->top < job->classes ? option->top : job->classes,
      .top_id = job_data(job, "top_id"),
      .top_logprob = job_data(job, "top_logprob"),
      .max = job_data(job, "max"),
      .log_sum = job_data(job, "log_sum"),
      .lse = job_data(job, "lse"),
      .entropy = job_data(job, "entropy"),
      .upstream = job_data(job, "upstream"),
      .entropy_upstream = job_data(job, "entropy_upstream"),
      .lse_upstream = job_data(job, "lse_upstream"),
      .grad = job_data(job, "grad"),
      .grad_stride = job_stride(job, "grad"),
      .executor = job_executor,
  };
}

vloss_status log_probs_call(const struct job *job) {
  vloss_log_probs_args args = arguments(job);
  if (!args.grad) args.grad_stride = 0;
  return library->log_probs_sized(&args, sizeof args);
}

/* For the reference: the contents of the matrix as floats, or doubles, row by row. */
void log_probs_expect(struct job *job) {
  vloss_log_probs_args args = arguments(job);
  const struct array *const logits = job_array(job, "logits");
  const size_t element = job_type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  args.rows = job->count;
  args.inner = args.logits_stride = 0;
  if (job_type != VLOSS_F64) args.type = VLOSS_F32;
  args.logits = (const char *)logits->values + job->first * job->classes * element;
#define EXPECTED(name) .name = job_array(job, #name) ? job_array(job, #name)->expected : NULL
  const struct log_probs_expectations out = {EXPECTED(logprob),     EXPECTED(rank),    EXPECTED(top_id),
                                             EXPECTED(top_logprob), EXPECTED(max),     EXPECTED(log_sum),
                                             EXPECTED(lse),         EXPECTED(entropy), EXPECTED(grad)};
  reference->log_probs(&args, &out);
}
