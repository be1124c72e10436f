/* See families.h: vloss_loss, of every kind, with the operands that the registry says it takes. */
#include "families.h"

static void take_parameters(struct call *c, vloss_loss_args *a, const vloss_loss_info *info) {
  a->parameter_count = take_below(c, info->parameter_count + 1);
  if (c->fault == UNWANTED && take_below(c, 2)) a->parameter_count = info->parameter_count + 1, refuse(c);
  if (!a->parameter_count) return;
  a->parameters = c->parameters;
  for (size_t i = 0; i < a->parameter_count && i < info->parameter_count; i++) {
    const vloss_parameter_info *p = &info->parameters[i];
    const double by_choice[] = {p->default_value, p->minimum, p->maximum, 1, 1.5, 3, 1e-3, 1e-30};
    const double v = by_choice[take_below(c, sizeof by_choice / sizeof *by_choice)];
    const bool right = (p->above_minimum ? v > p->minimum : v >= p->minimum) && v <= p->maximum;
    c->parameters[i] = right && !(p->whole && v != (double)(int)v) ? v : p->default_value;
    if (c->number_count < FUZZ_MAX_NUMBERS) note_number(c, &c->parameters[i], p->minimum, p->maximum);
  }
}

/* An operand that may be of less than full size. */
static void spread_operand(struct call *c, void *field, size_t *stride, vloss_spread spread) {
  const size_t counts[] = {0, c->classes, c->rows * c->inner, 1};
  if (spread == VLOSS_PER_ELEMENT)
    add_tensor(c, field, stride, of_type(c->type), false);
  else
    add_flat(c, field, counts[spread], numbers(c), false);
}

static vloss_spread take_weights_spread(struct call *c, const vloss_loss_info *info) {
  const vloss_spread spread = (vloss_spread)take_below(c, 4);
  if (info->family == VLOSS_ELEMENTWISE) return spread;
  if (!(info->operands & VLOSS_WEIGHTS_A_CLASS)) return spread == VLOSS_PER_ROW ? spread : VLOSS_PER_CALL;
  return spread == VLOSS_PER_ELEMENT && info->operands & VLOSS_WEIGHTS_AN_ELEMENT ? spread : VLOSS_PER_COLUMN;
}

static void loss_operands(struct call *c, vloss_loss_args *a, const vloss_loss_info *info) {
  const size_t rows = c->rows * c->inner;
  add_tensor(c, &a->prediction, &a->prediction_stride, of_type(c->type), false);
  if (info->operands & VLOSS_TAKES_TARGET_PER_ROW)
    add_flat(c, &a->target, rows, numbers(c), false);
  else if (info->operands & VLOSS_TAKES_TARGET || c->fault == UNWANTED)
    add_tensor(c, &a->target, &a->target_stride, of_type(c->type), false);
  const struct label_rules rules = {a->label_type, c->classes, false, 0}, list = {a->label_type, c->classes, true, -1};
  if (info->operands & VLOSS_TAKES_LABELS) checked_labels(c, &a->labels, 1, rules, a->flags);
  if (info->operands & VLOSS_TAKES_LABEL_LISTS && add_labels(c, &a->labels, rows * c->classes, list) != SIZE_MAX)
    doubt(c); /* it may stand behind the end of the list */
  if (info->operands & VLOSS_TAKES_OTHER && (coin(c) || !(info->operands & VLOSS_OTHER_OPTIONAL))) {
    if (info->operands & VLOSS_OTHER_SPREADS) a->other_spread = (vloss_spread)take_below(c, 4);
    spread_operand(c, &a->other, &a->other_stride, a->other_spread);
  }
  if (!c->plain && coin(c)) {
    a->weights_spread = take_weights_spread(c, info);
    spread_operand(c, &a->weights, &a->weights_stride, a->weights_spread);
  }
  if (!(info->operands & VLOSS_TAKES_TARGET) && !(info->operands & VLOSS_TAKES_TARGET_PER_ROW) && a->target) refuse(c);
}

