/* The loop around the row losses: one row at a time where its columns lie side by side and are floats, else up to 16 of
 * them, some columns at a time, by way of copies in which they are. Both ways begin and end a row alike, and go on from
 * each other's passes: hence longer than other files. */
#include <string.h>

#include "memory/ahead.h"
#include "memory/blocks.h"
#include "memory/columns.h"
#include "memory/labels.h"
#include "memory/past_cache.h"
#include "row_loss.h"
#include "tuning.h"

/* Where row o * inner + i of an operand or a result starts. */
static const void *operand_row(const struct vloss_operand *operand, size_t o, size_t i) {
  return operand->p ? vloss_element(operand->p, operand->type, o * operand->row_stride + i) : NULL;
}
static void *result_row(const struct vloss_result *result, size_t o, size_t i) {
  return result->p ? vloss_element_out(result->p, result->type, o * result->row_stride + i) : NULL;
}

/* Whether it has a value a column of its own in each row. */
static int is_matrix(const struct vloss_operand *o) { return o->p && o->column_stride; }

/* Whether a label of the row is out of range; else *label is the row's one. A list ends at -1. */
static int find_label(const struct vloss_loss_job *job, size_t row, size_t *label) {
  if (job->labels.list)
    return !job->labels_checked &&
           !vloss_labels_within(&job->labels, row * job->columns, job->columns, 1, job->columns + 1);
  *label = (size_t)vloss_label_at(&job->labels, row);
  return *label >= job->columns;
}

/* Row o * inner + i. */
struct row_place {
  size_t o, i;
};
static struct row_place place_of(const struct vloss_loss_job *job, size_t row) {
  return (struct row_place){row / job->inner, row % job->inner};
}

/* What is the same in every row. */
static struct row row_of(const struct vloss_loss_job *job) {
  return (struct row){.columns = job->columns,
                      .to = job->columns,
                      .from_memory = job->inner == 1 && job->outer * job->columns * sizeof(float) > MEMORY_BYTES,
                      .weights = job->class_weights,
                      .labels_narrow = job->labels.narrow,
                      .parameters = job->parameters,
                      .column_stride = 1};
}

/* Row o * inner + i: what belongs to it but for its columns. Returns its weight. A bad label, met in unchecked mode,
 * makes NaN of the row. */
VFN float own_of_row(const struct vloss_loss_job *job, size_t o, size_t i, const struct row *r, struct row_own *own,
                     struct row_state *s) {
  const size_t row = o * job->inner + i, label_bytes = vloss_label_size(job->labels.narrow);
  const float *const weights = job->weights.p, *const upstream = job->upstream.p, *const target = job->target.p;
  const float w = weights && !job->weights.column_stride ? weights[row * job->weights.row_stride] : 1.0f;
  const float h = upstream ? upstream[row * job->upstream.row_stride] : 1.0f;
  s->pass = 0;
  *own = (struct row_own){.factor = (double)w * (double)h * job->grad_scale};
  if (target && !job->target.column_stride) own->target = target[row];
  if (!job->labels.p) return w;
  if (job->labels.list) own->labels = (const char *)job->labels.p + row * job->columns * label_bytes;
  if (find_label(job, row, &own->label))
    nan_row(r, s);
  else if (!job->labels.list)
    own->prediction = view_element(operand_row(&job->prediction, o, i), job->prediction.type, own->label * job->inner);
  return w;
}
VFN float begin_row(const struct vloss_loss_job *job, size_t o, size_t i, struct row *r, struct row_state *s) {
  struct row_own own;
  const float w = own_of_row(job, o, i, r, &own, s);
  take_own(r, &own);
  return w;
}

