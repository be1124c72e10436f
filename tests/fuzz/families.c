/* See families.h. A struct's fields in the order of vloss.h, each by a byte or two. */
#include "families.h"

#include <float.h>

static struct kind booleans(void) { return (struct kind){BOOLEANS, VLOSS_F32, sizeof(int32_t)}; }
static struct kind states(void) { return (struct kind){STATES, VLOSS_F32, sizeof(uint64_t)}; }

/* What means "ignored". */
static struct label_rules take_ignore(struct call *c, vloss_ignore *ignore, int64_t *index) {
  *ignore = (vloss_ignore)take_below(c, 3);
  const int64_t given = (int64_t)take_below(c, 4) - 1;
  if (*ignore != VLOSS_IGNORE_NOTHING) *index = given;
  struct label_rules rules = {.ignoring = *ignore != VLOSS_IGNORE_NOTHING};
  rules.ignored = *ignore == VLOSS_IGNORE_DEFAULT && *index == 0 ? -100 : *index;
  return rules;
}

static void take_shift(struct call *c, vloss_cross_entropy_args *a, size_t rows) {
  const size_t parts = 1 + take_below(c, 4), shift = take_below(c, 4);
  if (!rows || rows % parts) return;
  if (parts > 1) a->sequence = rows / parts;
  a->shift = shift < rows / parts ? shift : 0;
}

/* The fields that whole rows and their parts have in common. `own`: those of the function beyond vloss_nll's. */
static size_t common_fields(struct call *c, vloss_cross_entropy_args *a, bool own) {
  take_shape(c, &a->rows, &a->classes, &a->inner);
  const size_t rows = c->rows * c->inner;
  if (c->rows && !c->classes) refuse(c);
  a->type = c->type;
  a->label_type = (vloss_label_type)take_below(c, 2);
  a->reduction = (vloss_reduction)take_below(c, 3);
  a->flags = (uint32_t)take_below(c, 4);
  note_enum(c, &a->type);
  note_enum(c, &a->label_type);
  note_enum(c, &a->ignore);
  note_enum(c, &a->reduction);
  note_enum(c, &a->flags);
  note_number(c, &a->label_smoothing, 0, own ? 1 : 0);
  note_number(c, &a->scale, FLT_MIN, own ? FLT_MAX : 0);
  note_number(c, &a->softcap, FLT_MIN, own ? FLT_MAX : 0);
  note_number(c, &a->z_loss, 0, own ? DBL_MAX : 0);
  if (own) {
    a->label_smoothing = (double)take_below(c, 3) / 10;
    a->scale = (double)take_below(c, 3) / 2;
    a->softcap = (double)take_below(c, 2) * 30;
    a->z_loss = (double)take_below(c, 2) / 1000;
  }
  take_executor(c, &a->executor);
  a->bad_row = &c->bad;
  return rows;
}

void make_cross_entropy(struct call *c) {
  vloss_cross_entropy_args *a = &c->args.cross_entropy;
  const bool own = c->function == OF_cross_entropy, with_targets = own && coin(c);
  const size_t rows = common_fields(c, a, own), totals = a->reduction == VLOSS_NONE ? rows : 1;
  const struct kind number = numbers(c);
  add_tensor(c, &a->logits, &a->logits_stride, of_type(c->type), false);
  if (with_targets) {
    add_tensor(c, &a->targets, &a->targets_stride, of_type(c->type), false);
  } else {
    struct label_rules rules = take_ignore(c, &a->ignore, &a->ignore_index);
    rules.type = a->label_type;
    rules.classes = c->classes;
    take_shift(c, a, rows);
    if (a->shift || a->sequence) { /* then which labels count is another matter */
      if (add_labels(c, &a->labels, rows, rules) != SIZE_MAX) doubt(c);
    } else {
      checked_labels(c, &a->labels, 1, rules, a->flags);
    }
  }
  in_flat(c, &a->weights, c->classes, number);
  in_flat(c, &a->row_weights, rows, number);
  in_flat(c, &a->upstream, totals, number);
  out_flat(c, &a->loss, totals, number);
  out_tensor(c, &a->grad, &a->grad_stride, &a->logits, NULL);
  if (own) {
    out_flat(c, &a->lse, rows, number);
    out_flat(c, &a->predicted, rows, labels_of(a->label_type));
    out_flat(c, &a->z_loss_part, totals, number);
    out_flat(c, &a->max, rows, number);
    out_flat(c, &a->log_sum, rows, number);
    if (!with_targets) out_flat(c, &a->correct, rows, booleans());
    if (with_targets) out_tensor(c, &a->grad_targets, &a->grad_targets_stride, &a->targets, NULL);
  }
  if (!any_output(c)) refuse(c);
  if (c->fault != UNWANTED) return;
  refuse(c);
  switch (take_below(c, 5)) {
    case 0:
      a->total_classes = 1;
      break;
    case 1:
      if (with_targets) a->ignore = VLOSS_IGNORE_INDEX;
      if (!with_targets) a->ignore = VLOSS_IGNORE_NOTHING, a->ignore_index = 1;
      break;
    case 2:
      if (with_targets) a->shift = 1;
      if (!with_targets) a->grad_targets = a->loss ? a->loss : a->grad;
      if (!with_targets && !a->grad_targets) a->states = (void *)a->logits;
      break;
    case 3:
      a->labels = a->targets = a->logits;
      break;
    default:
      add_flat(c, own ? (void *)&a->states : (void *)&a->lse, 16 * rows, states(), true);
  }
}

