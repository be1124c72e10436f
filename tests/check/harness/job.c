/* See job.h: the arrays of a job, in logical order and as laid out for a call. */
#include "job.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "environment.h"
#include "functions.h"
#include "half.h"
#include "library.h"

static const size_t element_size[] = {[F32] = 4, [I32] = 4, [I64] = 8, [F64] = 8};
static size_t memory_size(const struct array *array) {
  return array->type == VLOSS_BF16 || array->type == VLOSS_F16 ? 2 : element_size[array->element];
}

/* Guarded memory, kept from job to job. */
static struct buffer buffers[MAX_ARRAYS];

static void *allocate(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (p) return p;
  fprintf(stderr, "vloss-check: out of memory\n");
  exit(2);
}

/* ---- What a job is made of ---- */

vloss_type job_type = VLOSS_F32;

double job_value(const struct array *array, size_t i) {
  return array->element == F64 ? ((const double *)array->values)[i] : (double)((const float *)array->values)[i];
}
void job_set_value(struct array *array, size_t i, double value) {
  if (array->element == F64)
    ((double *)array->values)[i] = value;
  else
    ((float *)array->values)[i] = (float)value;
}

/* A double from a float of a family: the digits that the float has not, unless it is a short number such as a label or
 * a kink; and exponents as far out as doubles go, for the operands of a loss and for logits. The same `digits` keep the
 * distance between operands. */
static double lengthened(float x, uint64_t digits, enum family family, bool stretches) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (!isfinite(x) || x == 0) return (double)x;
  const double longer = (bits & 0xfff) == 0 ? (double)x : (double)x * (1 + (double)(digits >> 35) * 0x1p-53);
  const double size = fabs(longer);
  if (!stretches) return longer;
  if (family == HUGE_RANGE && size > 0x1p100) return longer * 0x1p880;
  if ((family == TINY || family == HUGE_RANGE) && size < 0x1p-60) return longer * 0x1p-900;
  return longer;
}
static void set_double(const struct job *job, struct array *array) {
  static const char *const operands[] = {"prediction", "target", "other", "logits", "input", "student", "teacher"};
  bool stretches = false;
  for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) stretches |= strcmp(array->name, operands[i]) == 0;
  float *const floats = array->values;
  const size_t length = job_length(job, array);
  double *const doubles = allocate(length, sizeof *doubles);
  struct random own = {random_mix(job->seed, array->name)};
  for (size_t i = 0; !array->output && i < length; i++) {
    struct random of_place = {random_mix(job->seed, "digits") + i * 77};
    const bool same = random_bits(&of_place) & 1;
    const uint64_t digits = random_bits(same ? &of_place : &own);
    doubles[i] = lengthened(floats[i], digits, job->family, stretches);
  }
  free(floats);
  array->values = doubles;
  array->element = F64;
}

double job_fitted(const struct array *array, double x) {
  if (array->element == F64) return x;
  const float value = (float)x;
  if (array->type == VLOSS_F32) return (double)value;
  const float rounded = half_widened(array->type, half_narrowed(array->type, value));
  const float most = array->type == VLOSS_BF16 ? 0x1.fep127f : 65504;
  return (double)(isinf(rounded) && !isinf(value) ? (rounded < 0 ? -most : most) : rounded);
}

/* Matrices have the type of the job, but for losses and what multiplies their gradients. */
static void set_type(const struct job *job, struct array *array) {
  if (job_type == VLOSS_F64) {
    if (array->element == F32) set_double(job, array);
    return;
  }
  const bool of_losses =
      strcmp(array->name, "loss") == 0 || (job->function->loss && strcmp(array->name, "upstream") == 0);
  if (job_type == VLOSS_F32 || array->shape != MATRIX || array->element != F32 || of_losses) return;
  array->type = job_type;
  float *const values = array->values;
  for (size_t i = 0; !array->output && i < job_length(job, array); i++)
    values[i] = (float)job_fitted(array, (double)values[i]);
}

