/* Two rows of logits compared, one pair of rows after the other. The first pass makes the sums of both in one read of
 * each, a block of CLASS_BLOCK classes at a time; divergence_gradient.c has the others. */
#include "divergence.h"

#include "kernels.h"
#include "memory/labels.h"
#include "row_sums.h"
#include "top_classes.h"
#include "totals.h"

typedef struct vloss_divergence_job divergence_job;

/* Where the rows at hand are: the caller's arrays, or tiles of them (half_rows.h). A row is named by its number among
 * the caller's everywhere. */
struct rows_at_hand {
  struct half_tensor teacher, student, grad;
  struct logit_change change; /* of logits that were not scaled when the tile was read */
  float *of_teacher, *of_student;
};
static struct logit_row logits_of_row(const struct rows_at_hand *rows, const struct half_tensor *t, size_t row,
                                      float *block) {
  return (struct logit_row){half_row_of(t, row), rows->change, block};
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

/* What the gradient of a row is made of: the rows compared, or one number for all classes. */
struct row_gradient {
  struct compared c;
  double factor, mean;
  int filled;
  float fill;
};
static void fill_gradient(struct row_gradient *g, float value) {
  g->filled = 1;
  g->fill = value;
}
static void put_gradient(const struct rows_at_hand *rows, size_t row, const struct row_gradient *g) {
  const struct half_row out = half_row_of(&rows->grad, row);
  if (g->filled)
    logit_row_fill(&out, g->fill, rows->of_student);
  else
    divergence_gradient(&g->c, &out, g->factor, g->mean);
}

static double upstream_of(const divergence_job *job, size_t row) {
  const float *const u = job->upstream;
  return (u ? (double)u[job->upstream_per_row ? row : 0] : 1) * job->grad_scale;
}

/* The loss of a row, of an ignored one 0; and its gradient's numbers. */
static double compare(const divergence_job *job, const struct rows_at_hand *rows, size_t row, struct row_gradient *g) {
  struct compared *const c = &g->c;
  struct pair_sums sums;
  const int reverse = job->kind == VLOSS_REVERSE_KL;
  *c = (struct compared){.kind = job->kind, .beta = job->beta, .classes = job->shape.classes};
  c->teacher.x = logits_of_row(rows, &rows->teacher, row, rows->of_teacher);
  c->student.x = logits_of_row(rows, &rows->student, row, rows->of_student);
  sum_pair(reverse ? &c->student.x : &c->teacher.x, reverse ? &c->teacher.x : &c->student.x, &sums);
  const struct pair_answers a = answers_of(&sums);
  if (job->same_top) job->same_top[row] = !a.undefined && same_top(&c->teacher.x, &c->student.x);
  if (a.undefined) {
    fill_gradient(g, NOT_A_NUMBER);
    return (double)NOT_A_NUMBER;
  }
  c->teacher.max = (double)(reverse ? sums.max_q : sums.max_p)[0];
  c->student.max = (double)(reverse ? sums.max_p : sums.max_q)[0];
  c->teacher.inverse = 1 / (reverse ? sums.q : sums.p)[0];
  c->student.inverse = 1 / (reverse ? sums.p : sums.q)[0];
  c->log_ratio = reverse ? -a.log_ratio : a.log_ratio;
  c->value = a.value;
  struct second_sums second = {a.value, reverse ? a.value : 0};
  if (job->kind == VLOSS_JSD || job->kind == VLOSS_TOTAL_VARIATION) second = divergence_second(c);
  const double upstream = upstream_of(job, row);
  g->factor = upstream * (double)(float)job->scale;
  g->mean = second.mean;
  g->filled = 0;
  if (upstream - upstream != 0 || second.mean - second.mean != 0) fill_gradient(g, NOT_A_NUMBER);
  return second.value;
}
static double loss_of_row(const divergence_job *job, const struct rows_at_hand *rows, size_t row,
                          struct row_gradient *g) {
  if (!is_ignored(job, row)) return compare(job, rows, row, g);
  if (job->same_top) job->same_top[row] = 0;
  fill_gradient(g, 0);
  return 0;
}

static struct rows_at_hand all_rows(const divergence_job *job, float *blocks) {
  const struct vloss_compared *const teacher = &job->teacher, *const student = &job->student;
  return (struct rows_at_hand){half_tensor_of(teacher->p, teacher->type, &job->shape, teacher->stride),
                               half_tensor_of(student->p, student->type, &job->shape, student->stride),
                               half_tensor_of(job->grad, student->type, &job->shape, job->grad_stride),
                               {(float)job->scale, 0},
                               blocks,
                               blocks + CLASS_BLOCK};
}

/* ---- Rows side by side ------------------------------------------------------------------------------------------- */

/* A tile of both, scaled; the gradient takes the place of the student's logits. */
static struct rows_at_hand read_tiles(const struct rows_at_hand *all, const struct half_tile *tile) {
  struct rows_at_hand rows = *all;
  struct half_tensor teacher = all->teacher, student = all->student;
  if (!changes_nothing(&all->change)) teacher.change = student.change = &all->change;
  half_tile_read(&teacher, tile, all->of_teacher);
  half_tile_read(&student, tile, all->of_student);
  rows.change = no_change;
  rows.teacher = half_tile_tensor(tile, all->of_teacher);
  rows.student = rows.grad = half_tile_tensor(tile, all->of_student);
  return rows;
}
/* Rows of one block: each tile is read once. */
static void rows_beside(const divergence_job *job, const struct rows_at_hand *all, const struct group *g,
                        double *loss) {
  struct row_gradient gradient;
  for (size_t i = 0, n; i < g->n; i += n) {
    n = half_tile_rows(&job->shape, g->first + i, g->first + g->n, job->shape.classes, CLASS_BLOCK);
    const struct half_tile tile = {g->first + i, n, 0, job->shape.classes};
    const struct rows_at_hand rows = read_tiles(all, &tile);
    for (size_t k = 0; k < n; k++) {
      loss[i + k] = loss_of_row(job, &rows, tile.first + k, &gradient);
      if (job->grad) put_gradient(&rows, tile.first + k, &gradient);
    }
    if (job->grad) half_tile_write(&all->grad, &tile, all->of_student);
  }
}
/* Longer rows are summed one by one, but get their gradients together: by tiles of so many rows. */
enum { ROWS_BESIDE = 8, CLASSES_BESIDE = CLASS_BLOCK / ROWS_BESIDE };
static void long_rows_beside(const divergence_job *job, const struct rows_at_hand *all, const struct group *g,
                             double *loss) {
  struct row_gradient gradient[ROWS_BESIDE];
  for (size_t i = 0, n; i < g->n; i += n) {
    n = g->n - i < ROWS_BESIDE ? g->n - i : ROWS_BESIDE;
    for (size_t k = 0; k < n; k++) loss[i + k] = loss_of_row(job, all, g->first + i + k, &gradient[k]);
    for (size_t c = 0; job->grad && c < job->shape.classes; c += CLASSES_BESIDE) {
      const size_t left = job->shape.classes - c;
      const struct half_tile tile = {g->first + i, n, c, left < CLASSES_BESIDE ? left : CLASSES_BESIDE};
      const struct rows_at_hand rows = read_tiles(all, &tile);
      for (size_t k = 0; k < n; k++) {
        struct row_gradient *const of = &gradient[k];
        of->c.teacher.x = logits_of_row(&rows, &rows.teacher, tile.first + k, NULL);
        of->c.student.x = logits_of_row(&rows, &rows.student, tile.first + k, NULL);
        put_gradient(&rows, tile.first + k, of);
      }
      half_tile_write(&all->grad, &tile, all->of_student);
    }
  }
}

static void rows_apart(const divergence_job *job, const struct rows_at_hand *all, const struct group *g, double *loss) {
  struct row_gradient gradient;
  for (size_t i = 0; i < g->n; i++) {
    loss[i] = loss_of_row(job, all, g->first + i, &gradient);
    if (job->grad) put_gradient(all, g->first + i, &gradient);
  }
}

void KERNEL(divergence)(const divergence_job *job, struct vloss_range range, struct vloss_partial *partial) {
  ALIGNED float blocks[2 * CLASS_BLOCK + ASKED_FOR];
  const struct rows_at_hand all = all_rows(job, blocks);
  struct totals totals;
  totals_begin(&totals, job->shape.classes, range, &partial->sum);
  for (size_t row = range.first; row < range.last; row += 16) {
    const struct group g = {row, range.last - row < 16 ? range.last - row : 16, ALONG, 0};
    ALIGNED double loss[16] = {0};
    if (job->shape.inner == 1)
      rows_apart(job, &all, &g, loss);
    else if (job->shape.classes <= CLASS_BLOCK)
      rows_beside(job, &all, &g, loss);
    else
      long_rows_beside(job, &all, &g, loss);
    const vd losses = dload(loss);
    add_losses(&totals, &g, losses);
    if (job->loss) vstore_tail((float *)job->loss + row, canonical(dnarrow_small(losses)), g.n);
  }
}