/* How the states of rows in parts are put together, and whether that goes wrong. */
static void take_parting(struct call *c, size_t rows) {
  c->parting = (unsigned)take_below(c, 4);
  if (c->fault != UNWANTED) return;
  c->misuse = (enum misuse)take_below(c, MISUSE_COUNT);
  if (c->misuse == SHARD_LEFT_OUT) c->parting |= FROM_NOTHING;
  if (c->misuse == FIRST_FOR_LAST && c->classes <= VLOSS_CLASS_BLOCK) c->misuse = OTHER_CALL; /* it has one shard */
  if (c->misuse && rows) refuse(c);
}

/* The call of a shard of all classes, and `wanted`, which has what the steps after it take, too. */
void make_partial(struct call *c) {
  vloss_cross_entropy_args *a = &c->args.cross_entropy, *w = &c->wanted.cross_entropy;
  const size_t rows = common_fields(c, a, true), totals = a->reduction == VLOSS_NONE ? rows : 1;
  const struct kind number = numbers(c);
  a->total_classes = c->classes;
  add_tensor(c, &a->logits, &a->logits_stride, of_type(c->type), false);
  struct label_rules rules = take_ignore(c, &a->ignore, &a->ignore_index);
  rules.type = a->label_type;
  rules.classes = c->classes;
  checked_labels(c, &a->labels, 1, rules, a->flags);
  in_flat(c, &a->weights, c->classes, number);
  c->states = add_flat(c, &a->states, 16 * rows, states(), true);
  take_parting(c, rows);
  if (c->fault == UNWANTED && !c->misuse) {
    const size_t wrong = take_below(c, 3);
    if (wrong == 1)
      add_flat(c, &a->loss, totals, number, true);
    else if (wrong == 2 && c->classes % VLOSS_CLASS_BLOCK)
      a->total_classes++; /* it ends within a block */
    else
      a->class_offset = c->classes + 1;
    refuse(c);
  }
  if (c->fault && !c->misuse) return;
  in_flat(c, &a->row_weights, rows, number);
  in_flat(c, &a->upstream, totals, number);
  *w = *a;
  add_flat(c, &w->loss, totals, number, true);
  out_tensor(c, &w->grad, &w->grad_stride, NULL, NULL);
  out_flat(c, &w->lse, rows, number);
  out_flat(c, &w->predicted, rows, labels_of(a->label_type));
  out_flat(c, &w->z_loss_part, totals, number);
  out_flat(c, &w->correct, rows, booleans());
}

void make_softmax(struct call *c) {
  vloss_softmax_args *a = &c->args.softmax;
  const bool backward = c->function == OF_softmax_backward || c->function == OF_log_softmax_backward;
  take_shape(c, &a->rows, &a->classes, &a->inner);
  if (c->rows && !c->classes) refuse(c);
  a->type = c->type;
  note_enum(c, &a->type);
  take_executor(c, &a->executor);
  add_tensor(c, &a->input, &a->input_stride, of_type(c->type), false);
  if (backward || c->fault == UNWANTED) add_tensor(c, &a->upstream, &a->upstream_stride, of_type(c->type), false);
  if (!backward && c->fault == UNWANTED) refuse(c);
  if (c->function == OF_log_sum_exp && c->fault == UNWANTED) a->output_stride = c->classes * c->inner;
  if (c->function == OF_log_sum_exp)
    add_flat(c, &a->output, c->rows * c->inner, numbers(c), true);
  else
    out_tensor(c, &a->output, &a->output_stride, &a->input, &a->upstream);
  if (!any_output(c)) refuse(c);
}

