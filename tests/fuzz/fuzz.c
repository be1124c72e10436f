/* What has to hold for any call, as a target of libFuzzer: a right call is accepted and a wrong one refused; a refused
 * one writes nothing, an accepted one writes all of its outputs and nothing else; every ISA answers the same status and
 * the same bits, as does a call without its executor, and one on whole rows in place of parts. Arrays end at pages that
 * cannot be touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void fail(const struct call *c, const char *isa, vloss_status status, const char *what) {
  static const char *const names[] = {
#define FUNCTION(name, args, make) #name,
      FUZZ_FUNCTIONS(FUNCTION)
#undef FUNCTION
  };
  fprintf(stderr, "vloss_%s on %s, fault %d, type %d, %zu rows, %zu classes, %zu inner, answers %s: %s\n",
          names[c->function], isa, c->fault, (int)c->type, c->rows, c->classes, c->inner, vloss_status_name(status),
          what);
  abort();
}

/* ---- Memory before and after ---- */

struct memory {
  char *data;
  size_t bytes, room;
};
static void save(struct memory *m, const struct call *c) {
  m->bytes = 0;
  for (size_t i = 0; i < c->array_count; i++) {
    const struct buffer *b = c->arrays[i].buffer;
    if (m->bytes + b->window_bytes > m->room) {
      m->room = 2 * (m->bytes + b->window_bytes);
      m->data = realloc(m->data, m->room);
      if (!m->data) abort();
    }
    memcpy(m->data + m->bytes, b->window, b->window_bytes);
    m->bytes += b->window_bytes;
  }
}
static bool equal(const struct memory *a, const struct memory *b) {
  return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* Whether an element that the library wrote is none it may write: what was there before, or another NaN than its own.
 */
static bool is_foreign(const struct kind *kind, const char *p) {
  uint64_t wide;
  uint32_t word;
  uint16_t half;
  if (kind->content == STATES) return false;
  if (kind->size == sizeof wide) {
    memcpy(&wide, p, sizeof wide);
    if (kind->content == LABELS) return wide == 0x7fa57fa57fa57fa5;
    return wide == 0x7fa57fa57fa57fa5 || ((wide << 1) > 0xffe0000000000000 && wide != 0x7ff8000000000000);
  }
  if (kind->size == sizeof word) {
    memcpy(&word, p, sizeof word);
    return kind->content == FLOATS ? (word << 1) > 0xff000000 && word != 0x7fc00000 : word == 0x7fa57fa5;
  }
  memcpy(&half, p, sizeof half);
  const unsigned infinity = kind->type == VLOSS_BF16 ? 0x7f80 : 0x7c00,
                 nan = kind->type == VLOSS_BF16 ? 0x7fc0 : 0x7e00;
  return (half & 0x7fffu) > infinity && half != nan;
}
static bool all_written(const struct array *a) {
  for (size_t line = 0; line < a->lines; line++)
    for (size_t i = 0; i < a->width; i++)
      if (is_foreign(&a->kind, a->data + (line * a->stride + i) * a->kind.size)) return false;
  return true;
}

/* The lines of the outputs as they were before, to see whether the rest still is. */
static void undo_outputs(const struct call *c, const struct memory *before) {
  for (size_t o = 0; o < c->array_count; o++) {
    const struct array *a = &c->arrays[o];
    const char *saved = before->data;
    if (!a->output) continue;
    for (size_t i = 0; i < c->array_count; saved += c->arrays[i++].buffer->window_bytes) {
      const struct buffer *b = c->arrays[i].buffer; /* of the output itself, or the input that it is put over */
      if ((uintptr_t)a->data - (uintptr_t)b->window > b->window_bytes) continue;
      for (size_t line = 0; line < a->lines; line++) {
        char *const p = a->data + line * a->stride * a->kind.size;
        memcpy(p, saved + (p - b->window), a->width * a->kind.size);
      }
    }
  }
}

/* ---- One call ---- */

/* Whether the status is one for values, which set bad_row or bad_index. */
static bool tells_where(vloss_status status) {
  return status == VLOSS_ERROR_LABEL || status == VLOSS_ERROR_PROBABILITY || status == VLOSS_ERROR_VARIANCE ||
         status == VLOSS_ERROR_RATE || status == VLOSS_ERROR_PARAMETER;
}

/* Whether a library that was built without some type, or runs without FMA, refuses that type so. */
static bool is_of_a_type(vloss_status status) {
  float loss;
  for (int type = VLOSS_F32; type <= VLOSS_BF16; type++) {
    const vloss_loss_args args = {.kind = VLOSS_MSE, .type = (vloss_type)type, .loss = &loss};
    if (status != VLOSS_OK && vloss_loss(&args) == status) return true;
  }
  return false;
}

static void check_status(const struct call *c, const char *isa, vloss_status status) {
  const bool of_values =
      status == VLOSS_ERROR_PROBABILITY || status == VLOSS_ERROR_VARIANCE || status == VLOSS_ERROR_RATE;
  if (status == VLOSS_OK && c->verdict == REFUSED) fail(c, isa, status, "a wrong call is accepted");
  if (of_values && !c->may_find_bad_values) fail(c, isa, status, "nothing was to be checked");
  if (status != VLOSS_OK && c->verdict == ACCEPTED && !of_values && !is_of_a_type(status))
    fail(c, isa, status, "a right call is refused");
  if (!tells_where(status) && c->bad != BAD_UNTOUCHED) fail(c, isa, status, "the place of what is bad is written");
  if (status == VLOSS_ERROR_LABEL && c->expected_bad != SIZE_MAX && c->bad != c->expected_bad)
    fail(c, isa, status, "another row has the bad label");
}

/* Makes the call and runs it; `after` is what it leaves in memory. */
static vloss_status run(struct call *c, const uint8_t *bytes, size_t count, const char *isa, bool alone,
                        struct memory *after) {
  static struct memory before, rest;
  call_make(c, bytes, count);
  if (alone) *c->executor_field = NULL;
  c->whole = alone;
  save(&before, c);
  const vloss_status status = call_run(c);
  check_status(c, isa, status);
  save(after, c);
  if (status != VLOSS_OK) {
    if (!equal(&before, after)) fail(c, isa, status, "a refused call has written");
    return status;
  }
  for (size_t i = 0; i < c->array_count && c->verdict == ACCEPTED; i++)
    if (c->arrays[i].output && !all_written(&c->arrays[i]))
      fail(c, isa, status, "an output is not written, or has another NaN");
  undo_outputs(c, &before);
  save(&rest, c);
  if (!equal(&before, &rest)) fail(c, isa, status, "something else than the outputs is written");
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static struct memory first, other;
  static struct call c;
  vloss_status status = VLOSS_OK;
  size_t bad = 0, runs = 0;
  names_check(bytes, count);
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_force(isa) != VLOSS_OK) continue;
    for (int alone = 0; alone <= (runs == 1 && c.fault != BAD_EXECUTOR && (*c.executor_field || c.states));
         alone++, runs++) {
      const vloss_status own = run(&c, bytes, count, isa, alone, runs ? &other : &first);
      if (runs == 0) status = own, bad = c.bad;
      if (own != status || c.bad != bad) fail(&c, isa, own, "ISAs, threads or parts answer another status");
      if (runs && !equal(&first, &other)) fail(&c, isa, own, "ISAs, threads or parts have other bits");
    }
  }
  return 0;
}
