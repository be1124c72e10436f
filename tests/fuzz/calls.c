/* See calls.h: arrays, fields, and the choice of a function. The fields of each argument struct are in families.c. */
#include "calls.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "families.h"
#include "half.h"
#include "random.h"

uint8_t take(struct call *c) {
  if (!c->left) return 0;
  c->left--;
  return *c->bytes++;
}
size_t take_below(struct call *c, size_t n) { return take(c) % n; }

/* ---- Contents of arrays ---- */

static double value_of(struct random *r, int mode, const struct call *c, size_t i) {
  static const double specials[] = {0,    -0.0,     1,         -1,       INFINITY, -INFINITY, NAN,     0.5,
                                    1e-7, 0x1p-126, -0x1p-149, 0x1p-149, FLT_MAX,  -FLT_MAX,  88.7228, -103.97,
                                    100,  -100,     1e-30,     1e30,     DBL_MAX,  0x1p-1074, -1e-300, 2};
  switch (mode) {
    case 0: /* the bytes themselves, as far as there are any */
      return c->left ? (c->bytes[i % c->left] - 128) / 8.0 : 0;
    case 1:
      return specials[random_below(r, sizeof specials / sizeof *specials)];
    case 2:
      return (double)random_unit(r);
    case 3:
      return 200 * (double)random_unit(r) - 100;
    case 4: /* logits among which some are masked */
      return random_below(r, 4) ? (double)random_unit(r) : -INFINITY;
    case 5:
      return (double)random_below(r, 3) - 1;
    case 6: /* one value throughout */
      return specials[random_below(&(struct random){r->state}, sizeof specials / sizeof *specials)];
    case 7: /* of any size */
      return ldexp((double)random_unit(r) - 0.5, (int)random_below(r, 200) - 150);
    default:
      return 8 * (double)random_unit(r) - 4;
  }
}
static void put(void *data, size_t i, vloss_type type, double value) {
  if (type == VLOSS_F64)
    ((double *)data)[i] = value;
  else if (type == VLOSS_F32)
    ((float *)data)[i] = (float)value;
  else
    ((uint16_t *)data)[i] = half_narrowed(type, (float)value);
}
static void fill(struct call *c, const struct array *array, int mode) {
  struct random random = {take(c) + 1u};
  for (size_t i = 0; i < array->lines * array->width && array->kind.content == FLOATS; i++)
    put(array->data, i / array->width * array->stride + i % array->width, array->kind.type,
        value_of(&random, mode, c, i));
}

/* ---- Arrays ---- */

static struct array *place(struct call *c, struct array array) {
  static struct buffer buffers[FUZZ_MAX_ARRAYS];
  const uint8_t how = take(c);
  struct array *a = &c->arrays[c->array_count];
  *a = array;
  a->buffer = &buffers[c->array_count++];
  const size_t count = a->lines && a->width ? (a->lines - 1) * a->stride + a->width : 0;
  a->data = buffer_place(a->buffer, count * a->kind.size, (how % 4 == 3) * a->kind.size, how & 4);
  memcpy(a->field, &a->data, sizeof a->data);
  if (!a->output) fill(c, a, how >> 3 & 15);
  return a;
}
struct array *add_flat(struct call *c, void *field, size_t count, struct kind kind, bool output) {
  return place(c, (struct array){field, NULL, kind, 1, count, count, output, {NULL, NULL}, NULL, NULL});
}
struct array *add_tensor(struct call *c, void *field, size_t *stride, struct kind kind, bool output) {
  const size_t width = c->classes * c->inner, more = c->plain ? 0 : take_below(c, 8);
  *stride = more < 4 ? 0 : width + (more - 4);
  return place(
      c, (struct array){field, stride, kind, c->rows, width, *stride ? *stride : width, output, {NULL}, NULL, NULL});
}

struct kind of_type(vloss_type type) {
  return (struct kind){FLOATS, type, type == VLOSS_F64 ? sizeof(double) : type == VLOSS_F32 ? sizeof(float) : 2};
}
struct kind numbers(const struct call *c) {
  return of_type(c->type == VLOSS_F64 ? VLOSS_F64 : VLOSS_F32);
}
struct kind labels_of(vloss_label_type type) {
  return (struct kind){LABELS, VLOSS_F32, type == VLOSS_I64 ? sizeof(int64_t) : sizeof(int32_t)};
}

size_t add_labels(struct call *c, void *field, size_t count, struct label_rules rules) {
  const struct array *a = add_flat(c, field, count, labels_of(rules.type), false);
  struct random random = {take(c)};
  const size_t bad = take_below(c, 4) == 0 && count ? random_below(&random, count) : SIZE_MAX;
  size_t first_bad = SIZE_MAX;
  for (size_t i = 0; i < count; i++) {
    int64_t t = rules.classes ? (int64_t)random_below(&random, rules.classes) : 0;
    if (rules.ignoring && random_below(&random, 8) == 0) t = rules.ignored;
    if (i == bad) t = random_below(&random, 2) ? (int64_t)rules.classes : -7;
    const bool ignored = rules.ignoring && t == rules.ignored;
    if (!ignored && (t < 0 || (size_t)t >= rules.classes) && first_bad == SIZE_MAX) first_bad = i;
    if (rules.type == VLOSS_I64)
      ((int64_t *)(void *)a->data)[i] = t;
    else
      ((int32_t *)(void *)a->data)[i] = (int32_t)t;
  }
  return first_bad;
}