void job_create(struct job *job, const struct function *function, const struct option *option, size_t rows,
                size_t classes, enum family family, uint64_t seed) {
  *job = (struct job){.function = function, .option = option, .rows = rows, .classes = classes, .family = family};
  char text[160];
  snprintf(text, sizeof text, "%s %s %zu %zu %s", function->name, option->name, rows, classes, family_name(family));
  job->seed = random_mix(seed, text);
  struct random r = {job->seed};
  function->describe(job, &r);
  for (size_t i = 0; i < job->array_count; i++) set_type(job, &job->arrays[i]);
}

void job_destroy(struct job *job) {
  for (size_t i = 0; i < job->array_count; i++) {
    free(job->arrays[i].values);
    free(job->arrays[i].expected);
    free(job->arrays[i].halves);
  }
}

size_t job_row_length(const struct job *job, const struct array *array) {
  switch (array->shape) {
    case SCALAR:
      return 1;
    case PER_ROW:
      return array->width;
    default:
      return job->classes;
  }
}
size_t job_length(const struct job *job, const struct array *array) {
  const size_t length = job_row_length(job, array);
  return array->shape == PER_ROW || array->shape == MATRIX ? job->rows * length : length;
}

struct array *job_add_wide(struct job *job, const char *name, size_t width, enum element element) {
  struct array *array = &job->arrays[job->array_count++];
  *array = (struct array){.name = name, .shape = PER_ROW, .element = element, .width = width};
  array->values = allocate(job_length(job, array), element_size[element]);
  return array;
}
struct array *job_add(struct job *job, const char *name, enum shape shape, enum element element) {
  struct array *array = &job->arrays[job->array_count++];
  *array = (struct array){.name = name, .shape = shape, .element = element, .width = 1};
  array->values = allocate(job_length(job, array), element_size[element]);
  return array;
}

static struct array *as_output(const struct job *job, struct array *array, double gate) {
  array->output = true;
  array->gate = gate;
  array->expected = allocate(job_length(job, array), sizeof *array->expected);
  return array;
}
struct array *job_add_output(struct job *job, const char *name, enum shape shape, enum element element, double gate) {
  return as_output(job, job_add(job, name, shape, element), gate);
}
struct array *job_add_wide_output(struct job *job, const char *name, size_t width, enum element element, double gate) {
  return as_output(job, job_add_wide(job, name, width, element), gate);
}

const struct array *job_array(const struct job *job, const char *name) {
  for (size_t i = 0; i < job->array_count; i++)
    if (strcmp(job->arrays[i].name, name) == 0) return &job->arrays[i];
  return NULL;
}

void *job_data(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array ? array->data : NULL;
}

size_t job_stride(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array ? array->stride : 0;
}

/* ---- Layout ---- */

const vloss_executor *job_executor;

static const char *only_outputs; /* names between commas; null: all */

void job_only_outputs(const char *names) { only_outputs = names; }

static bool is_asked_for(const char *output) {
  const size_t length = strlen(output);
  for (const char *name = only_outputs; name && *name; name += strcspn(name, ","), name += *name == ',')
    if (strcspn(name, ",") == length && strncmp(name, output, length) == 0) return true;
  return !only_outputs;
}

/* Visits the elements of the rows in the call: where each lies in memory, and where in logical order. The class axis
 * is inside the row, as [o * stride + c * inner + i]. */
struct run {
  char *data;   /* in memory, `step` bytes from one element to the next */
  char *values; /* in logical order, close together */
  size_t length, step;
  size_t size, in_memory; /* bytes of a value, and of an element in memory */
  vloss_type type;        /* where these differ */
};

static size_t runs(const struct job *job, const struct array *array) { return array->shape == MATRIX ? job->count : 1; }

static struct run run_at(const struct job *job, const struct array *array, size_t i) {
  const size_t size = element_size[array->element], in_memory = memory_size(array);
  struct run run = {array->data, array->values, job_length(job, array), in_memory, size, in_memory, array->type};
  if (array->shape == PER_ROW) {
    run.values += job->first * array->width * size;
    run.length = job->count * array->width;
  } else if (array->shape == MATRIX) {
    const size_t inner = array->flat ? 1 : job->inner, stride = array->flat ? job->classes : array->stride;
    run.data += (i / inner * stride + i % inner) * in_memory;
    run.values += (job->first + i) * job->classes * size;
    run.length = job->classes;
    run.step = inner * in_memory;
  }
  return run;
}