/* The losses of the rows of a range, added up block by block. */
struct totals {
  struct vloss_range range;
  struct vloss_partial *partial;
  double sum;       /* of the block so far */
  size_t block_end; /* the row behind it */
  size_t block;
};
static struct totals totals_of(const struct vloss_loss_job *job, struct vloss_range range,
                               struct vloss_partial *partial) {
  const size_t block = vloss_block_rows(job->columns);
  return (struct totals){.range = range, .partial = partial, .block_end = range.first + block, .block = block};
}
/* The loss of a row of the block. */
VFN void end_row(const struct vloss_loss_job *job, struct totals *totals, size_t row, float w, double loss) {
  const double value = w == 0 && loss == loss ? 0 : loss * (double)w;
  if (job->loss) job->loss[row] = value == value ? (float)value : NOT_A_NUMBER;
  totals->sum += value;
}
/* After some of its rows, with the one behind them: adds up the block if it is at its end. */
VFN void end_block(struct totals *totals, size_t row) {
  if (row != totals->block_end && row != totals->range.last) return;
  vloss_exact_add(&totals->partial->sum, totals->sum);
  totals->sum = 0;
  totals->block_end += totals->block;
}

static void fill(float *p, const struct row *r, float value) {
  if (!p) return;
  if (r->type != VLOSS_F32)
    for (size_t c = r->from; c < r->to; c++) view_put(p, r->type, c * r->column_stride, value);
  else if (r->column_stride == 1)
    for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
      put_scaled(p, c, m, vset1(value));
    }
  else
    for (size_t c = r->from; c < r->to; c++) p[c * r->column_stride] = value;
}
static void fill_gradients(const struct row *r, const struct row_state *s) {
  const float value = with_factor(r, s->fill);
  fill(r->grad, r, value);
  fill(r->grad_target, r, value);
  fill(r->grad_other, r, value);
}

/* Whether the first row of a range begins with denormals; what flags tell of those behind comes to that. */
static int begins_with_denormals(const struct vloss_loss_job *job, struct row_place at) {
  const struct vloss_operand *const operands[3] = {&job->prediction, &job->target, &job->other};
  int some = 0;
  if (!DENORMALS_ARE_SLOW || job->columns < 64 || job->inner != 1 || job->prediction.type != VLOSS_F32) return 0;
  for (int i = 0; i < 3; i++)
    if (is_matrix(operands[i])) some |= vany(vdenormal(vload(operand_row(operands[i], at.o, at.i))));
  return some;
}
static int met_denormal(void) { return DENORMALS_ARE_SLOW && vmet_denormal(); }

/* ---- Rows as they lie -------------------------------------------------------------------------------------------- */

/* Bytes from a row to the next one; 0 where there is no array. */
static size_t operand_step(const struct vloss_operand *o) {
  return o->p ? o->row_stride * vloss_type_size(o->type) : 0;
}
static size_t result_step(const struct vloss_result *o) { return o->p ? o->row_stride * vloss_type_size(o->type) : 0; }
static struct row_steps steps_of(const struct vloss_loss_job *job) {
  return (struct row_steps){.p = operand_step(&job->prediction),
                            .t = operand_step(&job->target),
                            .other = operand_step(&job->other),
                            .weights = is_matrix(&job->weights) ? operand_step(&job->weights) : 0,
                            .grad = result_step(&job->grad),
                            .grad_target = result_step(&job->grad_target),
                            .grad_other = result_step(&job->grad_other)};
}
static void place_row(const struct vloss_loss_job *job, struct row_place at, struct row *r) {
  r->grad = result_row(&job->grad, at.o, at.i);
  r->grad_target = result_row(&job->grad_target, at.o, at.i);
  r->grad_other = result_row(&job->grad_other, at.o, at.i);
  r->p = operand_row(&job->prediction, at.o, at.i);
  r->t = operand_row(&job->target, at.o, at.i);
  r->other = operand_row(&job->other, at.o, at.i);
  if (is_matrix(&job->weights)) r->weights = operand_row(&job->weights, at.o, at.i);
}

/* One row whose gradients go past the cache, by way of buffers. */
static void pass_past_cache(const struct row_loss *loss, struct row r, const struct rows_own *own, struct row_state *s,
                            float (*buffers)[PAST_CACHE_COLUMNS]) {
  float *const home[3] = {r.grad, r.grad_target, r.grad_other};
  if (r.grad) r.grad = buffers[2];
  if (r.grad_target) r.grad_target = buffers[1];
  if (r.grad_other) r.grad_other = buffers[0];
  loss->pass(&r, own, s, 1);
  take_own(&r, own->of);
  if (s->pass == ROW_FILL) fill_gradients(&r, s);
  s->pass = ROW_DONE;
  for (int i = 0; i < 3; i++)
    if (home[i]) copy_past_cache(home[i], buffers[2 - i], r.columns);
}

