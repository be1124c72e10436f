/* Two rows of logits compared, one pair of rows after the other. The first pass makes the sums of both in one read of
 * each, a block of CLASS_BLOCK classes at a time; divergence_gradient.c has the others. */
#include "divergence.h"

#include "kernels.h"
#include "memory/labels.h"
#include "row_sums.h"
#include "top_classes.h"
#include "totals.h"

typedef struct vloss_divergence_job divergence_job;

static struct logit_row logits_of_row(const divergence_job *job, const struct vloss_compared *t, size_t row,
                                      float *block) {
  struct logit_row r = logit_row_of(t->p, t->type, &job->shape, t->stride, row);
  r.change.scale = (float)job->scale;
  r.block = block;
  return r;
}
static int is_ignored(const divergence_job *job, size_t row) {
  return job->labels.p && job->labels.ignoring && vloss_label_at(&job->labels, row) == job->labels.ignore_index;
}

/* ---- The first pass ---------------------------------------------------------------------------------------------- */

/* The first maximum so far. */
struct first_maximum {
  float max;
  size_t c;
};
static void look_for_maximum(struct first_maximum *best, const float *y, size_t n, size_t first) {
  const float max = block_maximum(y, n);
  if (max > best->max) *best = (struct first_maximum){max, first + row_find(y, 1, n, max, 0)};
}
static int same_top(const struct logit_row *z, const struct logit_row *x) {
  struct first_maximum of_z = {-INF, NO_CLASS}, of_x = {-INF, NO_CLASS};
  for (size_t c = 0, n; c < x->at.classes; c += n) {
    const float *const of_teacher = logit_row_block(z, c, &n), *const of_student = logit_row_block(x, c, &n);
    look_for_maximum(&of_z, of_teacher, n, c);
    look_for_maximum(&of_x, of_student, n, c);
  }
  return of_z.c == of_x.c;
}

/* The sums of a row, as number 0 of `parts`: of up to 15 blocks at a time, and of what came before. */
static void sum_pair(const struct logit_row *p, const struct logit_row *q, struct pair_sums *parts) {
  const size_t classes = p->at.classes;
  size_t c = 0, n, count = 0;
  parts->before.offset = NOT_A_NUMBER;
  parts->before.masked = 0;
  for (; c < classes; c += n) {
    const float *const y = logit_row_block(p, c, &n), *const x = logit_row_block(q, c, &n);
    pair_block(y, x, n, parts, count++);
    if (count < 16) continue;
    merge_pairs(parts, count);
    count = 1;
  }
  if (count > 1) merge_pairs(parts, count);
}

struct pair_answers {
  double value, log_ratio; /* KL(p || q), log P - log Q */
  int undefined;
};
static struct pair_answers answers_of(const struct pair_sums *s) {
  ALIGNED double value[16], log_ratio[16];
  const double p = s->p[0], q = s->q[0];
  if (!(p > 0 && q > 0)) return (struct pair_answers){.undefined = 1};
  const vd r = dset1(q / p), log = dlog(r);
  dstore(log_ratio, log);
  dstore(value, dsub(dset1(s->t[0] / p), dsub(dsub(r, dset1(1.0)), log)));
  return (struct pair_answers){value[0] > 0 ? value[0] : 0, 0 - log_ratio[0], 0};
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static struct half_row output_of(const divergence_job *job, size_t row) {
  const struct half_tensor output = half_tensor_of(job->grad, job->student.type, &job->shape, job->grad_stride);
  return half_row_of(&output, row);
}
static void fill_gradient(const divergence_job *job, size_t row, float value, float *block) {
  const struct half_row out = output_of(job, row);
  logit_row_fill(&out, value, block);
}

static double upstream_of(const divergence_job *job, size_t row) {
  const float *const u = job->upstream;
  return (u ? (double)u[job->upstream_per_row ? row : 0] : 1) * job->grad_scale;
}
static void put_gradient(const divergence_job *job, size_t row, const struct compared *c, double mean) {
  const double upstream = upstream_of(job, row);
  if (upstream - upstream != 0 || mean - mean != 0) {
    fill_gradient(job, row, NOT_A_NUMBER, c->student.x.block);
    return;
  }
  const struct half_row out = output_of(job, row);
  divergence_gradient(c, &out, upstream * (double)c->student.x.change.scale, mean);
}

/* The loss of a row; of an ignored one 0. */
static double compare(const divergence_job *job, size_t row, float *of_teacher, float *of_student) {
  struct compared c = {.kind = job->kind, .beta = job->beta};
  struct pair_sums sums;
  const int reverse = job->kind == VLOSS_REVERSE_KL;
  c.teacher.x = logits_of_row(job, &job->teacher, row, of_teacher);
  c.student.x = logits_of_row(job, &job->student, row, of_student);
  sum_pair(reverse ? &c.student.x : &c.teacher.x, reverse ? &c.teacher.x : &c.student.x, &sums);
  const struct pair_answers a = answers_of(&sums);
  if (job->same_top) job->same_top[row] = !a.undefined && same_top(&c.teacher.x, &c.student.x);
  if (a.undefined) {
    if (job->grad) fill_gradient(job, row, NOT_A_NUMBER, of_student);
    return (double)NOT_A_NUMBER;
  }
  c.teacher.max = (double)(reverse ? sums.max_q : sums.max_p)[0];
  c.student.max = (double)(reverse ? sums.max_p : sums.max_q)[0];
  c.teacher.inverse = 1 / (reverse ? sums.q : sums.p)[0];
  c.student.inverse = 1 / (reverse ? sums.p : sums.q)[0];
  c.log_ratio = reverse ? -a.log_ratio : a.log_ratio;
  c.value = a.value;
  struct second_sums second = {a.value, reverse ? a.value : 0};
  if (job->kind == VLOSS_JSD || job->kind == VLOSS_TOTAL_VARIATION) second = divergence_second(&c);
  if (job->grad) put_gradient(job, row, &c, second.mean);
  return second.value;
}

static double loss_of_row(const divergence_job *job, size_t row, float *of_teacher, float *of_student) {
  if (!is_ignored(job, row)) return compare(job, row, of_teacher, of_student);
  if (job->same_top) job->same_top[row] = 0;
  if (job->grad) fill_gradient(job, row, 0, of_student);
  return 0;
}

void KERNEL(divergence)(const divergence_job *job, struct vloss_range range, struct vloss_partial *partial) {
  ALIGNED float blocks[2 * CLASS_BLOCK + ASKED_FOR];
  struct totals totals;
  totals_begin(&totals, job->shape.classes, range, &partial->sum);
  for (size_t row = range.first; row < range.last; row += 16) {
    const struct group g = {row, range.last - row < 16 ? range.last - row : 16, ALONG, 0};
    ALIGNED double loss[16] = {0};
    for (size_t i = 0; i < g.n; i++) loss[i] = loss_of_row(job, row + i, blocks, blocks + CLASS_BLOCK);
    const vd losses = dload(loss);
    add_losses(&totals, &g, losses);
    if (job->loss) vstore_tail((float *)job->loss + row, canonical(dnarrow_small(losses)), g.n);
  }
}
