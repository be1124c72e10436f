// See sizes.h: sizes from the caches up to memory.
#include "sizes.h"

#include <algorithm>

#include "data.h"

namespace {

constexpr std::size_t kClasses[] = {10, 128, 1000, 32000, 50257, 128256};
constexpr std::size_t kLossClasses = 1000;  // of row losses, and where speed is measured against size

// With other inputs: 16 rows are turned; are side by side; or each is added up along its classes.
constexpr std::size_t kAwkwardClasses[] = {10, 128, 1000};

// Around 8 and 16 positions vectors begin to be full; 49 and 196 are images of 7 x 7 and 14 x 14. About as many rows as
// the last for all, in a large L2 or else in L3.
constexpr std::size_t kInner[] = {1, 2, 3, 8, 49, 196}, kInnerRows = 196;
constexpr const char *kWithInner[] = {"cross_entropy/forward_gradient", "softmax",
                                      "cosine_similarity/forward_gradient"};

const Place &PlaceOf(bool memory) { return Places()[memory ? 3 : 1]; }
bool IsMemory(const Place &place) { return &place == &PlaceOf(true); }

// What the table times of the types beside f32.
constexpr const char *kTyped[] = {
    "cross_entropy/forward",   "cross_entropy/forward_gradient",  "softmax", "mse/forward", "mse/forward_gradient",
    "bce_with_logits/forward", "bce_with_logits/forward_gradient"};
constexpr std::size_t kTypedClasses[] = {50257, 128,
                                         1000};  // of the functions of logits; the first alone in the tables

// What the table times with all sizes, from L1 to memory, and with other inputs: functions, with all their forms or
// one, that tell of the others.
constexpr const char *kTelling[] = {"cross_entropy/forward",
                                    "cross_entropy/forward_gradient",
                                    "softmax",
                                    "log_softmax",
                                    "mse",
                                    "huber",
                                    "bce",
                                    "bce_with_logits",
                                    "kl_div",
                                    "hinge",
                                    "cosine_similarity"};
bool IsTelling(const Function &function) {
  const std::string name = function.name.substr(0, function.name.find('/'));
  return std::any_of(std::begin(kTelling), std::end(kTelling),
                     [&](const char *of) { return name == of || function.name == of; });
}
bool IsFull(Plan plan) { return plan == Plan::kEverything || plan == Plan::kFull; }
// From L1 to memory, and not only in L2.
bool GoesEverywhere(const Function &function, Plan plan) {
  return IsFull(plan) || (plan == Plan::kTable && IsTelling(function));
}

constexpr std::size_t kCallElements = 4096;
constexpr std::size_t kColdClasses[] = {32000, 72547};

// What the table calls with all sizes and on all ISAs.
constexpr const char *kCalledOften[] = {"cross_entropy/forward",
                                        "cross_entropy/forward_gradient",
                                        "softmax",
                                        "log_softmax",
                                        "nll/forward",
                                        "cosine_similarity/forward",
                                        "mse/forward",
                                        "mse/forward_gradient",
                                        "bce_with_logits/forward_gradient"};
bool IsCalledOften(const Function &function) {
  return std::any_of(std::begin(kCalledOften), std::end(kCalledOften),
                     [&](const char *name) { return function.name == name; });
}

std::size_t ElementsOf(const Function &function, const Place &place, vloss_type type) {
  return place.bytes / SizeOf(type) / ArraysOf(function);
}

Size Rows(const Function &function, std::size_t classes, const Place &place, vloss_type type = VLOSS_F32) {
  const std::size_t most = TakesLabelLists(function) ? MostLabels() / classes : MostRows();
  const std::size_t rows = std::clamp<std::size_t>(ElementsOf(function, place, type) / classes, 1, most);
  Size size{classes, rows, IsMemory(place), rows * classes * ArraysOf(function) * SizeOf(type)};
  size.type = type;
  return size;
}

// As many as the loops of the memory's limits work on; where L1 does not hold as many, a multiple of any vector.
Size Elements(const Function &function, const Place &place, vloss_type type) {
  const std::size_t room = ElementsOf(function, place, type);
  const std::size_t step = room < BENCH_LIMIT_BLOCK ? BENCH_LIMIT_BLOCK / 8 : BENCH_LIMIT_BLOCK;
  const std::size_t n = room / step * step;
  Size size{n, 1, IsMemory(place), n * ArraysOf(function) * SizeOf(type)};
  size.type = type;
  return size;
}

Size LossSize(const Function &function, const Place &place, vloss_type type = VLOSS_F32) {
  return IsElementwise(function) ? Elements(function, place, type) : Rows(function, kLossClasses, place, type);
}

bool Same(const Size &a, const Size &b) { return a.classes == b.classes && a.rows == b.rows; }

bool Among(const std::vector<Size> &sizes, const Size &size) {
  return std::any_of(sizes.begin(), sizes.end(), [&](const Size &s) { return Same(s, size); });
}

}  // namespace

