// See inputs.h: what each operand of a function holds, and how such numbers are drawn.
#include "inputs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "data.h"
#include "random.h"

namespace {

// What an operand holds where its inputs are confident.
enum class Holds {
  kNothing,
  kLogits,
  kLogProbabilities,
  kProbabilities,
  kProbabilitiesBelowOne,
  kZeroOrOne,
  kSigns,
  kRowOfLogits,
  kRowOfLogProbabilities,
  kRowOfProbabilities,
  kUpstream
};
struct Operands {
  Holds input, second = Holds::kNothing, third = Holds::kNothing;  // second: target or upstream; third: other
};
const std::map<std::string, Operands> operands_of = {
    {"cross_entropy", {Holds::kRowOfLogits}},
    {"softmax", {Holds::kRowOfLogits}},
    {"softmax_backward", {Holds::kRowOfProbabilities, Holds::kUpstream}},
    {"log_softmax_backward", {Holds::kRowOfLogProbabilities, Holds::kUpstream}},
    {"bce", {Holds::kProbabilities, Holds::kZeroOrOne}},
    {"bce_with_logits", {Holds::kLogits, Holds::kZeroOrOne}},
    {"sigmoid_focal", {Holds::kLogits, Holds::kZeroOrOne}},
    {"keras_bce", {Holds::kProbabilitiesBelowOne, Holds::kZeroOrOne}},
    {"kl_div", {Holds::kLogProbabilities, Holds::kProbabilities}},
    {"hinge", {Holds::kLogits, Holds::kSigns}},
    {"squared_hinge", {Holds::kLogits, Holds::kSigns}},
    {"soft_margin", {Holds::kLogits, Holds::kSigns}},
    {"margin_ranking", {Holds::kLogits, Holds::kSigns, Holds::kLogits}},
    {"cosine_similarity", {Holds::kRowOfProbabilities, Holds::kRowOfProbabilities}},
    {"cosine_embedding", {Holds::kRowOfProbabilities, Holds::kNothing, Holds::kRowOfProbabilities}},
};

const Operands &OperandsOf(const Function &function) {
  return operands_of.at(function.name.substr(0, function.name.find('/')));
}

struct Arrays {
  std::array<float *, 3> operand;
};
const Arrays &OwnArrays() {
  static const Arrays arrays = [] {
    constexpr std::size_t kFloats = kCacheBytes / sizeof(float);
    return Arrays{{AllocateFloats(kFloats), AllocateFloats(kFloats), AllocateFloats(kFloats)}};
  }();
  return arrays;
}

// A probability near 0, but a normal number: e^-48 or e^-85; or near 1, which as a float is 1. Not where the plain
// loop's compiler may take 1 - p + eps for something else than it is.
float ConfidentProbability(Random &random, bool below_one) {
  if (random.Below(2)) return below_one ? 1 - 0x1p-12f : 1;
  return std::exp(-(random.Below(2) ? 48.0f : 85.0f) + random.Between(-1, 1));
}

float ConfidentElement(Random &random, Holds holds) {
  switch (holds) {
    case Holds::kLogits:
      return random.Sign() * ((random.Below(2) ? 48.0f : 95.0f) + random.Between(-1, 1));
    case Holds::kLogProbabilities:
      return random.Below(2) ? 0 : -(random.Below(2) ? 48.0f : 95.0f) + random.Between(-1, 1);
    case Holds::kProbabilities:
    case Holds::kProbabilitiesBelowOne:
      return ConfidentProbability(random, holds == Holds::kProbabilitiesBelowOne);
    case Holds::kZeroOrOne:
      return static_cast<float>(random.Below(2));
    case Holds::kSigns:
      return random.Sign();
    default:
      return random.Probability();
  }
}

// The others of a row lie up to 21 nats apart; `top` is ahead of the largest that there can be.
void ConfidentRow(Random &random, Holds holds, float *row, std::size_t classes, std::size_t top) {
  constexpr float kMost = 10.5f;
  const float ahead = random.Between(40, 106);
  for (std::size_t c = 0; c < classes; c++) {
    const float logit = c == top ? kMost + ahead : random.NormalLike();
    const float log_probability = logit - kMost - ahead;
    if (holds == Holds::kRowOfLogits) row[c] = logit;
    if (holds == Holds::kRowOfLogProbabilities) row[c] = log_probability;
    // As softmax gives them: what would not be a normal number is 0.
    if (holds == Holds::kRowOfProbabilities) row[c] = log_probability < -85 ? 0 : std::exp(log_probability);
  }
}

float DenormalElement(Random &random, Holds holds) {
  if (holds == Holds::kSigns) return random.Sign();
  const float magnitude = std::ldexp(static_cast<float>(1 + random.Below((1 << 23) - 1)), -149);
  switch (holds) {
    case Holds::kLogits:
    case Holds::kRowOfLogits:
      return random.Sign() * magnitude;
    case Holds::kLogProbabilities:
    case Holds::kRowOfLogProbabilities:
      return -magnitude;
    default:
      return magnitude;
  }
}

bool IsRow(Holds holds) { return holds >= Holds::kRowOfLogits && holds <= Holds::kRowOfProbabilities; }

}  // namespace

const char *NameOf(Inputs inputs) {
  return inputs == Inputs::kConfident ? "confident" : inputs == Inputs::kDenormal ? "denormal" : "ordinary";
}

bool TakesAwkward(const Function &function) {
  return function.matrix != Matrix::kInPlace && operands_of.count(function.name.substr(0, function.name.find('/')));
}

void PointToAwkward(problem &p) {
  const auto &[input, second, third] = OwnArrays().operand;
  p.input = input;
  p.upstream = p.target = second;
  p.other = third;
}

void FillAwkward(const Function &function, Inputs inputs, const problem &p) {
  const Operands &operands = OperandsOf(function);
  Random random;
  std::int64_t *const labels = SharedData().labels;
  for (std::size_t r = 0; r < p.rows; r++) {
    const std::size_t top = static_cast<std::size_t>(random.Below(p.classes));
    labels[r] = r % 4 < 3 ? static_cast<std::int64_t>(top) : random.Below(p.classes);  // right three times in four
    std::size_t operand = 0;
    for (const Holds holds : {operands.input, operands.second, operands.third}) {
      float *const row = OwnArrays().operand[operand++] + r * p.classes;
      if (holds == Holds::kNothing) continue;
      if (inputs == Inputs::kConfident && IsRow(holds))
        ConfidentRow(random, holds, row, p.classes, top);
      else if (inputs == Inputs::kConfident)
        std::generate_n(row, p.classes, [&] { return ConfidentElement(random, holds); });
      else
        std::generate_n(row, p.classes, [&] { return DenormalElement(random, holds); });
    }
  }
}
