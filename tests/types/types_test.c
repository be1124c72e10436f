/* types_test TYPE...: every function computes these types and f32, and answers VLOSS_ERROR_TYPE to the others, without
 * a write. Of doubles not every function has to be computed. */
#include "types.h"

#include <stdbool.h>
#include <string.h>

#include "expect.h"

static double input[4] = {0.5, 0.25, 0.125, 0.0625}; /* probabilities of whatever type */
static double outputs[4], untouched[4];
static const int64_t label;

static vloss_cross_entropy_args cross_entropy_args(vloss_type type) {
  return (vloss_cross_entropy_args){
      .rows = 1, .classes = 1, .type = type, .logits = input, .labels = &label, .loss = outputs};
}
static vloss_status partial(vloss_type type) {
  static vloss_row_state state;
  vloss_cross_entropy_args a = cross_entropy_args(type);
  a.total_classes = 1;
  a.states = &state;
  a.loss = NULL;
  return vloss_cross_entropy_partial(&a);
}
static vloss_status cross_entropy(vloss_type type) {
  const vloss_cross_entropy_args a = cross_entropy_args(type);
  return vloss_cross_entropy(&a);
}
static vloss_status nll(vloss_type type) {
  const vloss_cross_entropy_args a = cross_entropy_args(type);
  return vloss_nll(&a);
}
static vloss_status log_probs(vloss_type type) {
  const vloss_log_probs_args a = {.rows = 1, .classes = 1, .type = type, .logits = input, .lse = outputs};
  return vloss_log_probs(&a);
}
static vloss_status divergence(vloss_type type) {
  const vloss_divergence_args a = {.rows = 1,
                                   .classes = 1,
                                   .student = input,
                                   .student_type = type,
                                   .teacher = input,
                                   .teacher_type = type,
                                   .loss = outputs};
  return vloss_divergence(&a);
}
static vloss_status softmax(vloss_type type, int function) {
  vloss_softmax_args a = {.rows = 1, .classes = 1, .type = type, .input = input, .output = outputs};
  if (function > 2) a.upstream = input;
  switch (function) {
    case 0:
      return vloss_softmax(&a);
    case 1:
      return vloss_log_softmax(&a);
    case 2:
      return vloss_log_sum_exp(&a);
    case 3:
      return vloss_softmax_backward(&a);
  }
  return vloss_log_softmax_backward(&a);
}
static vloss_status loss_of(const vloss_loss_info *info, vloss_type type) {
  const uint32_t takes = info->operands;
  const vloss_loss_args a = {
      .kind = info->kind,
      .rows = 1,
      .columns = 1,
      .type = type,
      .prediction = input,
      .target = takes & VLOSS_TAKES_TARGET ? input : NULL,
      .labels = takes & (VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS) ? &label : NULL,
      .other = takes & VLOSS_TAKES_OTHER ? input : NULL,
      .loss = outputs,
      .flags = VLOSS_UNCHECKED,
  };
  return vloss_loss(&a);
}

static void answers(const char *function, vloss_status status, vloss_type type, bool computed) {
  const bool may_lack = computed && type == VLOSS_F64 && status == VLOSS_ERROR_TYPE;
  if (computed)
    EXPECT(status == VLOSS_OK || may_lack, "%s of %s: %s", function, type_name(type), vloss_status_name(status));
  else
    EXPECT(status == VLOSS_ERROR_TYPE || (type == VLOSS_F64 && status == VLOSS_ERROR_NO_SLEEF), "%s of %s: %s",
           function, type_name(type), vloss_status_name(status));
  EXPECT(computed || memcmp(outputs, untouched, sizeof outputs) == 0, "%s of %s wrote", function, type_name(type));
}

static void check_type(vloss_type type, bool computed) {
  static const char *const names[] = {"softmax", "log_softmax", "log_sum_exp", "softmax_backward",
                                      "log_softmax_backward"};
  const vloss_loss_info *info;
  answers("cross_entropy", cross_entropy(type), type, computed);
  answers("nll", nll(type), type, computed);
  answers("log_probs", log_probs(type), type, computed);
  answers("divergence", divergence(type), type, computed);
  answers("cross_entropy_partial", partial(type), type, computed);
  for (int f = 0; f < 5; f++) answers(names[f], softmax(type, f), type, computed);
  for (size_t i = 0; (info = vloss_loss_info_at(i)); i++)
    if (info->family != VLOSS_LOGITS) answers(info->name, loss_of(info, type), type, computed);
}

int main(int count, char **words) {
  for (int i = 0; i < TYPE_COUNT; i++) {
    bool computed = type_names[i].type == VLOSS_F32;
    for (int word = 1; word < count; word++) computed |= strcmp(words[word], type_names[i].name) == 0;
    memset(untouched, 42, sizeof untouched);
    memcpy(outputs, untouched, sizeof outputs);
    check_type(type_names[i].type, computed);
    double loss;
    const vloss_loss_args args = type_question(type_names[i].type, &loss);
    EXPECT((vloss_loss(&args) == VLOSS_OK) == computed, "%s", type_names[i].name);
  }
  const char *sentence = vloss_status_message(VLOSS_ERROR_TYPE);
  EXPECT(strstr(sentence, "VLOSS_TYPES"), "the message does not say why: %s", sentence);
  return report("types");
}
