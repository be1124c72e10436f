/* vloss.hpp: every class and function against the call of vloss.h that it stands for, bit for bit; threads; lengths and
 * types that do not fit, which leave everything as it was; and what vloss itself refuses. */
#include <array>
#include <cstdio>
#include <cstring>
#include <vloss/vloss.hpp>

namespace {

int checks = 0, failures = 0;
void Expect(bool condition, const char *what) {
  checks++;
  if (condition) return;
  failures++;
  std::fprintf(stderr, "fails: %s\n", what);
}
template <class Container>
bool Same(const Container &a, const Container &b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
}
template <class Exception, class Body>
std::string Thrown(const Body &body) {
  try {
    body();
  } catch (const Exception &e) {
    return e.what();
  }
  return "";
}

constexpr std::size_t kRows = 40, kClasses = 1000;
template <class T>
std::vector<T> Numbers(std::size_t n, unsigned seed) {
  std::vector<T> values(n);
  for (T &value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<T>(seed >> 8) / static_cast<T>(1 << 22) - 2;
  }
  return values;
}
std::vector<std::int64_t> Labels() {
  std::vector<std::int64_t> labels(kRows);
  for (std::size_t i = 0; i < kRows; i++) labels[i] = static_cast<std::int64_t>(i * 7919 % kClasses);
  labels[3] = -100;
  return labels;
}

template <class T>
void CrossEntropies(vloss_type type) {
  const std::vector<T> logits = Numbers<T>(kRows * kClasses, 1), weights = Numbers<T>(kClasses, 2);
  const std::vector<std::int64_t> labels = Labels();
  std::vector<T> grad[2], lse[2];
  std::vector<std::int64_t> predicted[2];
  T loss[2];
  for (int i = 0; i < 2; i++) grad[i].resize(logits.size()), lse[i].resize(kRows), predicted[i].resize(kRows);
  vloss_cross_entropy_args args{};
  args.rows = kRows;
  args.classes = kClasses;
  args.logits = logits.data();
  args.type = type;
  args.labels = labels.data();
  args.weights = weights.data();
  args.label_smoothing = 0.1;
  args.loss = &loss[0];
  args.grad = grad[0].data();
  args.lse = lse[0].data();
  args.predicted = predicted[0].data();
  vloss::require(vloss_cross_entropy(&args));
  const vloss::threads threads(3);
  vloss::cross_entropy call(vloss::tensor(logits, kRows, kClasses));
  call.labels(labels).weights(weights).label_smoothing(0.1).loss(loss[1]).grad({grad[1], kRows, kClasses});
  call.lse(lse[1]).predicted(predicted[1]).executor(threads).run();
  Expect(loss[0] == loss[1] && Same(grad[0], grad[1]) && Same(lse[0], lse[1]) && Same(predicted[0], predicted[1]),
         "cross_entropy");
  vloss::cross_entropy(vloss::tensor(logits, kRows, kClasses)).labels(labels).loss(loss[1]).nll();
  args = {};
  args.rows = kRows, args.classes = kClasses, args.type = type, args.logits = logits.data(),
  args.labels = labels.data();
  args.loss = &loss[0];
  vloss::require(vloss_nll(&args));
  Expect(loss[0] == loss[1], "nll");
}

void LogProbs() {
  const std::vector<float> logits = Numbers<float>(kRows * kClasses, 3);
  const std::vector<std::int64_t> labels = Labels();
  std::vector<float> logprob[2], top_logprob[2], entropy[2];
  std::vector<std::int64_t> rank[2], top_id[2];
  for (int i = 0; i < 2; i++) {
    logprob[i].resize(kRows), entropy[i].resize(kRows), rank[i].resize(kRows);
    top_logprob[i].resize(5 * kRows), top_id[i].resize(5 * kRows);
  }
  vloss_log_probs_args args{};
  args.rows = kRows, args.classes = kClasses, args.logits = logits.data(), args.ids = labels.data(),
  args.ids_per_row = 1;
  args.logprob = logprob[0].data(), args.rank = rank[0].data(), args.top = 5, args.top_id = top_id[0].data();
  args.top_logprob = top_logprob[0].data(), args.entropy = entropy[0].data(), args.scale = 0.5;
  vloss::require(vloss_log_probs(&args));
  vloss::log_probs call(vloss::tensor(logits, kRows, kClasses));
  call.ids(labels).logprob(logprob[1]).rank(rank[1]).top(5).top_id(top_id[1]).top_logprob(top_logprob[1]);
  call.entropy(entropy[1]).scale(0.5).run();
  Expect(Same(logprob[0], logprob[1]) && Same(rank[0], rank[1]) && Same(top_id[0], top_id[1]) &&
             Same(top_logprob[0], top_logprob[1]) && Same(entropy[0], entropy[1]),
         "log_probs");
  std::vector<std::int32_t> narrow(kRows);
  Expect(
      Thrown<std::invalid_argument>([&] { call.rank(narrow); }) == "vloss: rank is not of the type of the other labels",
      "ranks of another type");
}

void Divergences() {
  const std::vector<float> student = Numbers<float>(kRows * kClasses, 4), teacher = Numbers<float>(kRows * kClasses, 5);
  std::vector<float> grad[2], losses[2];
  std::vector<std::int32_t> same_top[2];
  for (int i = 0; i < 2; i++) grad[i].resize(student.size()), losses[i].resize(kRows), same_top[i].resize(kRows);
  vloss_divergence_args args{};
  args.kind = VLOSS_JSD, args.rows = kRows, args.classes = kClasses, args.student = student.data();
  args.teacher = teacher.data(), args.beta = 0.25, args.reduction = VLOSS_NONE, args.loss = losses[0].data();
  args.grad = grad[0].data(), args.same_top = same_top[0].data();
  vloss::require(vloss_divergence(&args));
  vloss::divergence(VLOSS_JSD, vloss::tensor(student, kRows, kClasses), vloss::tensor(teacher, kRows, kClasses))
      .beta(0.25)
      .reduction(VLOSS_NONE)
      .loss(losses[1])
      .grad({grad[1], kRows, kClasses})
      .same_top(same_top[1])
      .run();
  Expect(Same(grad[0], grad[1]) && Same(losses[0], losses[1]) && Same(same_top[0], same_top[1]), "divergence");
}

void Losses() {
  const std::vector<float> p = Numbers<float>(kRows * kClasses, 6), t = Numbers<float>(kRows * kClasses, 7);
  std::vector<float> grad[2], losses[2];
  const double delta = 0.5;
  for (int i = 0; i < 2; i++) grad[i].resize(p.size()), losses[i].resize(p.size());
  vloss_loss_args args{};
  args.kind = VLOSS_HUBER, args.rows = kRows, args.columns = kClasses, args.prediction = p.data(),
  args.target = t.data();
  args.parameters = &delta, args.parameter_count = 1, args.reduction = VLOSS_NONE, args.loss = losses[0].data();
  args.grad = grad[0].data();
  vloss::require(vloss_loss(&args));
  vloss::loss call(VLOSS_HUBER, vloss::tensor(p, kRows, kClasses));
  call.target({t, kRows, kClasses}).parameters({0.5}).reduction(VLOSS_NONE).losses(losses[1]);
  call.grad({grad[1], kRows, kClasses}).run();
  Expect(Same(grad[0], grad[1]) && Same(losses[0], losses[1]), "loss");
  Expect(Thrown<vloss::error>([&] { call.parameters({-1}).run(); }) != "" && call.bad_index() == 0, "a bad parameter");
}

void Softmaxes() {
  const std::vector<float> x = Numbers<float>(kRows * kClasses, 8), h = Numbers<float>(kRows * kClasses, 9);
  std::vector<float> out[2], sums[2];
  for (int i = 0; i < 2; i++) out[i].resize(x.size()), sums[i].resize(kRows);
  vloss_softmax_args args{};
  args.rows = kRows, args.classes = kClasses, args.input = x.data(), args.output = out[0].data();
  const vloss::tensor input(x, kRows, kClasses), upstream(h, kRows, kClasses);
  const vloss::tensor<float> output(out[1], kRows, kClasses);
  vloss::require(vloss_softmax(&args));
  vloss::softmax(input, output);
  Expect(Same(out[0], out[1]), "softmax");
  vloss::require(vloss_log_softmax(&args));
  vloss::log_softmax(input, output);
  Expect(Same(out[0], out[1]), "log_softmax");
  args.upstream = h.data();
  vloss::require(vloss_softmax_backward(&args));
  vloss::softmax_backward(input, upstream, output);
  Expect(Same(out[0], out[1]), "softmax_backward");
  vloss::require(vloss_log_softmax_backward(&args));
  vloss::log_softmax_backward(input, upstream, output);
  Expect(Same(out[0], out[1]), "log_softmax_backward");
  args.upstream = nullptr;
  args.output = sums[0].data();
  vloss::require(vloss_log_sum_exp(&args));
  vloss::log_sum_exp(input, sums[1]);
  Expect(Same(sums[0], sums[1]), "log_sum_exp");
}

void Halves() {
  std::vector<vloss::bf16> logits(6, vloss::bf16{0x3f80}), grad(6);
  const std::array<std::int32_t, 2> labels{2, 0};
  float loss = 0;
  try {
    vloss::cross_entropy(vloss::tensor(logits, 2, 3)).labels(labels).loss(loss).grad({grad, 2, 3}).run();
  } catch (const vloss::error &e) {
    Expect(e.status() == VLOSS_ERROR_TYPE, "bf16 in a library without it");
    return;
  }
  Expect(loss > 1.0986f && loss < 1.0987f && grad[0].bits == 0x3e2b, "bf16"); /* log 3; 1/6 */
}

void Refusals() {
  std::vector<float> logits = Numbers<float>(6, 10), grad(6, 7.0f), losses(2, 7.0f);
  std::vector<std::int64_t> labels{2, 3};
  float loss = 7;
  vloss::cross_entropy call(vloss::tensor(logits, 2, 3));
  call.labels(labels).loss(loss).grad({grad, 2, 3});
  Expect(Thrown<vloss::error>([&] { call.run(); }).find("label") != std::string::npos && call.bad_row() == 1,
         "a label out of range");
  Expect(loss == 7 && grad[0] == 7, "nothing is written");
  labels[1] = 0;
  Expect(Thrown<std::invalid_argument>([&] { call.loss(losses).run(); }) == "vloss: loss has 2 elements, not 1",
         "losses of a mean");
  call.reduction(VLOSS_NONE).run();
  Expect(losses[0] != 7, "losses of rows");
  const auto throws = [](const auto &body) { return Thrown<std::invalid_argument>(body) != ""; };
  Expect(throws([&] { call.labels(std::vector<std::int64_t>(3)); }), "three labels of two rows");
  Expect(throws([&] { call.weights(losses); }), "two weights of three classes");
  Expect(Thrown<std::invalid_argument>([&] {
           call.grad({grad, 3, 2});
         }) == "vloss: grad is 3 x 2 x 1, not 2 x 3 x 1",
         "a gradient of another shape");
  Expect(Thrown<vloss::error>([&] { call.grad({grad, 2, 3, 1, 2}).run(); }) != "", "a stride that is too small");
  Expect(throws([&] { vloss::tensor(logits, 2, 4); }), "a tensor of more elements than there are");
  Expect(throws([&] { vloss::tensor(logits, 1, 3); }), "a tensor of fewer");
  Expect(throws([&] { vloss::tensor(logits, 2, 3, 1, 4); }), "rows that lie too far apart");
  std::vector<std::int32_t> narrow(2);
  Expect(throws([&] { call.predicted(narrow); }), "predictions of another type than labels");
  try {
    vloss::cross_entropy(vloss::tensor(logits, 2, 3)).run();
    Expect(false, "a call without labels");
  } catch (const vloss::error &e) {
    Expect(e.status() == VLOSS_ERROR_NO_OUTPUT || e.status() == VLOSS_ERROR_NULL, "a call without labels");
  }
}

}  // namespace

int main() {
  CrossEntropies<float>(VLOSS_F32);
#ifdef VLOSS_WITH_F64
  CrossEntropies<double>(VLOSS_F64);
#endif
  LogProbs();
  Divergences();
  Losses();
  Softmaxes();
  Halves();
  Refusals();
  std::printf("vloss.hpp: %d checks, %d failed\n", checks, failures);
  return failures != 0;
}