const std::vector<Place> &Places() {
  static const std::vector<Place> places = {
      {"L1", std::size_t{24} << 10}, {"L2", kCacheBytes}, {"L3", std::size_t{8} << 20}, {"DRAM", MemoryBytes()}};
  return places;
}

bool IsElementwise(const Function &function) { return function.info && function.info->family == VLOSS_ELEMENTWISE; }
bool TakesLabelLists(const Function &function) {
  return function.info && (function.info->operands & VLOSS_TAKES_LABEL_LISTS);
}

const bench_limit *LimitOf(const Function &function) {
  const auto end = bench_limits + bench_limit_count;
  const auto found =
      std::find_if(bench_limits, end, [&](const bench_limit &l) { return l.traffic == function.traffic; });
  return found == end ? nullptr : found;
}

std::size_t ArraysOf(const Function &function) {
  const bench_limit *limit = LimitOf(function);
  return function.arrays ? function.arrays : limit ? limit->arrays : 1;
}

std::vector<Size> CallSizesOf(const Function &function, Plan plan) {
  struct Shape {
    std::size_t classes, rows;
  };
  std::vector<Shape> shapes{{10, 1}, {128, 1}, {128, 32}, {256, 8}};
  if (IsElementwise(function)) shapes = {{16, 1}, {64, 1}, {256, 1}, {1024, 1}, {kCallElements, 1}};
  if (plan == Plan::kShort || (plan == Plan::kTable && !IsCalledOften(function)))
    shapes = {IsElementwise(function) ? shapes.back() : shapes.front()};
  std::vector<Size> sizes;
  for (const Shape &shape : shapes)
    sizes.push_back(
        {shape.classes, shape.rows, false, shape.classes * shape.rows * ArraysOf(function) * sizeof(float)});
  return sizes;
}

std::vector<Size> ColdSizesOf(const Function &function) {
  std::vector<Size> sizes;
  if (function.name == "cross_entropy/forward" || function.name == "log_probs/id")
    for (const std::size_t classes : kColdClasses) sizes.push_back({classes, 1, false, classes * sizeof(float)});
  return sizes;
}

std::vector<Size> SizesOf(const Function &function, Plan plan) {
  std::vector<Size> sizes;
  for (const bool memory : {false, true}) {
    if (!function.info || (memory && !GoesEverywhere(function, plan))) continue;
    sizes.push_back(LossSize(function, PlaceOf(memory)));
  }
  for (const std::size_t classes : kClasses)
    for (const bool memory : {false, true}) {
      if (function.info) continue;
      // Two rows in L2 show nothing of a function that reads one logit a row but what a call costs.
      const bool usual = memory ? classes == 50257 : classes == 128 || (classes == 50257 && LimitOf(function));
      const bool first = classes == 10 && !memory;
      if (memory && !GoesEverywhere(function, plan)) continue;
      if (plan == Plan::kTable && !usual && (memory || !function.headline)) continue;
      if (plan == Plan::kShort && !usual && !(function.headline && first)) continue;
      sizes.push_back(Rows(function, classes, PlaceOf(memory)));
    }
  return sizes;
}