/* What own_of_row sets, of n rows that lie one behind the other and have labels that are no lists: what is the same in
 * all of them is read once. own_of_row in a loop takes 3 to 9 percent of calls on 32 x 128. */
static void begin_rows(const struct vloss_loss_job *job, size_t first, const struct row *r, size_t n,
                       struct rows_own *own, struct row_state *states, float *row_weights) {
  const struct vloss_operand weights = job->weights, upstream = job->upstream, target = job->target;
  const struct vloss_labels labels = job->labels;
  const size_t columns = job->columns, step = own->step.p;
  const double scale = job->grad_scale;
  for (size_t i = 0, row = first; i < n; i++, row++) {
    const float w = weights.p && !weights.column_stride ? ((const float *)weights.p)[row * weights.row_stride] : 1.0f;
    const float h = upstream.p ? ((const float *)upstream.p)[row * upstream.row_stride] : 1.0f;
    row_weights[i] = w;
    states[i].pass = 0;
    own->of[i] = (struct row_own){.factor = (double)w * (double)h * scale};
    if (target.p && !target.column_stride) own->of[i].target = ((const float *)target.p)[row];
    if (!labels.p) continue;
    const uint64_t label = (uint64_t)vloss_label_at(&labels, row);
    if (label < columns)
      own->of[i].label = label, own->of[i].prediction = moved_on(r->p, i * step)[label];
    else
      nan_row(r, &states[i]);
  }
}
static __attribute__((noinline)) void fill_row(struct row r, const struct rows_own *own, size_t i,
                                               const struct row_state *s) {
  row_number(&r, own->step, &own->of[i], i);
  fill_gradients(&r, s);
}

static __attribute__((noinline)) void whole_rows(const struct vloss_loss_job *job, const struct row_loss *loss,
                                                 struct totals *totals) {
  union {
    _Alignas(64) float columns[3][PAST_CACHE_COLUMNS];
    double scratch[2 * MULTILABEL_TILE]; /* of losses that have no gradient but `grad` */
  } buffers;
  const size_t columns = job->columns, fit = columns ? COLUMNS_TOGETHER / columns : 1;
  const int past_cache = job->inner == 1 && !job->staged_results && columns <= PAST_CACHE_COLUMNS &&
                         job->outer * columns * sizeof(float) > STREAM_BYTES && job->prediction.type == VLOSS_F32;
  const int floats = job->inner == 1 && job->prediction.type == VLOSS_F32, single = !floats || job->labels.list;
  const size_t most = past_cache || single || fit == 0 ? 1 : fit < ROWS_TOGETHER ? fit : ROWS_TOGETHER;
  /* Whether rows differ in nothing but their columns. */
  const int alike =
      !job->weights.p && !job->upstream.p && !job->labels.p && (!job->target.p || is_matrix(&job->target));
  struct rows_own own;
  struct row_state states[ROWS_TOGETHER];
  float weights[ROWS_TOGETHER];
  struct row r = row_of(job);
  r.column_stride = job->inner;
  r.type = job->prediction.type;
  r.scratch = buffers.scratch;
  struct row_place at = place_of(job, totals->range.first);
  own.step = steps_of(job);
  r.denormals = begins_with_denormals(job, at);
  for (size_t row = totals->range.first, n; row < totals->range.last; row += n) {
    const size_t end = totals->block_end < totals->range.last ? totals->block_end : totals->range.last;
    n = end - row < most ? end - row : most;
    r.denormals |= met_denormal();
    place_row(job, at, &r);
    if (single)
      weights[0] = own_of_row(job, at.o, at.i, &r, &own.of[0], &states[0]);
    else if (!alike || row == totals->range.first)
      begin_rows(job, row, &r, n, &own, states, weights);
    else
      for (size_t i = 0; i < n; i++) states[i].pass = 0;
    at = job->inner == 1 ? (struct row_place){at.o + n, 0} : place_of(job, row + n);
    if (past_cache)
      pass_past_cache(loss, r, &own, states, buffers.columns);
    else
      loss->pass(&r, &own, states, n);
    for (size_t i = 0; i < n; i++) {
      if (states[i].pass == ROW_FILL) fill_row(r, &own, i, &states[i]);
      end_row(job, totals, row + i, weights[i], states[i].loss);
    }
    end_block(totals, row + n);
  }
  if (past_cache) vstream_end();
}

