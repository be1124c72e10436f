/* The tables of the calls (families.h). Offsets and sizes are the compiler's, of vloss.h. */
#include "families.h"

#include <string.h>

#define RUN(function, args_type)                                      \
  static vloss_status run_##function(const void *args, size_t size) { \
    return vloss_##function##_sized((const args_type *)args, size);   \
  }
RUN(cross_entropy, vloss_cross_entropy_args)
RUN(nll, vloss_cross_entropy_args)
RUN(softmax, vloss_softmax_args)
RUN(log_softmax, vloss_softmax_args)
RUN(log_sum_exp, vloss_softmax_args)
RUN(softmax_backward, vloss_softmax_args)
RUN(log_softmax_backward, vloss_softmax_args)
RUN(log_probs, vloss_log_probs_args)
RUN(cross_entropy_partial, vloss_cross_entropy_args)
RUN(cross_entropy_finish, vloss_cross_entropy_args)
RUN(cross_entropy_partial_gradient, vloss_cross_entropy_args)
RUN(log_probs_partial, vloss_log_probs_args)
RUN(log_probs_finish, vloss_log_probs_args)
RUN(divergence, vloss_divergence_args)
RUN(loss, vloss_loss_args)

#define AT(member) offsetof(ARGS, member)
#define OPTION(role, member) \
  { #member, role, AT(member), NOWHERE }
#define ARRAY(role, member) \
  { #member, role, AT(member), NOWHERE }
#define OUTPUT(role, member, when) \
  { #member, role, AT(member), when }
#define STRIDED(role, member) \
  { #member, role, AT(member), AT(member##_stride) }
#define COMMON \
  {"axis", AXIS, 0, 0}, {"bfloat16", BITS, 0, 0}, { "threads", THREADS, 0, 0 }
#define FLAG_OF(name, bit) \
  { name, FLAG, bit, 0 }

#define ARGS vloss_cross_entropy_args
static const struct field cross_entropy[] = {
    STRIDED(MATRIX, logits),
    {"labels", TARGETS, AT(labels), AT(targets)},
    ARRAY(CLASS_VALUES, weights),
    OPTION(IGNORE, ignore_index),
    OPTION(DOUBLE, label_smoothing),
    OPTION(REDUCTION, reduction),
    ARRAY(ROW_VALUES, row_weights),
    OPTION(POSITIVE, scale),
    OPTION(DOUBLE, softcap),
    OPTION(DOUBLE, z_loss),
    OPTION(SIZE, shift),
    OPTION(SIZE, sequence),
    ARRAY(LOSS_VALUES, upstream),
    FLAG_OF("unchecked", VLOSS_UNCHECKED),
    FLAG_OF("empty_mean_zero", VLOSS_EMPTY_MEAN_ZERO),
    COMMON,
    OUTPUT(LOSS, loss, ALWAYS),
    STRIDED(MATRIX_OUT, grad),
    STRIDED(MATRIX_OUT, grad_targets),
    OUTPUT(ROWS_OUT, lse, IF_ASKED),
    OUTPUT(ROW_LABELS_OUT, predicted, IF_ASKED),
    OUTPUT(ROW_FLAGS_OUT, correct, IF_ASKED),
    OUTPUT(LOSS, z_loss_part, IF_ASKED),
    OUTPUT(ROWS_OUT, max, IF_ASKED),
    OUTPUT(ROWS_OUT, log_sum, IF_ASKED),
};

/* Rows whose classes are spread: what partial, finish and the gradient have alike. */
#define OF_SHARDS                                                                                                     \
  ARRAY(LABELS, labels), ARRAY(CLASS_VALUES, weights), OPTION(IGNORE, ignore_index), OPTION(DOUBLE, label_smoothing), \
      OPTION(POSITIVE, scale), OPTION(DOUBLE, softcap), OPTION(SIZE, shift), OPTION(SIZE, sequence),                  \
      FLAG_OF("unchecked", VLOSS_UNCHECKED), OPTION(SIZE, total_classes), {                                           \
    "threads", THREADS, 0, 0                                                                                          \
  }
#define OF_WHOLE_ROWS                                                                   \
  OPTION(REDUCTION, reduction), ARRAY(ROW_VALUES, row_weights), OPTION(DOUBLE, z_loss), \
      FLAG_OF("empty_mean_zero", VLOSS_EMPTY_MEAN_ZERO)
static const struct field cross_entropy_partial[] = {
    STRIDED(MATRIX, logits),
    OF_SHARDS,
    OPTION(SIZE, class_offset),
    {"bfloat16", BITS, 0, 0},
    OUTPUT(STATES_OUT, states, ALWAYS),
};
static const struct field cross_entropy_finish[] = {
    ARRAY(STATES, states),
    OF_SHARDS,
    OF_WHOLE_ROWS,
    {"float64", DOUBLES, 0, 0},
    OUTPUT(LOSS, loss, ALWAYS),
    OUTPUT(ROWS_OUT, lse, IF_ASKED),
    OUTPUT(ROW_LABELS_OUT, predicted, IF_ASKED),
    OUTPUT(ROW_FLAGS_OUT, correct, IF_ASKED),
    OUTPUT(LOSS, z_loss_part, IF_ASKED),
};
static const struct field cross_entropy_partial_gradient[] = {
    STRIDED(MATRIX, logits),
    ARRAY(STATES, states),
    OF_SHARDS,
    OF_WHOLE_ROWS,
    OPTION(SIZE, class_offset),
    {"bfloat16", BITS, 0, 0},
    ARRAY(LOSS_VALUES, upstream),
    STRIDED(RESULT, grad),
};
#undef ARGS

#define ARGS vloss_softmax_args
static const struct field softmax[] = {
    STRIDED(MATRIX, input),
    STRIDED(MATRIX, upstream),
    COMMON,
    STRIDED(RESULT, output),
};
static const struct field log_sum_exp[] = {STRIDED(MATRIX, input), COMMON, OUTPUT(ROWS_OUT, output, ALWAYS)};
#undef ARGS

#define ARGS vloss_log_probs_args
static const struct field log_probs[] = {
    STRIDED(MATRIX, logits),
    ARRAY(IDS, ids),
    OPTION(IGNORE, ignore_index),
    OPTION(POSITIVE, scale),
    OPTION(DOUBLE, softcap),
    OPTION(SIZE, top),
    ARRAY(ID_VALUES, upstream),
    ARRAY(ROW_VALUES, entropy_upstream),
    ARRAY(ROW_VALUES, lse_upstream),
    FLAG_OF("unchecked", VLOSS_UNCHECKED),
    COMMON,
    OUTPUT(IDS_OUT, logprob, WITH_IDS),
    OUTPUT(ID_LABELS_OUT, rank, IF_ASKED),
    OUTPUT(TOP_LABELS_OUT, top_id, WITH_TOP),
    OUTPUT(TOP_OUT, top_logprob, WITH_TOP),
    OUTPUT(ROWS_OUT, max, IF_ASKED),
    OUTPUT(ROWS_OUT, log_sum, IF_ASKED),
    OUTPUT(ROWS_OUT, lse, IF_ASKED),
    OUTPUT(ROWS_OUT, entropy, IF_ASKED),
    STRIDED(MATRIX_OUT, grad),
};
#define OF_ID_SHARDS                                                                                                  \
  ARRAY(IDS, ids), OPTION(IGNORE, ignore_index), OPTION(POSITIVE, scale), OPTION(DOUBLE, softcap), OPTION(SIZE, top), \
      FLAG_OF("unchecked", VLOSS_UNCHECKED), OPTION(SIZE, total_classes), {                                           \
    "threads", THREADS, 0, 0                                                                                          \
  }
static const struct field log_probs_partial[] = {
    STRIDED(MATRIX, logits),
    OF_ID_SHARDS,
    OPTION(SIZE, class_offset),
    {"bfloat16", BITS, 0, 0},
    OUTPUT(STATES_OUT, states, ALWAYS),
};
static const struct field log_probs_finish[] = {
    ARRAY(STATES, states),
    OF_ID_SHARDS,
    {"float64", DOUBLES, 0, 0},
    OUTPUT(IDS_OUT, logprob, WITH_IDS),
    OUTPUT(TOP_LABELS_OUT, top_id, WITH_TOP),
    OUTPUT(TOP_OUT, top_logprob, WITH_TOP),
    OUTPUT(ROWS_OUT, max, IF_ASKED),
    OUTPUT(ROWS_OUT, log_sum, IF_ASKED),
    OUTPUT(ROWS_OUT, lse, IF_ASKED),
    OUTPUT(ROWS_OUT, entropy, IF_ASKED),
};
#undef ARGS

#define ARGS vloss_divergence_args
static const struct field divergence[] = {
    STRIDED(MATRIX, student),
    STRIDED(OTHER_MATRIX, teacher),
    OPTION(KIND, kind),
    OPTION(POSITIVE, scale),
    OPTION(POSITIVE, beta),
    ARRAY(LABELS, labels),
    OPTION(IGNORE, ignore_index),
    OPTION(REDUCTION, reduction),
    ARRAY(LOSS_VALUES, upstream),
    FLAG_OF("empty_mean_zero", VLOSS_EMPTY_MEAN_ZERO),
    COMMON,
    OUTPUT(LOSS, loss, ALWAYS),
    STRIDED(MATRIX_OUT, grad),
    OUTPUT(ROW_FLAGS_OUT, same_top, IF_ASKED),
};
#undef ARGS

#define ARGS vloss_loss_args
#define PARAMETER_OF(number) \
  { "parameter" #number, PARAMETER, number, 0 }
static const struct field loss[] = {
    STRIDED(MATRIX, prediction),
    STRIDED(TARGET, target),
    STRIDED(SPREAD, other),
    ARRAY(LABELS, labels),
    STRIDED(SPREAD, weights),
    PARAMETER_OF(0),
    PARAMETER_OF(1),
    PARAMETER_OF(2),
    PARAMETER_OF(3),
    {"from_logits", FROM_LOGITS, 0, 0},
    OPTION(REDUCTION, reduction),
    ARRAY(LOSS_VALUES, upstream),
    FLAG_OF("unchecked", VLOSS_UNCHECKED),
    FLAG_OF("empty_mean_zero", VLOSS_EMPTY_MEAN_ZERO),
    COMMON,
    OUTPUT(LOSS, loss, ALWAYS),
    STRIDED(MATRIX_OUT, grad),
    STRIDED(MATRIX_OUT, grad_target),
    STRIDED(MATRIX_OUT, grad_other),
};
_Static_assert(AT(other_spread) == AT(other_stride) + sizeof(size_t) &&
                   AT(weights_spread) == AT(weights_stride) + sizeof(size_t),
               "SPREAD finds the spread behind the stride");
#undef ARGS

#define TABLE(table) .fields = table, .count = sizeof(table) / sizeof *(table)
#define MEMBERS(function, args_type)                                                                      \
  .name = #function, .run = run_##function, .size = sizeof(args_type), .rows = offsetof(args_type, rows), \
  .inner = offsetof(args_type, inner), .executor = offsetof(args_type, executor)
#define NO_LABELS .label_type = NOWHERE, .ignore = NOWHERE, .ignore_index = NOWHERE
#define LABELS_OF(args_type)                                                            \
  .label_type = offsetof(args_type, label_type), .ignore = offsetof(args_type, ignore), \
  .ignore_index = offsetof(args_type, ignore_index)
#define NO_REDUCTION .reduction = NOWHERE, .flags = NOWHERE
#define REDUCTION_OF(args_type) .reduction = offsetof(args_type, reduction), .flags = offsetof(args_type, flags)
#define NO_IDS .ids_per_row = NOWHERE, .top = NOWHERE
#define NO_SHARDS .total_classes = NOWHERE

#define CROSS_ENTROPY(function, table)                                                                            \
  {                                                                                                               \
    MEMBERS(function, vloss_cross_entropy_args),                                                                  \
        .classes = offsetof(vloss_cross_entropy_args, classes), .type = offsetof(vloss_cross_entropy_args, type), \
        LABELS_OF(vloss_cross_entropy_args), REDUCTION_OF(vloss_cross_entropy_args),                              \
        .bad = offsetof(vloss_cross_entropy_args, bad_row), NO_IDS,                                               \
        .total_classes = offsetof(vloss_cross_entropy_args, total_classes), TABLE(table)                          \
  }
#define LOG_PROBS(function, table)                                                                                  \
  {                                                                                                                 \
    MEMBERS(function, vloss_log_probs_args),                                                                        \
        .classes = offsetof(vloss_log_probs_args, classes), .type = offsetof(vloss_log_probs_args, type),           \
        LABELS_OF(vloss_log_probs_args), .reduction = NOWHERE, .flags = offsetof(vloss_log_probs_args, flags),      \
        .bad = offsetof(vloss_log_probs_args, bad_row), .ids_per_row = offsetof(vloss_log_probs_args, ids_per_row), \
        .top = offsetof(vloss_log_probs_args, top), .total_classes = offsetof(vloss_log_probs_args, total_classes), \
        TABLE(table)                                                                                                \
  }
#define SOFTMAX(function, table)                                                                                \
  {                                                                                                             \
    MEMBERS(function, vloss_softmax_args), .classes = offsetof(vloss_softmax_args, classes),                    \
                                           .type = offsetof(vloss_softmax_args, type), NO_LABELS, NO_REDUCTION, \
                                           .bad = NOWHERE, NO_IDS, NO_SHARDS, TABLE(table)                      \
  }

const struct family families[] = {
    CROSS_ENTROPY(cross_entropy, cross_entropy),
    CROSS_ENTROPY(nll, cross_entropy),
    CROSS_ENTROPY(cross_entropy_partial, cross_entropy_partial),
    CROSS_ENTROPY(cross_entropy_finish, cross_entropy_finish),
    CROSS_ENTROPY(cross_entropy_partial_gradient, cross_entropy_partial_gradient),
    SOFTMAX(softmax, softmax),
    SOFTMAX(log_softmax, softmax),
    SOFTMAX(softmax_backward, softmax),
    SOFTMAX(log_softmax_backward, softmax),
    SOFTMAX(log_sum_exp, log_sum_exp),
    LOG_PROBS(log_probs, log_probs),
    LOG_PROBS(log_probs_partial, log_probs_partial),
    LOG_PROBS(log_probs_finish, log_probs_finish),
    {MEMBERS(divergence, vloss_divergence_args), .classes = offsetof(vloss_divergence_args, classes),
     .type = offsetof(vloss_divergence_args, student_type), LABELS_OF(vloss_divergence_args),
     REDUCTION_OF(vloss_divergence_args), .bad = NOWHERE, NO_IDS, NO_SHARDS, TABLE(divergence)},
    {MEMBERS(loss, vloss_loss_args), .classes = offsetof(vloss_loss_args, columns),
     .type = offsetof(vloss_loss_args, type), .label_type = offsetof(vloss_loss_args, label_type), .ignore = NOWHERE,
     .ignore_index = NOWHERE, REDUCTION_OF(vloss_loss_args), .bad = offsetof(vloss_loss_args, bad_index), NO_IDS,
     NO_SHARDS, TABLE(loss)},
    {.name = NULL},
};

const struct family *family_named(const char *name) {
  for (const struct family *family = families; family->name; family++)
    if (strcmp(family->name, name) == 0) return family;
  return NULL;
}