/* A value as it lies in memory, and back. */
static void put(struct run run, size_t c) {
  char *const data = run.data + c * run.step, *const value = run.values + c * run.size;
  if (run.size == run.in_memory) {
    memcpy(data, value, run.size);
  } else {
    const uint16_t half = half_narrowed(run.type, *(const float *)(const void *)value);
    memcpy(data, &half, sizeof half);
  }
}
static void take(struct run run, size_t c) {
  char *const data = run.data + c * run.step, *const value = run.values + c * run.size;
  if (run.size == run.in_memory) {
    memcpy(value, data, run.size);
  } else {
    uint16_t half;
    memcpy(&half, data, sizeof half);
    *(float *)(void *)value = half_widened(run.type, half);
  }
}
static bool is_plain(struct run run) { return run.step == run.size && run.in_memory == run.size; }

/* memory <- values, or values <- memory. */
static void copy_run(struct run run, bool to_memory) {
  if (is_plain(run))
    memcpy(to_memory ? run.data : run.values, to_memory ? run.values : run.data, run.length * run.size);
  else if (to_memory)
    for (size_t c = 0; c < run.length; c++) put(run, c);
  else
    for (size_t c = 0; c < run.length; c++) take(run, c);
}

static bool equal_run(struct run run) {
  if (is_plain(run)) return memcmp(run.data, run.values, run.length * run.size) == 0;
  for (size_t c = 0; c < run.length; c++) {
    char expected[sizeof(int64_t)];
    struct run one = run;
    one.data = expected, one.values += c * run.size;
    put(one, 0);
    if (memcmp(run.data + c * run.step, expected, run.in_memory) != 0) return false;
  }
  return true;
}

static void poison_run(struct run run) {
  if (run.step == run.in_memory) {
    buffer_poison(run.data, run.length * run.in_memory);
    return;
  }
  for (size_t c = 0; c < run.length; c++) buffer_poison(run.data + c * run.step, run.in_memory);
}

/* The elements from the first to the last one of an array, gaps included. */
static size_t extent(const struct job *job, const struct array *array) {
  if (array->shape == PER_ROW) return job->count * array->width;
  if (array->shape != MATRIX) return job_length(job, array);
  if (array->flat) return job->count * job->classes;
  return job->count ? (job->count / job->inner - 1) * array->stride + job->classes * job->inner : 0;
}

void job_place(struct job *job, struct layout layout, struct random *r) {
  job->first = layout.first;
  job->count = layout.count;
  job->inner = job->function->flat_rows ? 1 : layout.inner;
  uint32_t wanted = layout.outputs;
  for (size_t i = 0; i < job->array_count; i++) {
    struct array *array = &job->arrays[i];
    const size_t size = memory_size(array);
    size_t gap = random_below(r, 2) ? 0 : random_below(r, 35), offset = random_below(r, 16);
    bool at_end = random_below(r, 2), against = random_below(r, 2),
         given = !array->output || ((wanted & 1) && is_asked_for(array->name));
    if (array->output) wanted >>= 1;
    array->stride = job->classes * job->inner + (layout.dense ? 0 : gap);
    array->data = NULL;
    buffers[i].window_bytes = 0;
    if (!given) continue;
    if (layout.over[i]) {
      const struct array *input = job_array(job, array->over[layout.over[i] - 1]);
      array->data = input->data;
      array->stride = input->stride;
      continue;
    }
    if (layout.dense || against) offset = 0;
    const bool shifted = array->output && layout.shift;
    if (shifted) offset = layout.shift - 1;
    array->data =
        buffer_place(&buffers[i], extent(job, array) * size, offset * size, (at_end || layout.dense) && !shifted);
    for (size_t k = 0; !array->output && k < runs(job, array); k++) copy_run(run_at(job, array, k), true);
  }
}