/* The rows of a call without options: floats, one behind the other, written where they belong. */
static __attribute__((noinline)) void plain_rows(const struct vloss_loss_job *job, const struct row_loss *loss,
                                                 struct totals *totals) {
  const size_t columns = job->columns, first = totals->range.first, fit = columns ? COLUMNS_TOGETHER / columns : 1;
  const size_t most = fit == 0 ? 1 : fit < ROWS_TOGETHER ? fit : ROWS_TOGETHER, step = columns * sizeof(float);
  struct row r = row_of(job);
  struct rows_own own;
  struct row_state states[ROWS_TOGETHER];
  r.p = (const float *)job->prediction.p + first * columns;
  r.t = (const float *)job->target.p + first * columns;
  r.grad = job->grad.p ? (float *)job->grad.p + first * columns : NULL;
  own.step = (struct row_steps){.p = step, .t = step, .grad = r.grad ? step : 0};
  r.denormals = begins_with_denormals(job, (struct row_place){first, 0});
  for (size_t i = 0; i < most && first + i < totals->range.last; i++)
    own.of[i] = (struct row_own){.factor = job->grad_scale};
  for (size_t row = first, n; row < totals->range.last; row += n) {
    const size_t end = totals->block_end < totals->range.last ? totals->block_end : totals->range.last;
    n = end - row < most ? end - row : most;
    if (row > first) r.denormals |= met_denormal();
    for (size_t i = 0; i < n; i++) states[i].pass = 0;
    loss->pass(&r, &own, states, n);
    for (size_t i = 0; i < n; i++) {
      if (states[i].pass == ROW_FILL) fill_row(r, &own, i, &states[i]);
      end_row(job, totals, row + i, 1.0f, states[i].loss);
    }
    end_block(totals, row + n);
    r.p += n * columns, r.t += n * columns;
    if (r.grad) r.grad += n * columns;
  }
}

/* ---- 16 rows at once --------------------------------------------------------------------------------------------- */

/* A group of rows side by side, the columns of theirs that are at hand, and the copies of these: operand `which` of row
 * i begins at buffer[(which * rows + i) * width]. Gradients take the place of what they are the gradients of. */
struct group {
  size_t o, first, rows, width;
  struct row row[16];
  struct row_state state[16];
  float weight[16];
  _Alignas(64) float buffer[COPIED_FLOATS]; /* or BESIDE_SCRATCH doubles */
};
_Static_assert(BESIDE_SCRATCH * sizeof(double) <= COPIED_FLOATS * sizeof(float), "room for sums");
enum { P, T, OTHER, WEIGHTS, OPERANDS };

/* Where the columns at hand begin in the caller's array. */
static size_t at_hand(const struct vloss_loss_job *job, const struct group *g, size_t row_stride) {
  return g->o * row_stride + g->row[0].from * job->inner + g->first;
}

static void load_columns(const struct vloss_loss_job *job, struct group *g, size_t n) {
  const struct vloss_operand operands[OPERANDS] = {job->prediction, job->target, job->other, job->weights};
  float *to = g->buffer;
  for (int which = 0; which < OPERANDS; which++) {
    if (!is_matrix(&operands[which])) continue;
    const size_t readable = (job->columns - g->row[0].from) * job->inner - g->first;
    const struct vloss_operand *o = &operands[which];
    read_columns(to, g->width, vloss_element(o->p, o->type, at_hand(job, g, o->row_stride)), o->type, job->inner,
                 g->rows, n, readable);
    for (size_t i = 0; i < g->rows; i++) {
      struct row *r = &g->row[i];
      /* Columns have the row's numbers. */
      float *const columns = (float *)((uintptr_t)(to + i * g->width) - r->from * sizeof(float));
      if (which == P) r->p = columns, r->grad = job->grad.p ? columns : NULL;
      if (which == T) r->t = columns, r->grad_target = job->grad_target.p ? columns : NULL;
      if (which == OTHER) r->other = columns, r->grad_other = job->grad_other.p ? columns : NULL;
      if (which == WEIGHTS) r->weights = columns;
    }
    to += g->rows * g->width;
  }
}

