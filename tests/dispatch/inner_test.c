/* The functions of logits where the class axis is not the last: rows that lie side by side have the bits that they have
 * alone, in every type, with every output, with elements between the outer indices, which stay as they are, and in
 * place. Among them are rows that are ignored and rows with a NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "memory/types.h"
#include "vloss/vloss.h"

enum { ROWS = 40, MOST_CLASSES = 7300, IDS = 2, TOP = 3, GAP = 3, MOST = ROWS * (MOST_CLASSES + GAP), NUMBERS = 6 };

static uint32_t state = 1;
static float number(float least, float most) {
  state = state * 1664525u + 1013904223u;
  return least + (most - least) * (float)(state >> 8) * 0x1p-24f;
}

/* Arrays of elements of `type`; `rows` are those of `inner` that fit. */
struct call {
  vloss_type type;
  size_t rows, inner, classes, stride;
  float logits[MOST], others[MOST], result[MOST]; /* room for any type */
  void *grad;                                     /* result, or logits */
  float of_row[NUMBERS][ROWS * TOP];
  int64_t whole[3][ROWS * TOP];
};
static float upstream[3][ROWS * IDS];
static int64_t ids[ROWS * IDS];

typedef vloss_status function(struct call *c);
static vloss_status softmax_of(struct call *c, vloss_status (*f)(const vloss_softmax_args *), const void *h) {
  const vloss_softmax_args args = {.rows = c->rows / c->inner,
                                   .classes = c->classes,
                                   .inner = c->inner,
                                   .input = c->logits,
                                   .input_stride = c->stride,
                                   .upstream = h,
                                   .upstream_stride = h ? c->stride : 0,
                                   .type = c->type,
                                   .output = c->grad,
                                   .output_stride = c->stride};
  return f(&args);
}
static vloss_status softmax(struct call *c) { return softmax_of(c, vloss_softmax, NULL); }
static vloss_status log_softmax(struct call *c) { return softmax_of(c, vloss_log_softmax, NULL); }
static vloss_status softmax_backward(struct call *c) { return softmax_of(c, vloss_softmax_backward, c->others); }
static vloss_status log_softmax_backward(struct call *c) {
  return softmax_of(c, vloss_log_softmax_backward, c->others);
}

static vloss_status log_sum_exp(struct call *c) {
  const vloss_softmax_args args = {.rows = c->rows / c->inner,
                                   .classes = c->classes,
                                   .inner = c->inner,
                                   .input = c->logits,
                                   .input_stride = c->stride,
                                   .type = c->type,
                                   .output = c->of_row[0]};
  return vloss_log_sum_exp(&args);
}

static vloss_status log_probs_with(struct call *c, double scale, double softcap, int entropy) {
  const vloss_log_probs_args args = {.rows = c->rows / c->inner,
                                     .classes = c->classes,
                                     .inner = c->inner,
                                     .logits = c->logits,
                                     .logits_stride = c->stride,
                                     .type = c->type,
                                     .scale = scale,
                                     .softcap = softcap,
                                     .ids = ids,
                                     .ids_per_row = IDS,
                                     .ignore = VLOSS_IGNORE_INDEX,
                                     .ignore_index = -1,
                                     .logprob = c->of_row[0],
                                     .rank = entropy ? c->whole[0] : NULL,
                                     .top = entropy ? TOP : 0,
                                     .top_id = entropy ? c->whole[1] : NULL,
                                     .top_logprob = entropy ? c->of_row[1] : NULL,
                                     .max = c->of_row[2],
                                     .log_sum = c->of_row[3],
                                     .lse = c->of_row[4],
                                     .entropy = entropy ? c->of_row[5] : NULL,
                                     .upstream = upstream[0],
                                     .entropy_upstream = entropy ? upstream[1] : NULL,
                                     .lse_upstream = upstream[2],
                                     .grad = c->grad,
                                     .grad_stride = c->stride};
  return vloss_log_probs(&args);
}
static vloss_status log_probs(struct call *c) { return log_probs_with(c, 0, 0, 0); }
static vloss_status log_probs_with_all(struct call *c) { return log_probs_with(c, 0.7, 20, 1); }