static size_t losses_of(const struct call *c, const vloss_loss_args *a, const vloss_loss_info *info) {
  const size_t rows = c->rows * c->inner;
  if (a->reduction == VLOSS_KERAS_NONE || (a->reduction == VLOSS_NONE && info->family == VLOSS_ROWS)) return rows;
  return a->reduction == VLOSS_NONE ? rows * c->classes : 1;
}

/* Rows that lie side by side, as many as the array has room for. */
static void take_rows_beside(struct call *c, vloss_loss_args *a) {
  static const uint8_t beside[] = {1, 2, 3, 1, 4, 5, 8, 13, 16, 17, 31, 64};
  enum { MOST = 21000 };
  c->inner = beside[take_below(c, sizeof beside)];
  if (c->classes * c->inner > MOST) c->inner = 1;
  c->rows = (c->rows + c->inner - 1) / c->inner;
  a->rows = c->rows;
  a->inner = c->inner;
  if (c->rows && !c->classes) refuse(c);
}

/* Any but those of logits, which other functions compute. */
static const vloss_loss_info *take_kind(struct call *c) {
  size_t count = 0;
  while (vloss_loss_info_of((vloss_loss_kind)(VLOSS_L1 + count))) count++;
  return vloss_loss_info_of((vloss_loss_kind)(VLOSS_L1 + take_below(c, count)));
}

void make_loss(struct call *c) {
  vloss_loss_args *a = &c->args.loss;
  const vloss_loss_info *info = take_kind(c);
  a->kind = info->kind;
  take_shape(c, &a->rows, &a->columns, &a->inner);
  if (info->family == VLOSS_ROWS) take_rows_beside(c, a);
  a->type = c->type;
  a->label_type = (vloss_label_type)(c->plain ? VLOSS_I64 : take_below(c, 2));
  a->reduction = (vloss_reduction)take_below(c, 7);
  a->flags = (uint32_t)take_below(c, 4);
  note_enum(c, &a->kind);
  note_enum(c, &a->type);
  note_enum(c, &a->label_type);
  note_enum(c, &a->other_spread);
  note_enum(c, &a->weights_spread);
  note_enum(c, &a->reduction);
  note_enum(c, &a->flags);
  take_executor(c, &a->executor);
  a->bad_index = &c->bad;
  take_parameters(c, a, info);
  loss_operands(c, a, info);
  c->may_find_bad_values = !(a->flags & VLOSS_UNCHECKED) &&
                           (a->kind == VLOSS_BCE || a->kind == VLOSS_POISSON_NLL || a->kind == VLOSS_GAUSSIAN_NLL);
  const size_t losses = losses_of(c, a, info);
  const bool list = info->operands & VLOSS_TAKES_LABEL_LISTS;
  const void *const p = list ? NULL : &a->prediction;
  const void *const t = info->operands & VLOSS_TAKES_TARGET_PER_ROW ? NULL : &a->target;
  in_flat(c, &a->upstream, losses, numbers(c));
  out_flat(c, &a->loss, losses, numbers(c));
  out_tensor(c, &a->grad, &a->grad_stride, p, t);
  if (info->operands & VLOSS_GRAD_TARGET) out_tensor(c, &a->grad_target, &a->grad_target_stride, p, t);
  if (info->operands & VLOSS_GRAD_OTHER && a->other && a->other_spread == VLOSS_PER_ELEMENT)
    out_tensor(c, &a->grad_other, &a->grad_other_stride, &a->other, NULL);
  if (!any_output(c)) refuse(c);
  if (c->fault != UNWANTED || !a->weights || info->family != VLOSS_ROWS) return;
  a->weights_spread = info->operands & VLOSS_WEIGHTS_A_CLASS ? VLOSS_PER_ROW : VLOSS_PER_COLUMN;
  refuse(c);
}