/* Copies the gradients of the columns at hand back: of all rows together, or of those that have been written. */
static void store_columns(const struct vloss_loss_job *job, struct group *g, size_t n) {
  const struct vloss_result results[3] = {job->grad, job->grad_target, job->grad_other};
  size_t written = 0;
  for (size_t i = 0; i < g->rows; i++) written += g->state[i].writes != 0;
  for (int which = 0; written && which < 3; which++) {
    const vloss_type type = results[which].type;
    if (!results[which].p) continue;
    void *const home = vloss_element_out(results[which].p, type, at_hand(job, g, results[which].row_stride));
    const struct row *r = g->row;
    const float *const columns = (which == P ? r->grad : which == T ? r->grad_target : r->grad_other) + r->from;
    if (written == g->rows)
      write_columns(home, type, job->inner, columns, g->width, g->rows, n);
    else
      for (size_t i = 0; i < g->rows; i++)
        if (g->state[i].writes)
          write_columns(vloss_element_out(home, type, i), type, job->inner, columns + i * g->width, g->width, 1, n);
  }
}

/* While row i makes its pass over n columns: asks for its share of those that come next, where the rows are so large
 * that they are not in the cache. */
static void ask_at_hand(const struct vloss_loss_job *job, const struct group *g, const struct vloss_operand *o,
                        size_t n, size_t i, const int to_write) {
  const size_t size = vloss_type_size(o->type), step = job->inner * size, next = g->row[0].from + n;
  const size_t left = job->columns - next < n ? job->columns - next : n, share = (n + g->rows - 1) / g->rows;
  if (!is_matrix(o) || job->columns * step < ASKED_BYTES || i * share >= left) return;
  const char *const at = (const char *)vloss_element(o->p, o->type, at_hand(job, g, o->row_stride)) + n * step;
  const size_t some = left - i * share < share ? left - i * share : share;
  if (g->rows == job->inner)
    ask_for_bytes(at + i * share * step, some * step, to_write);
  else
    for (size_t j = 0; j < some; j++)
      ask_for_columns(at + (i * share + j) * step, step, g->rows * size, 0, 1, to_write);
}
static void ask_for_next(const struct vloss_loss_job *job, const struct group *g, size_t n, size_t i) {
  ask_at_hand(job, g, &job->prediction, n, i, 0);
  ask_at_hand(job, g, &job->target, n, i, 0);
  ask_at_hand(job, g, &job->other, n, i, 0);
  ask_at_hand(job, g, &job->weights, n, i, 0);
}

/* All columns of the rows, in order: each row makes one pass. */
static void pass_of_group(const struct vloss_loss_job *job, const struct row_loss *loss, struct group *g) {
  int before[16];
  for (size_t i = 0; i < g->rows; i++) before[i] = g->state[i].pass;
  for (size_t from = 0; from < job->columns; from += g->width) {
    const size_t to = job->columns - from < g->width ? job->columns : from + g->width;
    for (size_t i = 0; i < g->rows; i++) g->row[i].from = from, g->row[i].to = to;
    load_columns(job, g, to - from);
    const int denormals = met_denormal();
    for (size_t i = 0; i < g->rows; i++) {
      g->state[i].writes = 0;
      g->row[i].denormals = denormals;
      ask_for_next(job, g, to - from, i);
    }
    loss->pass(g->row, NULL, g->state, g->rows);
    for (size_t i = 0; i < g->rows; i++) {
      struct row_state *s = &g->state[i];
      if (before[i] != ROW_FILL) continue;
      fill_gradients(&g->row[i], s);
      s->writes = 1;
      if (to == job->columns) s->pass = ROW_DONE;
    }
    store_columns(job, g, to - from);
  }
}

