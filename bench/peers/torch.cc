// PyTorch through libtorch: torch::nn::functional, the gradients by autograd.
#include <torch/torch.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "../plain.h"
#include "peers.h"
#include "vloss/vloss.h"

namespace {

namespace F = torch::nn::functional;
using torch::Tensor;

Tensor View(const void *data, at::IntArrayRef shape, at::ScalarType type) {
  return data ? torch::from_blob(const_cast<void *>(data), shape, type) : Tensor();
}
at::ScalarType TypeOf(const problem &p) {
  return p.type == VLOSS_BF16 ? at::kBFloat16 : p.type == VLOSS_F64 ? at::kDouble : at::kFloat;
}
at::ScalarType RowTypeOf(const problem &p) { return p.type == VLOSS_F64 ? at::kDouble : at::kFloat; }

// The problem as tensors on the same memory.
struct Operands {
  explicit Operands(const problem &p)
      : rows(static_cast<std::int64_t>(p.rows)),
        classes(static_cast<std::int64_t>(p.classes)),
        input(View(p.input, {rows, classes}, TypeOf(p))),
        upstream(View(p.upstream, {rows, classes}, TypeOf(p))),
        matrix(View(p.matrix, {rows, classes}, TypeOf(p))),
        target(View(p.target, {rows, classes}, TypeOf(p))),
        other(View(p.other, {rows, classes}, TypeOf(p))),
        row_target(View(p.row_target, {rows}, RowTypeOf(p))),
        labels(View(p.labels, {rows}, at::kLong)),
        label_lists(View(p.labels, {rows, classes}, at::kLong)),
        per_row(View(p.loss, {rows}, RowTypeOf(p))),
        parameters(p.parameters) {}

  std::int64_t rows, classes;
  Tensor input, upstream, matrix, target, other, row_target, labels, label_lists, per_row;
  const double *parameters;
  bool Switch(std::size_t i) const { return parameters[i] != 0; }
};
using Formula = Tensor (*)(const Operands &);
using Into = void (*)(Operands &);

// Elementwise losses as means, row losses as sums: the reductions of the bench.
const std::map<std::string, Formula> losses = {
    {"cross_entropy", [](const Operands &o) { return F::cross_entropy(o.input, o.labels); }},
    {"nll", [](const Operands &o) { return F::nll_loss(o.input, o.labels); }},
    {"l1", [](const Operands &o) { return F::l1_loss(o.input, o.target); }},
    {"mse", [](const Operands &o) { return F::mse_loss(o.input, o.target); }},
    {"smooth_l1",
     [](const Operands &o) { return F::smooth_l1_loss(o.input, o.target, torch::kMean, o.parameters[0]); }},
    {"huber",
     [](const Operands &o) {
       return F::huber_loss(o.input, o.target, F::HuberLossFuncOptions().delta(o.parameters[0]));
     }},
    {"bce", [](const Operands &o) { return F::binary_cross_entropy(o.input, o.target); }},
    {"bce_with_logits", [](const Operands &o) { return F::binary_cross_entropy_with_logits(o.input, o.target); }},
    {"sigmoid_focal",  // torchvision has it in Python only: the same operations
     [](const Operands &o) {
       const double alpha = o.parameters[0], gamma = o.parameters[1];
       const Tensor p = o.input.sigmoid();
       const Tensor entropy = F::binary_cross_entropy_with_logits(
           o.input, o.target, F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone));
       const Tensor correct = p * o.target + (1 - p) * (1 - o.target);
       return ((alpha * o.target + (1 - alpha) * (1 - o.target)) * (entropy * (1 - correct).pow(gamma))).mean();
     }},
    {"kl_div",  // F::kl_div warns of this reduction in every call
     [](const Operands &o) { return at::kl_div(o.input, o.target, at::Reduction::Mean, o.Switch(0)); }},
    {"poisson_nll",
     [](const Operands &o) {
       return F::poisson_nll_loss(
           o.input, o.target,
           F::PoissonNLLLossFuncOptions().log_input(o.Switch(0)).full(o.Switch(1)).eps(o.parameters[2]));
     }},
    {"gaussian_nll",  // in Python only: the same operations, for the default that full is 0
     [](const Operands &o) {
       const Tensor variance = o.other.clamp_min(o.parameters[1]);
       return (0.5 * (variance.log() + (o.input - o.target).square() / variance)).mean();
     }},
    {"hinge_embedding",
     [](const Operands &o) {
       return F::hinge_embedding_loss(o.input, o.target, F::HingeEmbeddingLossFuncOptions().margin(o.parameters[0]));
     }},
    {"soft_margin", [](const Operands &o) { return F::soft_margin_loss(o.input, o.target); }},
    {"margin_ranking",
     [](const Operands &o) {
       return F::margin_ranking_loss(o.input, o.other, o.target,
                                     F::MarginRankingLossFuncOptions().margin(o.parameters[0]));
     }},
    {"cosine_embedding",
     [](const Operands &o) {
       return F::cosine_embedding_loss(
           o.input, o.other, o.row_target,
           F::CosineEmbeddingLossFuncOptions().margin(o.parameters[0]).reduction(torch::kSum));
     }},
    {"multi_margin",
     [](const Operands &o) {
       return F::multi_margin_loss(o.input, o.labels,
                                   F::MultiMarginLossFuncOptions()
                                       .p(static_cast<std::int64_t>(o.parameters[0]))
                                       .margin(o.parameters[1])
                                       .reduction(torch::kSum));
     }},
    {"multilabel_margin",
     [](const Operands &o) { return F::multilabel_margin_loss(o.input, o.label_lists, torch::kSum); }},
    {"multilabel_soft_margin",
     [](const Operands &o) {
       return F::multilabel_soft_margin_loss(o.input, o.target,
                                             F::MultilabelSoftMarginLossFuncOptions().reduction(torch::kSum));
     }},
    {"triplet_margin",
     [](const Operands &o) {
       return F::triplet_margin_loss(o.input, o.target, o.other,
                                     F::TripletMarginLossFuncOptions()
                                         .margin(o.parameters[0])
                                         .p(o.parameters[1])
                                         .eps(o.parameters[2])
                                         .swap(o.Switch(3))
                                         .reduction(torch::kSum));
     }},
};