bool coin(struct call *c) { return take(c) & 1; }

void out_flat(struct call *c, void *field, size_t count, struct kind kind) {
  if (coin(c)) add_flat(c, field, count, kind, true);
}
void in_flat(struct call *c, void *field, size_t count, struct kind kind) {
  if (!c->plain && coin(c)) add_flat(c, field, count, kind, false);
}
void out_tensor(struct call *c, void *field, size_t *stride, const void *in_place, const void *or_in_place) {
  if (!coin(c)) return;
  struct array *a = add_tensor(c, field, stride, of_type(c->type), true);
  a->in_place[0] = in_place;
  a->in_place[1] = or_in_place;
}
bool any_output(const struct call *c) {
  for (size_t i = 0; i < c->array_count; i++)
    if (c->arrays[i].output) return true;
  return false;
}

/* ---- Fields ---- */

void take_shape(struct call *c, size_t *rows, size_t *classes, size_t *inner) {
  static const uint32_t lengths[] = {1,   2,    3,  4,  5,  7,    8,    9,    10,   11,   13,   15,    16,    17,   19,
                                     24,  31,   32, 33, 40, 48,   63,   64,   65,   100,  129,  255,   256,   257,  300,
                                     513, 1000, 0,  6,  12, 4095, 4096, 4097, 8191, 8192, 8200, 12289, 20000, 65537};
  enum { LENGTHS = sizeof lengths / sizeof *lengths };
  /* Most calls are small, for their number; some have blocks of classes, or work for several threads. */
  const size_t large = take_below(c, 32), most = large == 31 ? 140000 : large > 27 ? 21000 : 1100;
  const bool of_parts = c->function == OF_cross_entropy_partial || c->function == OF_log_probs_partial;
  c->classes = lengths[take_below(c, LENGTHS)];
  if (of_parts && large < 8) c->classes = 4093 + large; /* two shards */
  if (!of_parts && c->classes > most) c->classes %= 37;
  *classes = c->classes;
  *inner = take_below(c, 8);
  if (*inner > 5) *inner = lengths[take_below(c, 20)];
  if (*inner > 1 && (c->function == OF_loss || c->classes * *inner > most)) *inner = 1; /* see make_loss */
  c->inner = *inner ? *inner : 1;
  const size_t fit = most / (c->classes ? c->classes * c->inner : c->inner);
  c->rows = lengths[take_below(c, LENGTHS)];
  if (c->rows > fit) c->rows = fit ? fit : 1;
  *rows = c->rows;
  c->sizes[0] = rows;
  c->sizes[1] = classes;
  c->sizes[2] = inner;
}

void note_enum(struct call *c, void *field) { c->enums[c->enum_count++] = field; }
void note_number(struct call *c, double *field, double low, double high) {
  c->numbers[c->number_count++] = (struct number){field, low, high};
}
void refuse(struct call *c) { c->verdict = REFUSED; }
void doubt(struct call *c) {
  if (c->verdict == ACCEPTED) c->verdict = EITHER;
}

void checked_labels(struct call *c, void *field, size_t per_row, struct label_rules rules, uint32_t flags) {
  const size_t bad = add_labels(c, field, c->rows * c->inner * per_row, rules);
  if (bad == SIZE_MAX || flags & VLOSS_UNCHECKED) return;
  c->expected_bad = bad / per_row;
  refuse(c);
}

static void run_backwards(void *context, size_t count, vloss_task *task, void *argument) {
  (void)context;
  while (count-- > 0) task(argument, count);
}
void take_executor(struct call *c, const vloss_executor **field) {
  c->executor_field = field;
  c->executor = (vloss_executor){NULL, c->plain ? 1 : 1 + take_below(c, 5), run_backwards};
  *field = c->executor.threads > 1 || c->fault == BAD_EXECUTOR ? &c->executor : NULL;
}

void call_make(struct call *c, const uint8_t *bytes, size_t count) {
  static void (*const make[])(struct call *) = {
#define FUNCTION(name, args, make) make,
      FUZZ_FUNCTIONS(FUNCTION)
#undef FUNCTION
  };
  static const size_t sizes[] = {
#define FUNCTION(name, args, make) sizeof(vloss_##args##_args),
      FUZZ_FUNCTIONS(FUNCTION)
#undef FUNCTION
  };
  memset(c, 0, sizeof *c);
  c->bytes = bytes;
  c->left = count;
  c->expected_bad = SIZE_MAX;
  c->bad = BAD_UNTOUCHED;
  c->function = (enum function)take_below(c, FUNCTION_COUNT);
  c->fault = (int)take_below(c, 2 * FAULT_COUNT);
  if (c->fault >= FAULT_COUNT) c->fault = 0;
  c->plain = take_below(c, 4) == 3;
  c->type = (vloss_type)(c->plain ? VLOSS_F32 : take_below(c, 4));
  c->size = sizes[c->function];
  make[c->function](c);
  make_fault(c);
}

vloss_status call_run(struct call *c) {
  if (c->states) return parts_run(c);
  switch (c->function) {
#define FUNCTION(name, args_name, make) \
  case OF_##name:                       \
    return vloss_##name##_sized(&c->args.args_name, c->size);
    FUZZ_FUNCTIONS(FUNCTION)
#undef FUNCTION
    case FUNCTION_COUNT:
      break;
  }
  return VLOSS_OK;
}