void job_place_flat(struct job *job) {
  job->first = 0;
  job->count = job->rows;
  job->inner = 1;
  for (size_t i = 0; i < job->array_count; i++) {
    struct array *array = &job->arrays[i];
    array->stride = job->classes;
    array->data = array->values;
    if (array->type != VLOSS_BF16 && array->type != VLOSS_F16) continue;
    if (!array->halves) array->halves = allocate(job_length(job, array), sizeof(uint16_t));
    array->data = array->halves;
  }
}

vloss_status job_run_flat(struct job *job) {
  for (int after = 0; after < 2; after++) {
    const vloss_status status = after ? job->function->call(job) : VLOSS_OK;
    if (status != VLOSS_OK) return status;
    for (size_t i = 0; i < job->array_count; i++) {
      struct array *array = &job->arrays[i];
      for (size_t k = 0; array->halves && array->output == after && k < runs(job, array); k++)
        copy_run(run_at(job, array, k), !after);
    }
  }
  return VLOSS_OK;
}

/* ---- Calls ---- */

struct call {
  const struct job *job;
  uint64_t environment, before, after;
  vloss_status status;
};

static void call_body(void *context) {
  struct call *call = context;
  environment_set(call->environment);
  call->before = environment_get(); /* a CPU may not have every bit that was set */
  call->status = call->job->function->call(call->job);
  call->after = environment_get();
}

struct outcome job_run(struct job *job, const char *isa, uint64_t environment) {
  struct call call = {.job = job, .environment = environment};
  uint64_t own = environment_get();
  vloss_status forced = library_use(isa);
  if (forced != VLOSS_OK) return (struct outcome){.status = forced};
  int signal = crash_guard(call_body, &call);
  environment_set(own);
  return (struct outcome){signal, call.status, call.before != call.after};
}

const char *job_collect(struct job *job) {
  for (size_t i = 0; i < job->array_count; i++) {
    struct array *array = &job->arrays[i];
    for (size_t k = 0; array->output && array->data && k < runs(job, array); k++)
      copy_run(run_at(job, array, k), false);
  }
  /* What belongs to an array is now known: with it taken out, nothing but poison may be left. */
  for (size_t i = 0; i < job->array_count; i++) {
    struct array *array = &job->arrays[i];
    bool replaced = false; /* by an output that lies over it */
    for (size_t j = 0; j < job->array_count; j++)
      replaced |= job->arrays[j].output && job->arrays[j].data == array->data;
    if (!array->data || buffers[i].window_bytes == 0) continue;
    for (size_t k = 0; k < runs(job, array); k++) {
      struct run run = run_at(job, array, k);
      if (!array->output && !replaced && !equal_run(run)) return array->name;
      poison_run(run);
    }
    if (!buffer_is_poison(&buffers[i])) return array->name;
  }
  return NULL;
}

/* ---- Results ---- */

void job_keep(const struct job *job, struct results *kept) {
  *kept = (struct results){{NULL}};
  for (size_t i = 0; i < job->array_count; i++) {
    const struct array *array = &job->arrays[i];
    if (!array->output) continue;
    size_t length = job_length(job, array), size = element_size[array->element];
    kept->values[i] = allocate(length, size);
    memcpy(kept->values[i], array->values, length * size);
  }
}

const struct array *job_differs(const struct job *job, const struct results *kept, size_t *element) {
  for (size_t i = 0; i < job->array_count; i++) {
    const struct array *array = &job->arrays[i];
    if (!array->output || !array->data) continue;
    size_t size = element_size[array->element], first = 0, length = job_length(job, array);
    if (array->shape == PER_ROW || array->shape == MATRIX) {
      const size_t row = job_row_length(job, array);
      first = job->first * row;
      length = job->count * row;
    }
    const char *now = (char *)array->values + first * size, *then = (char *)kept->values[i] + first * size;
    if (memcmp(now, then, length * size) == 0) continue;
    size_t same = 0;
    while (memcmp(now + same * size, then + same * size, size) == 0) same++;
    *element = first + same;
    return array;
  }
  return NULL;
}

void results_destroy(struct results *kept) {
  for (size_t i = 0; i < MAX_ARRAYS; i++) free(kept->values[i]);
}