std::vector<Size> WithCurveOf(const Function &function, Plan plan) {
  std::vector<Size> sizes = SizesOf(function, plan);
  if (!GoesEverywhere(function, plan)) return sizes;
  for (const Place &place : Places())
    if (const Size size = LossSize(function, place); !Among(sizes, size)) sizes.push_back(size);
  return sizes;
}

std::vector<Size> AwkwardSizesOf(const Function &function, Plan plan, Inputs inputs) {
  std::vector<Size> sizes;
  if (!TakesAwkward(function) || (plan == Plan::kTable && !IsTelling(function))) return sizes;
  const std::vector<Size> ordinary = WithCurveOf(function, plan);
  const auto add = [&](Size size) {
    if (!Among(ordinary, size)) return;
    size.inputs = inputs;
    sizes.push_back(size);
  };
  if (function.info) add(LossSize(function, PlaceOf(false)));
  for (const std::size_t classes : kAwkwardClasses)
    if (!function.info) add(Rows(function, classes, PlaceOf(false)));
  return sizes;
}

std::vector<Size> ThreadSizesOf(const Function &function, Plan plan, std::size_t threads) {
  std::vector<Size> sizes = SizesOf(function, plan);
  for (Size &size : sizes) {
    size.threads = threads;
    if (size.memory) continue;
    (IsElementwise(function) ? size.classes : size.rows) *= threads;
    size.bytes *= threads;
  }
  return sizes;
}

const char *NameOf(vloss_type type) {
  return type == VLOSS_BF16 ? "bf16" : type == VLOSS_F16 ? "f16" : type == VLOSS_F64 ? "f64" : "f32";
}

std::vector<Size> TypedSizesOf(const Function &function, Plan plan, vloss_type type) {
  std::vector<Size> sizes;
  const bool telling =
      std::any_of(std::begin(kTyped), std::end(kTyped), [&](const char *name) { return function.name == name; });
  if (!IsFull(plan) && !telling) return sizes;
  for (const bool memory : {false, true}) {
    if (memory && !IsFull(plan)) continue;
    if (function.info) sizes.push_back(LossSize(function, PlaceOf(memory), type));
    for (const std::size_t classes : kTypedClasses)
      if (!function.info && (classes == kTypedClasses[0] || IsFull(plan)))
        sizes.push_back(Rows(function, classes, PlaceOf(memory), type));
  }
  return sizes;
}

// Of the arrays of data.h the lists of labels have room for the fewest elements.
std::size_t MostThreads() { return MostLabels() / (kCacheBytes / sizeof(float)); }

std::vector<Size> InnerSizesOf(const Function &function) {
  std::vector<Size> sizes;
  if (std::none_of(std::begin(kWithInner), std::end(kWithInner), [&](const char *n) { return function.name == n; }))
    return sizes;
  for (const std::size_t inner : kInner) {
    const std::size_t rows = kInnerRows / inner * inner;
    Size size{kLossClasses, rows, false, rows * kLossClasses * ArraysOf(function) * sizeof(float)};
    size.inner = inner;
    sizes.push_back(size);
  }
  return sizes;
}

bool CallsAreCompared(const Function &function, Plan plan) {
  return IsFull(plan) || (plan == Plan::kShort ? function.headline : IsCalledOften(function));
}

std::vector<std::string> CallIsasOf(const Function &function, const Size &size, Plan plan) {
  if (plan == Plan::kEverything) return SupportedIsas();
  if (CallsAreCompared(function, plan)) return TypedIsasOf(size, plan);
  if (IsElementwise(function) && plan == Plan::kTable) return {SupportedIsas().front()};
  return {};
}
