// The forms of every loss of the registry as functions of the bench: a new loss is among them by itself.
#include "functions.h"
#include "library.h"
#include "registry.h"

namespace {

vloss_status RunLoss(const vloss_loss_info &info, const problem &p, void *grad, void *losses = nullptr) {
  vloss_loss_args args{};
  args.kind = info.kind;
  args.type = p.type;
  args.rows = p.rows / p.inner;
  args.columns = p.classes;
  args.inner = p.inner;
  args.prediction = p.input;
  if (takes_target(info.operands)) args.target = p.target;
  if (info.operands & VLOSS_TAKES_TARGET_PER_ROW) args.target = p.row_target;
  if (info.operands & (VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS)) args.labels = p.labels;
  if (takes_other(info.operands)) args.other = p.other;
  args.parameters = p.parameters;
  args.parameter_count = info.parameter_count;
  args.reduction = losses != nullptr ? VLOSS_NONE : info.family == VLOSS_ROWS ? VLOSS_SUM : VLOSS_MEAN;
  args.loss = losses != nullptr ? losses : p.loss;
  args.grad = grad;
  args.executor = p.executor;
  return library->loss_sized(&args, sizeof args);
}

// The matrix holds elements, and losses are no elements where those have 16 bits.
vloss_status RunEach(const vloss_loss_info &info, const problem &p) {
  if (p.type == VLOSS_BF16 || p.type == VLOSS_F16) return VLOSS_ERROR_TYPE;
  return RunLoss(info, p, nullptr, p.matrix);
}

std::vector<double> ParametersOf(const vloss_loss_row &row) {
  std::vector<double> values;
  for (std::size_t i = 0; i < row.info.parameter_count; i++) values.push_back(value_of(&row, i));
  return values;
}

std::vector<Function> FormsOfAll() {
  std::vector<Function> forms;
  for (std::size_t i = 0; const vloss_loss_row *row = vloss_loss_row_at(i); i++) {
    const vloss_loss_info *const info = &row->info;
    if (info->family == VLOSS_LOGITS) continue;
    const std::size_t operands =
        1u + (takes_target(info->operands) ? 1u : 0u) + (takes_other(info->operands) ? 1u : 0u);
    forms.push_back({std::string(info->name) + "/forward", "read", false, Loss::kReduced, Matrix::kNone,
                     [info](const problem &p) { return RunLoss(*info, p, nullptr); },
                     [info](const plain_loops &of) { return of.loss(info->kind).forward; }, info, operands,
                     ParametersOf(*row)});
    forms.push_back({std::string(info->name) + "/forward_gradient", operands == 1 ? "copy" : "add", false,
                     Loss::kReduced, Matrix::kOutput, [info](const problem &p) { return RunLoss(*info, p, p.matrix); },

                     [info](const plain_loops &of) { return of.loss(info->kind).forward_gradient; }, info, operands + 1,
                     ParametersOf(*row)});
    if (info->family != VLOSS_ELEMENTWISE) continue;
    forms.push_back({std::string(info->name) + "/each", operands == 1 ? "copy" : "add", false, Loss::kNone,
                     Matrix::kLosses, [info](const problem &p) { return RunEach(*info, p); },
                     [info](const plain_loops &of) { return of.loss(info->kind).each; }, info, operands + 1,
                     ParametersOf(*row)});
  }
  return forms;
}

}  // namespace

const std::vector<Function> losses = FormsOfAll();