/* The group's rows of floats, as they lie. */
static struct beside lying_beside(const struct vloss_loss_job *job, struct group *g) {
  struct beside b = beside_of(g->rows, job->columns, job->inner, g->first);
  for (size_t i = 0; i < g->rows; i++) g->row[i].from = 0, g->row[i].to = job->columns;
  b.row = g->row, b.state = g->state, b.scratch = (double *)(void *)g->buffer;
  b.p = (const float *)job->prediction.p + at_hand(job, g, job->prediction.row_stride);
  if (is_matrix(&job->target)) b.t = (const float *)job->target.p + at_hand(job, g, job->target.row_stride);
  if (is_matrix(&job->other)) b.other = (const float *)job->other.p + at_hand(job, g, job->other.row_stride);
  if (job->grad.p) b.grad = (float *)job->grad.p + at_hand(job, g, job->grad.row_stride);
  if (job->grad_target.p) b.grad_target = (float *)job->grad_target.p + at_hand(job, g, job->grad_target.row_stride);
  if (job->grad_other.p) b.grad_other = (float *)job->grad_other.p + at_hand(job, g, job->grad_other.row_stride);
  return b;
}
/* Few rows are copied in less time, if they are not long. */
static int worth_beside(const struct vloss_loss_job *job, const struct row_loss *loss, size_t rows) {
  const int has = loss->beside || loss->gradients_beside;
  if (!has || job->columns < loss->beside_from || job->prediction.type != VLOSS_F32) return 0;
  return rows == job->inner ? rows > 4 || job->columns >= LONG_ROW : rows > 2;
}
static size_t rows_open(const struct group *g) {
  size_t open = 0;
  for (size_t i = 0; i < g->rows; i++) open += g->state[i].pass != ROW_DONE;
  return open;
}

static __attribute__((noinline)) void groups_of_rows(const struct vloss_loss_job *job, const struct row_loss *loss,
                                                     struct totals *totals) {
  struct group g;
  const int operands = 1 + is_matrix(&job->target) + is_matrix(&job->other) + is_matrix(&job->weights);
  for (size_t row = totals->range.first; row < totals->range.last; row += g.rows) {
    const struct row_place at = place_of(job, row);
    const size_t of_plane = job->inner - at.i, left = totals->range.last - row;
    g.o = at.o, g.first = at.i;
    g.rows = of_plane < 16 ? of_plane : 16;
    if (g.rows > left) g.rows = left;
    g.width = COPIED_FLOATS / ((size_t)operands * g.rows);
    g.width = g.width < 256 ? g.width / 64 * 64 : g.width / 256 * 256;
    if (job->columns < g.width) g.width = job->columns / 64 * 64 + 64; /* nearer to each other */
    for (size_t i = 0; i < g.rows; i++) {
      g.row[i] = row_of(job);
      g.row[i].grad = job->grad.p, g.row[i].grad_target = job->grad_target.p, g.row[i].grad_other = job->grad_other.p;
      g.weight[i] = begin_row(job, g.o, g.first + i, &g.row[i], &g.state[i]);
    }
    const int floats = job->prediction.type == VLOSS_F32, worth = worth_beside(job, loss, g.rows);
    const struct beside b = floats ? lying_beside(job, &g) : (struct beside){0};
    if (worth && loss->beside) loss->beside(&b);
    while (rows_open(&g)) {
      if (floats && beside_fill(&b)) break;
      if (worth && loss->gradients_beside && loss->gradients_beside(&b)) break;
      pass_of_group(job, loss, &g);
    }
    for (size_t i = 0; i < g.rows; i++) {
      end_row(job, totals, row + i, g.weight[i], g.state[i].loss);
      end_block(totals, row + i + 1);
    }
  }
}

void KERNEL(rows)(const struct vloss_loss_job *job, const struct row_loss *loss, struct vloss_range range,
                  struct vloss_partial *partial) {
  struct totals totals = totals_of(job, range, partial);
  if (job->plain && !loss->whole && job->outer * job->columns * sizeof(float) <= STREAM_BYTES)
    plain_rows(job, loss, &totals);
  else if ((job->inner == 1 && job->prediction.type == VLOSS_F32) || loss->whole)
    whole_rows(job, loss, &totals);
  else
    groups_of_rows(job, loss, &totals);
}