void make_log_probs(struct call *c) {
  vloss_log_probs_args *a = &c->args.log_probs;
  const bool whole = c->function == OF_log_probs;
  const struct kind number = numbers(c);
  take_shape(c, &a->rows, &a->classes, &a->inner);
  const size_t rows = c->rows * c->inner;
  if (c->rows && !c->classes) refuse(c);
  a->type = c->type;
  a->label_type = (vloss_label_type)take_below(c, 2);
  a->flags = coin(c) ? VLOSS_UNCHECKED : 0;
  a->scale = (double)take_below(c, 3) / 2;
  a->softcap = (double)take_below(c, 2) * 30;
  note_enum(c, &a->type);
  note_enum(c, &a->label_type);
  note_enum(c, &a->ignore);
  note_enum(c, &a->flags);
  note_number(c, &a->scale, FLT_MIN, FLT_MAX);
  note_number(c, &a->softcap, FLT_MIN, FLT_MAX);
  take_executor(c, &a->executor);
  a->bad_row = &c->bad;
  add_tensor(c, &a->logits, &a->logits_stride, of_type(c->type), false);
  struct label_rules rules = take_ignore(c, &a->ignore, &a->ignore_index);
  rules.type = a->label_type;
  rules.classes = c->classes;
  a->ids_per_row = rows < 1000 ? take_below(c, 4) : 0;
  a->top = rows < 1000 ? take_below(c, 6) : 0;
  if (a->top == 5) a->top = 520; /* more than one read finds */
  if (a->top > c->classes) a->top = c->classes;
  const size_t ids = rows * a->ids_per_row;
  if (a->ids_per_row) checked_labels(c, &a->ids, a->ids_per_row, rules, a->flags);
  if (!whole) {
    a->total_classes = c->classes;
    const size_t bytes = vloss_log_probs_state_bytes(c->classes, a->ids_per_row, a->top);
    c->states = add_flat(c, &a->states, rows * bytes / sizeof(uint64_t), states(), true);
    take_parting(c, rows);
    if (c->fault == UNWANTED && !c->misuse) add_flat(c, &a->lse, rows, number, true), refuse(c);
    if (c->fault && !c->misuse) return;
    c->wanted.log_probs = *a;
    a = &c->wanted.log_probs;
    add_flat(c, &a->entropy, rows, number, true);
  }
  if (a->ids_per_row) {
    out_flat(c, &a->logprob, ids, number);
    if (whole) out_flat(c, &a->rank, ids, labels_of(a->label_type));
    if (whole) in_flat(c, &a->upstream, ids, number);
  }
  if (a->top) {
    out_flat(c, &a->top_id, rows * a->top, labels_of(a->label_type));
    out_flat(c, &a->top_logprob, rows * a->top, number);
  }
  out_flat(c, &a->max, rows, number);
  out_flat(c, &a->log_sum, rows, number);
  out_flat(c, &a->lse, rows, number);
  if (!whole) return;
  out_flat(c, &a->entropy, rows, number);
  in_flat(c, &a->entropy_upstream, rows, number);
  in_flat(c, &a->lse_upstream, rows, number);
  if (a->upstream || a->entropy_upstream || a->lse_upstream) out_tensor(c, &a->grad, &a->grad_stride, &a->logits, NULL);
  if (!any_output(c)) refuse(c);
  if (c->fault != UNWANTED) return;
  refuse(c);
  if (take_below(c, 2))
    a->class_offset = 1;
  else
    a->ignore = VLOSS_IGNORE_NOTHING, a->ignore_index = 1;
}

void make_divergence(struct call *c) {
  vloss_divergence_args *a = &c->args.divergence;
  const struct kind number = numbers(c);
  take_shape(c, &a->rows, &a->classes, &a->inner);
  const size_t rows = c->rows * c->inner;
  if (c->rows && !c->classes) refuse(c);
  a->kind = (vloss_divergence_kind)take_below(c, 4);
  a->student_type = c->type;
  a->teacher_type = (vloss_type)take_below(c, 4);
  if ((a->student_type == VLOSS_F64) != (a->teacher_type == VLOSS_F64)) a->teacher_type = c->type;
  a->scale = (double)take_below(c, 3) / 2;
  if (a->kind == VLOSS_JSD) a->beta = (double)take_below(c, 4) / 4;
  a->label_type = (vloss_label_type)take_below(c, 2);
  a->reduction = (vloss_reduction)take_below(c, 3);
  a->flags = coin(c) ? VLOSS_EMPTY_MEAN_ZERO : 0;
  note_enum(c, &a->kind);
  note_enum(c, &a->student_type);
  note_enum(c, &a->teacher_type);
  note_enum(c, &a->label_type);
  note_enum(c, &a->ignore);
  note_enum(c, &a->reduction);
  note_enum(c, &a->flags);
  note_number(c, &a->scale, FLT_MIN, FLT_MAX);
  note_number(c, &a->beta, 0, a->kind == VLOSS_JSD ? 1 - DBL_EPSILON : 0);
  take_executor(c, &a->executor);
  add_tensor(c, &a->student, &a->student_stride, of_type(a->student_type), false);
  add_tensor(c, &a->teacher, &a->teacher_stride, of_type(a->teacher_type), false);
  if (coin(c)) {
    struct label_rules rules = take_ignore(c, &a->ignore, &a->ignore_index);
    rules.type = a->label_type;
    rules.classes = c->classes;
    add_labels(c, &a->labels, rows, rules);
  }
  const size_t totals = a->reduction == VLOSS_NONE ? rows : 1;
  in_flat(c, &a->upstream, totals, number);
  out_flat(c, &a->loss, totals, number);
  out_flat(c, &a->same_top, rows, booleans());
  out_tensor(c, &a->grad, &a->grad_stride, &a->student, NULL);
  if (!any_output(c)) refuse(c);
  if (c->fault != UNWANTED) return;
  refuse(c);
  if (a->labels || take_below(c, 2))
    a->teacher_type = a->student_type == VLOSS_F64 ? VLOSS_F32 : VLOSS_F64;
  else
    a->ignore_index = 1;
}