static vloss_status divergence_of(struct call *c, vloss_divergence_kind kind, double scale) {
  const vloss_divergence_args args = {.kind = kind,
                                      .rows = c->rows / c->inner,
                                      .classes = c->classes,
                                      .inner = c->inner,
                                      .student = c->logits,
                                      .student_stride = c->stride,
                                      .student_type = c->type,
                                      .teacher = c->others,
                                      .teacher_stride = c->stride,
                                      .teacher_type = c->type,
                                      .scale = scale,
                                      .labels = ids,
                                      .ignore = VLOSS_IGNORE_INDEX,
                                      .ignore_index = -1,
                                      .reduction = VLOSS_NONE,
                                      .upstream = upstream[0],
                                      .loss = c->of_row[0],
                                      .same_top = (int32_t *)c->whole[0],
                                      .grad = c->grad,
                                      .grad_stride = c->stride};
  return vloss_divergence(&args);
}
static vloss_status forward_kl(struct call *c) { return divergence_of(c, VLOSS_FORWARD_KL, 0); }
static vloss_status reverse_kl(struct call *c) { return divergence_of(c, VLOSS_REVERSE_KL, 0.5); }
static vloss_status total_variation(struct call *c) { return divergence_of(c, VLOSS_TOTAL_VARIATION, 0); }
static vloss_status jsd(struct call *c) { return divergence_of(c, VLOSS_JSD, 0); }

static vloss_status cross_entropy_with(struct call *c, double softcap, double smoothing) {
  const vloss_cross_entropy_args args = {.rows = c->rows / c->inner,
                                         .classes = c->classes,
                                         .inner = c->inner,
                                         .logits = c->logits,
                                         .logits_stride = c->stride,
                                         .type = c->type,
                                         .labels = ids,
                                         .ignore = VLOSS_IGNORE_INDEX,
                                         .ignore_index = -1,
                                         .label_smoothing = smoothing,
                                         .reduction = VLOSS_NONE,
                                         .upstream = upstream[0],
                                         .loss = c->of_row[0],
                                         .lse = c->of_row[1],
                                         .max = c->of_row[2],
                                         .log_sum = c->of_row[3],
                                         .predicted = c->whole[0],
                                         .softcap = softcap,
                                         .grad = c->grad,
                                         .grad_stride = c->stride};
  return vloss_cross_entropy(&args);
}
static vloss_status cross_entropy(struct call *c) { return cross_entropy_with(c, 0, 0); }
static vloss_status capped_cross_entropy(struct call *c) { return cross_entropy_with(c, 20, 0.1); }

static const struct {
  const char *name;
  function *of;
} functions[] = {{"softmax", softmax},
                 {"log_softmax", log_softmax},
                 {"softmax_backward", softmax_backward},
                 {"log_softmax_backward", log_softmax_backward},
                 {"log_sum_exp", log_sum_exp},
                 {"log_probs", log_probs},
                 {"log_probs, all", log_probs_with_all},
                 {"forward KL", forward_kl},
                 {"reverse KL", reverse_kl},
                 {"total variation", total_variation},
                 {"JSD", jsd},
                 {"cross_entropy", cross_entropy},
                 {"capped cross_entropy", capped_cross_entropy}};

/* An element of an array of any type; those of 16 bits truncated, and nothing below 2^-14. */
static uint32_t bits_of(vloss_type type, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (type == VLOSS_F32) return bits;
  if (type == VLOSS_BF16) return bits >> 16;
  if (v != v) return 0x7e00;
  const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  return size < 0x38800000 ? sign : sign | ((size - 0x38000000) >> 13);
}
static void put(void *p, vloss_type type, size_t i, uint32_t bits) {
  const uint16_t half = (uint16_t)bits;
  if (type == VLOSS_F32)
    memcpy((char *)p + 4 * i, &bits, sizeof bits);
  else
    memcpy((char *)p + 2 * i, &half, sizeof half);
}
static uint32_t get(const void *p, vloss_type type, size_t i) {
  uint32_t bits;
  uint16_t half;
  memcpy(&bits, (const char *)p + (type == VLOSS_F32 ? 4 : 0) * i, sizeof bits);
  memcpy(&half, (const char *)p + (type == VLOSS_F32 ? 0 : 2) * i, sizeof half);
  return type == VLOSS_F32 ? bits : half;
}
static size_t place(const struct call *c, size_t row, size_t k) {
  return row / c->inner * c->stride + k * c->inner + row % c->inner;
}