// KL(p || q) of each row.
Tensor Divergence(const Tensor &student, const Tensor &teacher) {
  return at::kl_div(student.log_softmax(1), teacher.log_softmax(1), at::Reduction::None, /*log_target=*/true).sum(1);
}

// What writes into memory that is given, as vloss does. The backward forms are those that autograd calls.
const std::map<std::string, Into> functions = {
    {"softmax", [](Operands &o) { at::_softmax_out(o.matrix, o.input, 1, false); }},
    {"log_softmax", [](Operands &o) { at::_log_softmax_out(o.matrix, o.input, 1, false); }},
    {"log_sum_exp", [](Operands &o) { at::logsumexp_out(o.per_row, o.input, 1); }},
    // As a server or an evaluation composes it: each step makes a tensor.
    {"log_probs/id",
     [](Operands &o) {
       const Tensor ids = o.labels.unsqueeze(1);
       const Tensor rank = o.input.gt(o.input.gather(1, ids)).sum(1);
       o.per_row.copy_(o.input.log_softmax(1).gather(1, ids).squeeze(1));
     }},
    {"log_probs/top",
     [](Operands &o) {
       const auto top = o.input.log_softmax(1).topk(std::min<std::int64_t>(PLAIN_TOP, o.classes), 1);
       at::logsumexp_out(o.per_row, o.input, 1);
     }},
    {"log_probs/entropy",
     [](Operands &o) {
       const Tensor log_p = o.input.log_softmax(1);
       o.per_row.copy_(-(log_p.exp() * log_p).sum(1));
     }},
    {"divergence/forward", [](Operands &o) { o.per_row.copy_(Divergence(o.input, o.upstream)); }},
    {"divergence/forward_gradient",
     [](Operands &o) {
       const at::AutoGradMode with_gradient(true);
       const Tensor student = o.input.detach().requires_grad_(), loss = Divergence(student, o.upstream);
       o.matrix.copy_(torch::autograd::grad({loss.sum()}, {student})[0]);
       o.per_row.copy_(loss.detach());
     }},
    {"softmax_backward",
     [](Operands &o) { at::_softmax_backward_data_out(o.matrix, o.upstream, o.input, 1, o.input.scalar_type()); }},
    {"log_softmax_backward",
     [](Operands &o) { at::_log_softmax_backward_data_out(o.matrix, o.upstream, o.input, 1, o.input.scalar_type()); }},
};

void Store(const problem &p, const Tensor &loss) { View(p.loss, {1}, RowTypeOf(p)).copy_(loss.reshape({1})); }

PeerCall Forward(Formula formula, const problem &p) {
  const auto loss = std::make_shared<Tensor>();
  return {[=, o = Operands(p)] {
            const torch::NoGradGuard guard;
            *loss = formula(o);
          },
          [=] { Store(p, *loss); }};
}

PeerCall ForwardGradient(Formula formula, const problem &p) {
  const auto loss = std::make_shared<Tensor>(), gradient = std::make_shared<Tensor>();
  Operands o(p);
  o.input.requires_grad_();
  return {[=] {
            *loss = *gradient = Tensor();  // first, so that their memory can be used again
            *loss = formula(o);
            *gradient = torch::autograd::grad({*loss}, {o.input})[0];
          },
          [=] {
            Store(p, *loss);
            Tensor(o.matrix).copy_(*gradient);
          }};
}

PeerCall Write(Into write, const problem &p) {
  return {[write, o = Operands(p)]() mutable {
    const torch::NoGradGuard guard;
    write(o);
  }};
}

}  // namespace

Peer Torch() {
  // libtorch stays with AVX2 unless told otherwise, and believes what it is told.
  if (!vloss_isa_unsupported_reason("avx512")) setenv("ATEN_CPU_CAPABILITY", "avx512", /*overwrite=*/0);
  at::set_num_threads(1);
  const std::string config = torch::show_config(), key = "CPU capability usage: ";
  const std::size_t start = config.find(key);
  std::string capability;
  if (start != std::string::npos)
    capability = ", " + config.substr(start + key.size(), config.find('\n', start) - start - key.size());

  Peer peer{"torch",
            TORCH_VERSION + capability,
            "torch::nn::functional, gradients by autograd; at::_softmax_out and the like",
            {}};
  for (const auto &[name, formula] : losses) {
    peer.functions[name + "/forward"] = [f = formula](const problem &p) { return Forward(f, p); };
    peer.functions[name + "/forward_gradient"] = [f = formula](const problem &p) { return ForwardGradient(f, p); };
  }
  for (const auto &[name, write] : functions)
    peer.functions[name] = [w = write](const problem &p) { return Write(w, p); };
  return peer;
}
