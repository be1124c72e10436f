// The table of functions. A function of the library is one row here; its sizes, ISAs, comparison and place in the
// table follow.
#include "functions.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "library.h"

namespace {

vloss_cross_entropy_args RowsOf(const problem &p) {
  vloss_cross_entropy_args args{};
  args.rows = p.rows / p.inner;
  args.classes = p.classes;
  args.inner = p.inner;
  args.type = p.type;
  args.logits = p.input;
  args.labels = p.labels;
  args.loss = p.loss;
  args.executor = p.executor;
  return args;
}

vloss_status CrossEntropy(const problem &p) {
  const vloss_cross_entropy_args args = RowsOf(p);
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status CrossEntropyGradient(const problem &p) {
  vloss_cross_entropy_args args = RowsOf(p);
  args.grad = p.matrix;
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status CrossEntropyInPlace(const problem &p) {
  vloss_cross_entropy_args args = RowsOf(p);
  args.logits = args.grad = p.matrix;
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status CrossEntropyZLoss(const problem &p) {
  vloss_cross_entropy_args args = RowsOf(p);
  args.grad = p.matrix;
  args.z_loss = PLAIN_Z_LOSS;
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status CrossEntropySoftcap(const problem &p) {
  vloss_cross_entropy_args args = RowsOf(p);
  args.grad = p.matrix;
  args.softcap = PLAIN_SOFTCAP;
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status Nll(const problem &p) {
  const vloss_cross_entropy_args args = RowsOf(p);
  return library->nll_sized(&args, sizeof args);
}

vloss_status NllGradient(const problem &p) {
  vloss_cross_entropy_args args = RowsOf(p);
  args.grad = p.matrix;
  return library->nll_sized(&args, sizeof args);
}

vloss_softmax_args MatrixOf(const problem &p, void *output) {
  vloss_softmax_args args{};
  args.rows = p.rows / p.inner;
  args.classes = p.classes;
  args.inner = p.inner;
  args.type = p.type;
  args.input = p.input;
  args.output = output;
  args.executor = p.executor;
  return args;
}

vloss_status LogSumExp(const problem &p) {
  const vloss_softmax_args args = MatrixOf(p, p.loss);
  return library->log_sum_exp_sized(&args, sizeof args);
}

template <auto function>  // a member of struct library
vloss_status Forward(const problem &p) {
  const vloss_softmax_args args = MatrixOf(p, p.matrix);
  return (library->*function)(&args, sizeof args);
}

template <auto function>  // a member of struct library
vloss_status Backward(const problem &p) {
  vloss_softmax_args args = MatrixOf(p, p.matrix);
  args.upstream = p.upstream;
  return (library->*function)(&args, sizeof args);
}

// What a call writes beside what is compared; large enough after the first one.
template <typename T>
T *Scratch(std::size_t count) {
  static std::vector<T> values;
  if (values.size() < count) values.resize(count);
  return values.data();
}

vloss_log_probs_args LogProbsOf(const problem &p) {
  vloss_log_probs_args args{};
  args.rows = p.rows / p.inner;
  args.classes = p.classes;
  args.inner = p.inner;
  args.type = p.type;
  args.logits = p.input;
  args.executor = p.executor;
  return args;
}

// What a server or an evaluation wants of a token: its log-probability and its rank; and log-sum-exp.
vloss_status LogProbOfId(const problem &p) {
  vloss_log_probs_args args = LogProbsOf(p);
  args.ids = p.labels;
  args.ids_per_row = 1;
  args.logprob = p.loss;
  args.rank = Scratch<std::int64_t>(p.rows);
  args.lse = Scratch<double>(p.rows);
  return library->log_probs_sized(&args, sizeof args);
}

vloss_status LogProbsOfTop(const problem &p) {
  vloss_log_probs_args args = LogProbsOf(p);
  args.top = std::min<std::size_t>(PLAIN_TOP, p.classes);
  args.top_id = Scratch<std::int64_t>(p.rows * PLAIN_TOP);
  args.top_logprob = Scratch<double>(p.rows * PLAIN_TOP);
  args.lse = p.loss;
  return library->log_probs_sized(&args, sizeof args);
}

vloss_status Entropy(const problem &p) {
  vloss_log_probs_args args = LogProbsOf(p);
  args.entropy = p.loss;
  return library->log_probs_sized(&args, sizeof args);
}

// KL(p || q) of a teacher's rows and a student's.
vloss_divergence_args DivergenceOf(const problem &p) {
  vloss_divergence_args args{};
  args.rows = p.rows / p.inner;
  args.classes = p.classes;
  args.inner = p.inner;
  args.student_type = args.teacher_type = p.type;
  args.student = p.input;
  args.teacher = p.upstream;
  args.reduction = VLOSS_NONE;
  args.loss = p.loss;
  args.executor = p.executor;
  return args;
}

vloss_status Divergence(const problem &p) {
  const vloss_divergence_args args = DivergenceOf(p);
  return library->divergence_sized(&args, sizeof args);
}

vloss_status DivergenceGradient(const problem &p) {
  vloss_divergence_args args = DivergenceOf(p);
  args.grad = p.matrix;
  return library->divergence_sized(&args, sizeof args);
}

}  // namespace

// clang-format off
const std::vector<Function> functions = {
  // name                            traffic   headline  loss            matrix
  {"cross_entropy/forward",           "read",   true,     Loss::kReduced, Matrix::kNone,
   CrossEntropy, &plain_loops::cross_entropy},
  {"cross_entropy/forward_gradient",  "copy",   true,     Loss::kReduced, Matrix::kOutput,
   CrossEntropyGradient, &plain_loops::cross_entropy_gradient},
  {"cross_entropy/in_place",          "update", false,    Loss::kReduced, Matrix::kInPlace,
   CrossEntropyInPlace, &plain_loops::cross_entropy_in_place},
  {"cross_entropy/z_loss",            "copy",   false,    Loss::kReduced, Matrix::kOutput,
   CrossEntropyZLoss, &plain_loops::cross_entropy_z_loss},
  {"cross_entropy/softcap",           "copy",   false,    Loss::kReduced, Matrix::kOutput,
   CrossEntropySoftcap, &plain_loops::cross_entropy_softcap},
  {"softmax",                         "copy",   false,    Loss::kNone,    Matrix::kOutput,
   Forward<&library::softmax_sized>, &plain_loops::softmax},
  {"log_softmax",                     "copy",   false,    Loss::kNone,    Matrix::kOutput,
   Forward<&library::log_softmax_sized>, &plain_loops::log_softmax},
  {"log_sum_exp",                     "read",   false,    Loss::kPerRow,  Matrix::kNone,
   LogSumExp, &plain_loops::log_sum_exp},
  {"softmax_backward",                "add",    false,    Loss::kNone,    Matrix::kBackward,
   Backward<&library::softmax_backward_sized>, &plain_loops::softmax_backward},
  {"log_softmax_backward",            "add",    false,    Loss::kNone,    Matrix::kBackward,
   Backward<&library::log_softmax_backward_sized>, &plain_loops::log_softmax_backward},
  {"log_probs/id",                    "read",   false,    Loss::kPerRow,  Matrix::kNone,
   LogProbOfId, &plain_loops::log_prob_of_id},
  {"log_probs/top",                   "read",   false,    Loss::kPerRow,  Matrix::kNone,
   LogProbsOfTop, &plain_loops::log_probs_of_top},
  {"log_probs/entropy",               "read",   false,    Loss::kPerRow,  Matrix::kNone,
   Entropy, &plain_loops::entropy},
  {"divergence/forward",              "read",   false,    Loss::kPerRow,  Matrix::kNone,
   Divergence, &plain_loops::divergence, nullptr, 2},
  {"divergence/forward_gradient",     "add",    false,    Loss::kPerRow,  Matrix::kOutput,
   DivergenceGradient, &plain_loops::divergence_gradient},
  {"nll/forward",                     "",       false,    Loss::kReduced, Matrix::kNone,
   Nll, &plain_loops::nll},
  {"nll/forward_gradient",            "fill",   false,    Loss::kReduced, Matrix::kOutput,
   NllGradient, &plain_loops::nll_gradient},
};
// clang-format on

// A call without rows says whether the type is taken.
bool Takes(const Function &function, vloss_type type) {
  alignas(sizeof(double)) static double one[4];
  problem p{};
  p.classes = p.inner = 1;
  p.type = type;
  p.matrix = one;
  p.loss = one + 1;
  p.parameters = function.parameters.data();
  const vloss_status status = function.vloss(p);  // any other refusal than these is for its rows to tell
  return status != VLOSS_ERROR_TYPE && status != VLOSS_ERROR_NO_SLEEF && status != VLOSS_ERROR_NO_FMA;
}
