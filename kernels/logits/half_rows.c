/* See half_rows.h: reading and writing rows of 16-bit elements. */
#include "half_rows.h"

/* Rows that are in the buffer at once: whole planes of inner rows, or some columns of one plane. */
struct half_group {
  struct vloss_shape shape; /* in the buffer, where it is dense */
  size_t plane, column;     /* where it begins */
  size_t lines, run, step;  /* runs of elements that lie together; from one to the next, 0: the tensor's stride */
};

/* The rows from `first` on that `room` floats hold. Whole groups of 16, where there are so many. */
static struct half_group half_group_at(const struct vloss_shape *shape, struct vloss_range rows, size_t room) {
  const size_t inner = shape->inner, classes = shape->classes, whole = classes * inner, n = rows.last - rows.first;
  const size_t plane = quotient(rows.first, inner), column = rows.first - plane * inner;
  if (column == 0 && whole <= room && n >= inner) {
    size_t planes = n / inner < room / whole ? n / inner : room / whole;
    if (planes >= 16) planes -= planes % 16;
    return (struct half_group){{planes, classes, inner}, plane, 0, planes, whole, 0};
  }
  size_t columns = room / classes;
  if (columns >= 16) columns -= columns % 16;
  if (columns > inner - column) columns = inner - column;
  if (columns > n) columns = n;
  return (struct half_group){{1, classes, columns}, plane, column, classes, columns, inner};
}

static void read_group(const struct half_group *g, const void *p, vloss_type type, size_t stride, float *to) {
  const size_t first = g->plane * stride + g->column, step = g->step ? g->step : stride;
  if (step == g->run) {
    view_read(to, vloss_element(p, type, first), type, g->lines * g->run);
    return;
  }
  for (size_t i = 0; i < g->lines; i++)
    view_read(to + i * g->run, vloss_element(p, type, first + i * step), type, g->run);
}
static void write_group(const struct half_group *g, void *p, vloss_type type, size_t stride, const float *from) {
  const size_t first = g->plane * stride + g->column, step = g->step ? g->step : stride;
  if (step == g->run) {
    view_write(vloss_element_out(p, type, first), from, type, g->lines * g->run, 0);
    return;
  }
  for (size_t i = 0; i < g->lines; i++)
    view_write(vloss_element_out(p, type, first + i * step), from + i * g->run, type, g->run, 0);
}

/* The buffer has room for CLASS_BLOCK floats, and behind them for as many of the upstream if there is one. */
static void short_rows(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                       float *buffer) {
  const int backward = job->half.upstream != NULL;
  while (range.first < range.last) {
    const struct half_group g = half_group_at(&job->shape, range, CLASS_BLOCK);
    const size_t rows = g.shape.outer * g.shape.inner, dense = g.shape.classes * g.shape.inner;
    struct vloss_softmax_job part = {.shape = g.shape,
                                     .type = VLOSS_F32,
                                     .x = buffer,
                                     .x_stride = dense,
                                     .upstream_stride = dense,
                                     .out = job->half.out ? buffer : job->out + range.first,
                                     .out_stride = dense};
    read_group(&g, job->half.x, job->type, job->x_stride, buffer);
    if (backward) {
      read_group(&g, job->half.upstream, job->type, job->upstream_stride, buffer + CLASS_BLOCK);
      part.upstream = buffer + CLASS_BLOCK;
    }
    kernel(&part, (struct vloss_range){0, rows});
    if (job->half.out) write_group(&g, job->half.out, job->type, job->out_stride, buffer);
    range.first += rows;
  }
}

/* Not inline: the stack has room for one of these buffers, or for those of a long row. */
static __attribute__((noinline)) void forward_rows(const struct vloss_softmax_job *job, struct vloss_range range,
                                                   vloss_softmax_kernel *kernel) {
  ALIGNED float buffer[CLASS_BLOCK];
  short_rows(job, range, kernel, buffer);
}
static __attribute__((noinline)) void backward_rows(const struct vloss_softmax_job *job, struct vloss_range range,
                                                    vloss_softmax_kernel *kernel) {
  ALIGNED float buffer[2 * CLASS_BLOCK];
  short_rows(job, range, kernel, buffer);
}

void half_softmax_rows(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                       half_row_kernel *long_row) {
  if (job->shape.classes > CLASS_BLOCK)
    for (size_t row = range.first; row < range.last; row++) long_row(job, row);
  else if (job->half.upstream)
    backward_rows(job, range, kernel);
  else
    forward_rows(job, range, kernel);
}

static size_t block_classes_at(const struct half_row *row, size_t c) {
  return row->classes - c < CLASS_BLOCK ? row->classes - c : CLASS_BLOCK;
}
size_t half_block_read(const struct half_row *row, size_t c, float *to) {
  const size_t n = block_classes_at(row, c), step = row->step;
  if (step == 1) {
    view_read(to, vloss_element(row->p, row->type, c), row->type, n);
    return n;
  }
  const uint16_t *from = (const uint16_t *)row->p + c * step;
  for (size_t i = 0; i < n; i += 16) {
    uint16_t some[16];
    const size_t m = n - i < 16 ? n - i : 16;
    for (size_t k = 0; k < m; k++) some[k] = from[(i + k) * step];
    view_read(to + i, some, row->type, m);
  }
  return n;
}
void half_block_write(const struct half_row *row, size_t c, const float *from) {
  const size_t n = block_classes_at(row, c), step = row->step;
  if (step == 1) {
    view_write(vloss_element_out(row->p, row->type, c), from, row->type, n, 0);
    return;
  }
  uint16_t *to = (uint16_t *)row->p + c * step;
  for (size_t i = 0; i < n; i += 16) {
    uint16_t some[16];
    const size_t m = n - i < 16 ? n - i : 16;
    view_write(some, from + i, row->type, m, 0);
    for (size_t k = 0; k < m; k++) to[(i + k) * step] = some[k];
  }
}
