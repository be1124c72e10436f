/* Two rows of logits compared, one pair of rows after the other. The first pass makes the sums of both in one read of
 * each, a block of CLASS_BLOCK classes at a time; divergence_gradient.c has the others. Short rows are summed 16 at a
 * time (short_pairs.c). The file is longer than others, as rows are walked over in four ways that end alike. */
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

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

/* What the gradient of a row is made of: the rows compared, or one number for all classes. */
struct row_gradient {
  struct compared c;
  double factor, mean;
  int filled;
  float fill;
};
/* The loss of a row with one value in its gradient: 0, or NaN as well. */
static double fill_gradient(struct row_gradient *g, float value) {
  g->filled = 1;
  g->fill = value;
  return (double)value;
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

static void begin_row(const divergence_job *job, const struct rows_at_hand *rows, size_t row, struct compared *c) {
  *c = (struct compared){.kind = job->kind, .beta = job->beta, .classes = job->shape.classes};
  c->teacher.x = logits_of_row(rows, &rows->teacher, row, rows->of_teacher);
  c->student.x = logits_of_row(rows, &rows->student, row, rows->of_student);
}
/* What is known of a row from its sums; what it lacks then is a second pass or nothing. */
static struct pair_answers compare(const divergence_job *job, size_t row, const struct pair_sums *sums,
                                   struct compared *c) {
  const int reverse = job->kind == VLOSS_REVERSE_KL;
  const struct pair_answers a = pair_answers_of(sums);
  if (job->same_top) job->same_top[row] = !a.undefined && same_first_maximum(&c->teacher.x, &c->student.x);
  c->teacher.max = (double)(reverse ? sums->max_q : sums->max_p)[0];
  c->student.max = (double)(reverse ? sums->max_p : sums->max_q)[0];
  c->teacher.inverse = 1 / (reverse ? sums->q : sums->p)[0];
  c->student.inverse = 1 / (reverse ? sums->p : sums->q)[0];
  c->log_ratio = reverse ? -a.log_ratio : a.log_ratio;
  c->value = a.value;
  return a;
}
static int wants_second(const divergence_job *job) {
  return job->kind == VLOSS_JSD || job->kind == VLOSS_TOTAL_VARIATION;
}
static struct second_sums second_of(const struct compared *c) {
  struct second_pass s;
  second_begin(c, &s);
  for (size_t at = 0, n; at < c->student.x.at.classes; at += n) {
    const float *const z = logit_row_block(&c->teacher.x, at, &n), *const x = logit_row_block(&c->student.x, at, &n);
    second_add(c, z, x, n, &s);
  }
  return second_end(c, &s);
}
/* The loss of a row, and its gradient's numbers. */
static double finish_row(const divergence_job *job, size_t row, const struct second_sums *second,
                         struct row_gradient *g) {
  const double upstream = upstream_of(job, row);
  g->factor = upstream * (double)(float)job->scale;
  g->mean = second->mean;
  g->filled = 0;
  if (upstream - upstream != 0 || second->mean - second->mean != 0) fill_gradient(g, NOT_A_NUMBER);
  return second->value;
}
static struct second_sums of_first_pass(const divergence_job *job, const struct pair_answers *a) {
  return (struct second_sums){a->value, job->kind == VLOSS_REVERSE_KL ? a->value : 0};
}
static double ignored_row(const divergence_job *job, size_t row, struct row_gradient *g) {
  if (job->same_top) job->same_top[row] = 0;
  return fill_gradient(g, 0);
}
static double loss_of_row(const divergence_job *job, const struct rows_at_hand *rows, size_t row,
                          struct row_gradient *g) {
  if (is_ignored(job, row)) return ignored_row(job, row, g);
  struct pair_sums sums;
  begin_row(job, rows, row, &g->c);
  if (job->kind == VLOSS_REVERSE_KL)
    sum_pair(&g->c.student.x, &g->c.teacher.x, &sums);
  else
    sum_pair(&g->c.teacher.x, &g->c.student.x, &sums);
  const struct pair_answers a = compare(job, row, &sums, &g->c);
  if (a.undefined) return fill_gradient(g, NOT_A_NUMBER);
  const struct second_sums second = wants_second(job) ? second_of(&g->c) : of_first_pass(job, &a);
  return finish_row(job, row, &second, g);
}

/* ---- Short rows -------------------------------------------------------------------------------------------------- */

/* Of fewer classes doubles are as fast. */
static int goes_by_floats(const divergence_job *job) {
  const int kl = job->kind == VLOSS_FORWARD_KL || job->kind == VLOSS_REVERSE_KL;
  return kl && job->shape.classes > GATHER_CLASSES && job->shape.classes <= SHORT_ROW;
}
/* So many floats of the buffers are tiles, as others are terms. */
enum { SHORT_ROOM = CLASS_BLOCK / 2 };
static size_t short_rows_of(const divergence_job *job, size_t left) {
  const size_t fit = SHORT_ROOM / short_terms(job->shape.classes);
  return fit < left ? fit : left;
}
/* The row of that number, row k of `s`, whose value is known. */
static double known_row(const divergence_job *job, const struct rows_at_hand *rows, const struct short_pairs *s,
                        const struct short_answers *a, size_t row, size_t k) {
  const int reverse = job->kind == VLOSS_REVERSE_KL;
  const double value = a->value[k], log_ratio = a->log_ratio[k] - ((double)a->max_p[k] - (double)a->max_q[k]);
  const double factor = upstream_of(job, row) * (double)(float)job->scale;
  float *const to = half_row_of(&rows->grad, row).p;
  if (!job->same_top && (!job->grad || (!reverse && short_gradient(s, a, k, factor, to)))) return value;
  const struct second_sums second = {value, reverse ? value : 0};
  struct row_gradient g;
  struct pair_sums sums;
  short_pair_sums(a, k, &sums);
  begin_row(job, rows, row, &g.c);
  compare(job, row, &sums, &g.c);
  g.c.value = value;
  g.c.log_ratio = reverse ? -log_ratio : log_ratio;
  finish_row(job, row, &second, &g);
  if (job->grad && (reverse || !short_gradient(s, a, k, factor, to))) put_gradient(rows, row, &g);
  return value;
}
static double other_row(const divergence_job *job, const struct rows_at_hand *rows, size_t row) {
  struct row_gradient gradient;
  const double loss = loss_of_row(job, rows, row, &gradient);
  if (job->grad) put_gradient(rows, row, &gradient);
  return loss;
}
/* n rows that lie as floats, the classes of each side by side. */
static void short_rows(const divergence_job *job, const struct rows_at_hand *rows, size_t first, size_t n,
                       double *loss) {
  const int reverse = job->kind == VLOSS_REVERSE_KL;
  const struct half_tensor *const p = reverse ? &rows->student : &rows->teacher;
  const struct half_tensor *const q = reverse ? &rows->teacher : &rows->student;
  const struct short_pairs s = {.p = half_row_of(p, first).p,
                                .q = half_row_of(q, first).p,
                                .p_stride = p->stride,
                                .q_stride = q->stride,
                                .n = n,
                                .classes = job->shape.classes,
                                .terms_p = rows->of_teacher + SHORT_ROOM,
                                .terms_q = rows->of_student + SHORT_ROOM};
  struct short_answers a;
  short_pair_answers(&s, &a);
  for (size_t k = 0; k < n; k++) {
    const int known = a.value[k] == a.value[k] && !is_ignored(job, first + k);
    loss[k] = known ? known_row(job, rows, &s, &a, first + k, k) : other_row(job, rows, first + k);
  }
}
static void short_rows_along(const divergence_job *job, const struct rows_at_hand *all, const struct group *g,
                             double *loss) {
  for (size_t i = 0, n; i < g->n; i += n) {
    n = short_rows_of(job, g->n - i);
    short_rows(job, all, g->first + i, n, loss + i);
  }
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
  const int floats = goes_by_floats(job);
  for (size_t i = 0, n; i < g->n; i += n) {
    const size_t room = floats ? SHORT_ROOM : CLASS_BLOCK,
                 width = floats ? short_terms(job->shape.classes) : job->shape.classes;
    n = half_tile_rows(&job->shape, g->first + i, g->first + g->n, width, room);
    const struct half_tile tile = {g->first + i, n, 0, job->shape.classes, 0};
    const struct rows_at_hand rows = read_tiles(all, &tile);
    if (floats)
      short_rows(job, &rows, tile.first, n, loss + i);
    else
      for (size_t k = 0; k < n; k++) loss[i + k] = other_row(job, &rows, tile.first + k);
    if (job->grad) half_tile_write(&all->grad, &tile, all->of_student);
  }
}
/* Longer rows by tiles of PAIR_ROWS rows, as often as they are needed. */
struct long_rows {
  const divergence_job *job;
  const struct rows_at_hand *all;
  struct half_tensor teacher, student; /* scaled */
  size_t first, n;
  struct row_gradient *gradient; /* PAIR_ROWS of them */
};
/* What pair_sums of a row come to. */
struct pair_sum {
  double p, q, t;
  float max_p, max_q, lost;
};
static __attribute__((noinline)) void sum_long_rows(const struct long_rows *l, struct pair_sum *sums) {
  struct pair_sums parts[PAIR_ROWS];
  const int reverse = l->job->kind == VLOSS_REVERSE_KL;
  const struct pairs_beside rows = {reverse ? &l->student : &l->teacher,
                                    reverse ? &l->teacher : &l->student,
                                    l->first,
                                    l->n,
                                    l->all->of_teacher,
                                    l->all->of_student};
  size_t count = 0;
  for (size_t k = 0; k < l->n; k++) {
    parts[k].before.offset = NOT_A_NUMBER;
    parts[k].before.masked = 0;
  }
  for (size_t c = 0; c < l->job->shape.classes; c += CLASS_BLOCK) {
    pair_tile_block(&rows, c, parts, count++);
    if (count < 16) continue;
    for (size_t k = 0; k < l->n; k++) merge_pairs(&parts[k], count);
    count = 1;
  }
  for (size_t k = 0; k < l->n; k++) {
    if (count > 1) merge_pairs(&parts[k], count);
    const struct pair_sums *const all = &parts[k];
    sums[k] = (struct pair_sum){all->p[0], all->q[0], all->t[0], all->max_p[0], all->max_q[0], all->lost[0]};
  }
}
static struct half_tile long_tile(const struct long_rows *l, size_t c) {
  const size_t left = l->job->shape.classes - c, width = tile_classes(l->n);
  return (struct half_tile){l->first, l->n, c, left < width ? left : width, 1};
}
static void second_of_long_rows(const struct long_rows *l, struct second_sums *sums) {
  struct second_pass second[PAIR_ROWS];
  const float *const z = l->all->of_teacher, *const x = l->all->of_student;
  struct half_tile tile;
  for (size_t k = 0; k < l->n; k++) second_begin(&l->gradient[k].c, &second[k]);
  for (size_t c = 0; c < l->job->shape.classes; c += tile.n) {
    tile = long_tile(l, c);
    read_tiles(l->all, &tile);
    for (size_t k = 0; k < l->n; k++) {
      half_tile_ask(&l->teacher, &tile, k, 0), half_tile_ask(&l->student, &tile, k, 0);
      second_add(&l->gradient[k].c, z + k * tile.n, x + k * tile.n, tile.n, &second[k]);
    }
  }
  for (size_t k = 0; k < l->n; k++) sums[k] = second_end(&l->gradient[k].c, &second[k]);
}
static void losses_of_long_rows(struct long_rows *l, const struct pair_sum *sums, double *loss) {
  const divergence_job *const job = l->job;
  struct pair_answers a[PAIR_ROWS];
  struct second_sums second[PAIR_ROWS];
  for (size_t k = 0; k < l->n; k++) {
    struct pair_sums of_row;
    of_row.p[0] = sums[k].p, of_row.q[0] = sums[k].q, of_row.t[0] = sums[k].t;
    of_row.max_p[0] = sums[k].max_p, of_row.max_q[0] = sums[k].max_q, of_row.lost[0] = sums[k].lost;
    begin_row(job, l->all, l->first + k, &l->gradient[k].c);
    a[k] = compare(job, l->first + k, &of_row, &l->gradient[k].c);
    second[k] = of_first_pass(job, &a[k]);
  }
  if (wants_second(job)) second_of_long_rows(l, second);
  for (size_t k = 0; k < l->n; k++) {
    const size_t row = l->first + k;
    struct row_gradient *const g = &l->gradient[k];
    loss[k] = is_ignored(job, row) ? ignored_row(job, row, g)
              : a[k].undefined     ? fill_gradient(g, NOT_A_NUMBER)
                                   : finish_row(job, row, &second[k], g);
  }
}
static void gradients_of_long_rows(struct long_rows *l) {
  struct half_tile tile;
  for (size_t c = 0; c < l->job->shape.classes; c += tile.n) {
    tile = long_tile(l, c);
    const struct rows_at_hand rows = read_tiles(l->all, &tile);
    for (size_t k = 0; k < l->n; k++) {
      struct row_gradient *const of = &l->gradient[k];
      half_tile_ask(&l->teacher, &tile, k, 0), half_tile_ask(&l->student, &tile, k, 0);
      half_tile_ask(&l->all->grad, &tile, k, 1);
      of->c.teacher.x = logits_of_row(&rows, &rows.teacher, tile.first + k, NULL);
      of->c.student.x = logits_of_row(&rows, &rows.student, tile.first + k, NULL);
      put_gradient(&rows, tile.first + k, of);
    }
    half_tile_write(&l->all->grad, &tile, l->all->of_student);
  }
}
/* Not inline, nor the sums: each has its own use of the stack. */
static __attribute__((noinline)) void finish_long_rows(struct long_rows *l, const struct pair_sum *sums, double *loss) {
  struct row_gradient gradient[PAIR_ROWS];
  l->gradient = gradient;
  losses_of_long_rows(l, sums, loss);
  if (l->job->grad) gradients_of_long_rows(l);
  l->gradient = NULL;
}
static void long_rows_beside(const divergence_job *job, const struct rows_at_hand *all, const struct group *g,
                             double *loss) {
  struct long_rows l = {.job = job, .all = all, .teacher = all->teacher, .student = all->student};
  if (!changes_nothing(&all->change)) l.teacher.change = l.student.change = &all->change;
  for (size_t i = 0; i < g->n; i += l.n) {
    l.first = g->first + i;
    l.n = long_tile_rows(&job->shape, l.first, g->first + g->n);
    if (l.n > PAIR_ROWS) l.n = PAIR_ROWS;
    struct pair_sum sums[PAIR_ROWS];
    sum_long_rows(&l, sums);
    finish_long_rows(&l, sums, loss + i);
  }
}

static void rows_apart(const divergence_job *job, const struct rows_at_hand *all, const struct group *g, double *loss) {
  for (size_t i = 0; i < g->n; i++) loss[i] = other_row(job, all, g->first + i);
}

/* Not inline: each has its own use of the stack. */
typedef void group_losses(const divergence_job *, const struct rows_at_hand *, const struct group *, double *);
VFN void by_groups(const divergence_job *job, struct vloss_range range, const struct rows_at_hand *all,
                   group_losses *of, struct totals *totals) {
  for (size_t row = range.first; row < range.last; row += 16) {
    const struct group g = {row, range.last - row < 16 ? range.last - row : 16, ALONG, 0};
    ALIGNED double loss[16] = {0};
    of(job, all, &g, loss);
    const vd losses = dload(loss);
    add_losses(totals, &g, losses);
    if (job->loss) vstore_tail((float *)job->loss + row, canonical(dnarrow_small(losses)), g.n);
  }
}
static __attribute__((noinline)) void short_divergence(const divergence_job *job, struct vloss_range range,
                                                       struct totals *totals) {
  ALIGNED float blocks[2 * CLASS_BLOCK + ASKED_FOR];
  const struct rows_at_hand all = all_rows(job, blocks);
  const int along = job->shape.inner == 1, floats = job->teacher.type == VLOSS_F32 && job->student.type == VLOSS_F32;
  const int as_they_lie = floats && changes_nothing(&all.change);
  group_losses *const apart = !goes_by_floats(job) ? rows_apart : as_they_lie ? short_rows_along : rows_beside;
  by_groups(job, range, &all, along ? apart : rows_beside, totals);
}
static __attribute__((noinline)) void long_divergence(const divergence_job *job, struct vloss_range range,
                                                      struct totals *totals) {
  ALIGNED float blocks[2 * CLASS_BLOCK];
  const struct rows_at_hand all = all_rows(job, blocks);
  by_groups(job, range, &all, long_rows_beside, totals);
}
void KERNEL(divergence)(const divergence_job *job, struct vloss_range range, struct vloss_partial *partial) {
  struct totals totals;
  totals_begin(&totals, job->shape.classes, range, &partial->sum);
  if (job->shape.inner > 1 && job->shape.classes > CLASS_BLOCK)
    long_divergence(job, range, &totals);
  else
    short_divergence(job, range, &totals);
}