static const uint32_t untouched = 0x5a5a5a5a;
static void fill(struct call *alone, struct call *beside) {
  struct call *const calls[] = {alone, beside};
  const vloss_type type = alone->type;
  const size_t bytes = beside->rows / beside->inner * beside->stride * sizeof(float);
  memset(alone->result, 0x5a, bytes);
  memset(beside->result, 0x5a, bytes);
  memset(beside->logits, 0x5a, bytes); /* between the outer indices, too */
  for (size_t row = 0; row < alone->rows; row++) {
    const float draw = number(0, 1),
                spread = draw < 0.1f && type != VLOSS_F16 ? 80000
                         : draw < 0.4f                    ? 12
                                                          : 3,
                apart = number(0, 1) < 0.5f ? 0.01f : 2;
    const size_t odd = number(0, 1) < 0.1f ? alone->classes / 2 : alone->classes;
    for (size_t k = 0; k < IDS; k++) {
      ids[row * IDS + k] = (int64_t)number(0, (float)alone->classes - 0.5f);
      if (number(0, 1) < 0.15f) ids[row * IDS + k] = -1;
      for (int which = 0; which < 3; which++) upstream[which][row * IDS + k] = number(-2, 2);
    }
    /* Two classes may outweigh the others, and then log-sum-exp is small. */
    const int outweighed = number(0, 1) < 0.5f && spread < 4;
    const size_t heavy = outweighed ? alone->classes / 3 : alone->classes;
    for (size_t k = 0; k < alone->classes; k++) {
      const float more = !outweighed ? 0 : k == heavy ? 2.5f : k == heavy + 64 ? 2.3f : -8.5f;
      const float v = number(-spread, spread) + more, z = v + number(-apart, apart);
      for (int i = 0; i < 2; i++) {
        put(calls[i]->logits, type, place(calls[i], row, k), bits_of(type, k == odd ? NAN : v));
        put(calls[i]->others, type, place(calls[i], row, k), bits_of(type, z));
      }
    }
  }
}

static void compare(const char *isa, const char *name, const struct call *alone, const struct call *beside) {
  size_t different = 0, written = 0, taken = 0;
  for (size_t row = 0; row < alone->rows; row++)
    for (size_t k = 0; k < alone->classes; k++)
      different +=
          get(alone->grad, alone->type, place(alone, row, k)) != get(beside->grad, beside->type, place(beside, row, k));
  const size_t planes = beside->rows / beside->inner, width = beside->classes * beside->inner;
  for (size_t plane = 0; plane < planes; plane++)
    for (size_t i = width; i < beside->stride; i++)
      written += get(beside->grad, beside->type, plane * beside->stride + i) !=
                 (beside->type == VLOSS_F32 ? untouched : untouched & 0xffff);
  taken = memcmp(alone->of_row, beside->of_row, sizeof alone->of_row) != 0 ||
          memcmp(alone->whole, beside->whole, sizeof alone->whole) != 0;
  EXPECT(!different && !written && !taken, "%s, %s, type %d, %zu classes, inner %zu%s: %zu elements, %zu between, %zu",
         isa, name, (int)alone->type, alone->classes, beside->inner, beside->grad == beside->logits ? ", in place" : "",
         different, written, taken);
}

static void start(struct call *c, vloss_type type, size_t rows, size_t inner, size_t classes, size_t gap) {
  c->type = type;
  c->rows = rows;
  c->inner = inner;
  c->classes = classes;
  c->stride = classes * inner + gap;
  memset(c->of_row, 0, sizeof c->of_row);
  memset(c->whole, 0, sizeof c->whole);
}
static void check(const char *isa, vloss_type type, size_t classes, size_t inner) {
  static struct call alone, beside;
  const size_t rows = ROWS / inner * inner;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    start(&alone, type, rows, 1, classes, 0);
    start(&beside, type, rows, inner, classes, i % 2 ? GAP : 0);
    fill(&alone, &beside);
    alone.grad = alone.result;
    EXPECT(functions[i].of(&alone) == VLOSS_OK, "%s", functions[i].name);
    beside.grad = i % 3 ? (void *)beside.result : (void *)beside.logits;
    EXPECT(functions[i].of(&beside) == VLOSS_OK, "%s, inner %zu", functions[i].name, inner);
    if (functions[i].of == log_sum_exp) alone.grad = beside.grad = alone.result; /* which it does not write */
    compare(isa, functions[i].name, &alone, &beside);
  }
}

int main(void) {
  static const size_t inners[] = {2, 3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 20, 37, 40},
                      all_classes[] = {3, 9, 70, 300, 601, 1100};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    const size_t step = strcmp(isa, "scalar") == 0 ? 4 : 1; /* which takes long */
    for (vloss_type type = VLOSS_F32; type <= VLOSS_BF16; type++) {
      if (!vloss_builds_type(type) || type == VLOSS_F64) continue;
      for (size_t n = step / 2; n < sizeof inners / sizeof *inners; n += step) {
        for (size_t k = 0; k < sizeof all_classes / sizeof *all_classes; k++)
          check(isa, type, all_classes[k], inners[n]);
        if (n % 5 == 1) check(isa, type, 4200, inners[n]);
        if (n % 5 == 2) check(isa, type, 4500, inners[n]);
        if (inners[n] > 32 && type == VLOSS_F32) check(isa, type, MOST_CLASSES, inners[n]); /* bands */
      }
    }
  }
  return report("inner");
}
