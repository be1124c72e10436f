// See comparison.h.
#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "data.h"
#include "executors.h"
#include "library.h"
#include "plain_isas.h"

namespace {

bool Declines(const struct library *which, vloss_status status) {
  return !which->isa_force && (status == VLOSS_ERROR_ARGUMENTS || status == VLOSS_ERROR_TYPE);
}

struct Results {
  void *values;
  std::size_t count;
  vloss_type type;
  std::size_t Bytes() const { return count * SizeOf(type); }
  std::vector<float> Floats() const {
    std::vector<float> floats(count);
    BestPlainLoops(type).to_floats(floats.data(), values, count);
    return floats;
  }
};

Results LossesOf(const Function &function, const Size &size, void *values) {
  return {values,
          function.loss == Loss::kNone      ? 0
          : function.loss == Loss::kReduced ? 1
                                            : size.rows,
          size.type == VLOSS_F64 ? VLOSS_F64 : VLOSS_F32};
}

Results MatrixOf(const Function &function, const Size &size, void *values) {
  return {values, function.matrix == Matrix::kNone ? 0 : size.rows * size.classes, size.type};
}

// To see that both compute the same thing; how accurate vloss is, its tests say. The plain loops sum in f32 under
// -ffast-math (1e-4; many equal numbers, which all are rounded the same way, 1e-3), and subtract numbers near each
// other where vloss does not (1e-6 of the largest). Results of 16 bits may be rounded to the next number.
struct Tolerance {
  float relative, absolute;
};
bool Near(const Results &a, const Results &plain, Tolerance tolerance) {
  if (plain.type == VLOSS_BF16) tolerance.relative += 0x1p-7f;
  if (plain.type == VLOSS_F16) tolerance = {tolerance.relative + 0x1p-10f, tolerance.absolute + 0x1p-24f};
  const std::vector<float> values = a.Floats(), expected = plain.Floats();
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::fabs(value));
  std::size_t near = 0;
  for (std::size_t i = 0; i < plain.count; i++)
    near += std::fabs(values[i] - expected[i]) <=
            tolerance.relative * std::fabs(expected[i]) + 1e-6f * largest + tolerance.absolute;
  return std::isfinite(largest) && near == plain.count;  // NaN is near nothing
}

// The results of a function at a size, and beside them those of a call before, to compare with.
class Comparison {
 public:
  Comparison(const Function &function, const Size &size)
      : function_(function),
        size_(size),
        problem_(ProblemOf(function, size)),
        losses_(LossesOf(function, size, SharedData().per_row)),
        matrix_(MatrixOf(function, size, SharedData().matrix)),
        kept_losses_(LossesOf(function, size, SharedData().expected_per_row)),
        kept_matrix_(MatrixOf(function, size, SharedData().expected)) {}

  // Before each call: NaN everywhere, so that a result that was not written is one that differs.
  const problem &Poisoned() {
    std::memset(losses_.values, 0xff, losses_.Bytes());
    std::memset(matrix_.values, 0xff, matrix_.Bytes());
    Prepare(function_, size_);
    return problem_;
  }
  // What went wrong; empty if nothing did.
  std::string Vloss(const std::string &isa, bool alone = false) {
    vloss_status status = library_use(isa.c_str());
    problem p = Poisoned();
    if (alone) p.executor = nullptr;
    if (status == VLOSS_OK) status = function_.vloss(p);
    if (Declines(library, status)) return kDeclined;
    return status == VLOSS_OK ? "" : isa + ": " + vloss_status_message(status);
  }
  void Keep() {
    std::memcpy(kept_losses_.values, losses_.values, losses_.Bytes());
    std::memcpy(kept_matrix_.values, matrix_.values, matrix_.Bytes());
  }
  bool SameBits() const {
    return !std::memcmp(kept_losses_.values, losses_.values, losses_.Bytes()) &&
           !std::memcmp(kept_matrix_.values, matrix_.values, matrix_.Bytes());
  }
  // The plain loop knows no other class axis than the last: it gets the rows one after the other.
  void Plain(const std::string &isa) {
    problem p = Poisoned();
    plain_loop *const plain = function_.plain(PlainLoops(isa, size_.type));
    if (p.inner == 1) return plain(&p);
    std::vector<float> input = Turned(p.input, true), target = Turned(p.target, true), results(matrix_.count);
    p.input = input.data();
    p.target = target.data();
    p.matrix = results.data();
    plain(&p);
    results = Turned(results.data(), false);
    std::memcpy(matrix_.values, results.data(), matrix_.Bytes());
  }
  // Libraries may differ in what is no normal number, and fast arithmetic in what is next to nothing beside the others
  // of a row or sum.
  bool Near(bool plain) const {
    Tolerance tolerance{1e-4f, std::numeric_limits<float>::min()};
    if (plain && size_.inputs != Inputs::kOrdinary) tolerance = {1e-3f, 1e-6f};
    return ::Near(kept_losses_, losses_, tolerance) && ::Near(kept_matrix_, matrix_, tolerance);
  }

 private:
  // From [outer, class, inner] to rows of classes, or back: of floats, as all with another class axis are.
  std::vector<float> Turned(const void *tensor, bool to_rows) const {
    const float *const from = static_cast<const float *>(tensor);
    std::vector<float> turned(size_.rows * size_.classes);
    for (std::size_t r = 0; r < size_.rows; r++)
      for (std::size_t c = 0; c < size_.classes; c++) {
        const std::size_t inner = size_.inner, of_row = r * size_.classes + c;
        const std::size_t given = (r / inner * size_.classes + c) * inner + r % inner;
        turned[to_rows ? of_row : given] = from[to_rows ? given : of_row];
      }
    return turned;
  }

  const Function &function_;
  const Size &size_;
  problem problem_;
  Results losses_, matrix_, kept_losses_, kept_matrix_;
};

// The ISAs whose plain loops are compared: those, or the best, where the variants are of other libraries.
std::vector<std::string> PlainIsasOf(const std::vector<std::string> &variants) {
  std::vector<std::string> isas;
  for (const std::string &isa : PlainIsas())
    if (std::find(variants.begin(), variants.end(), isa) != variants.end()) isas.push_back(isa);
  return isas.empty() ? std::vector<std::string>{PlainIsas().front()} : isas;
}

Agreement Compare(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  Comparison comparison(function, size);
  Agreement agreement;
  std::string first;  // of its library
  if (size.threads > 1 && !isas.empty()) {
    first = isas.front();
    agreement.error = comparison.Vloss(first, true);
    if (!agreement.error.empty()) return agreement;
    comparison.Keep();
  }
  for (const std::string &isa : isas) {
    agreement.error = comparison.Vloss(isa);
    if (!agreement.error.empty()) return agreement;
    const struct library *of = library_variant(isa.c_str())->library;
    if (first.empty() || of != library_variant(first.c_str())->library) {
      // Libraries may differ in bits: vloss-check compares those.
      if (!first.empty() && !comparison.Near(false)) {
        agreement.error = isa + " and " + first + " give different results";
        return agreement;
      }
      comparison.Keep();
      first = isa;
    } else if (!comparison.SameBits()) {
      agreement.error = isa + " and " + first + (size.threads > 1 ? " on one thread" : "") + " give different bits";
      return agreement;
    }
    agreement.isas++;
  }
  for (const std::string &isa : PlainIsasOf(isas)) {
    comparison.Plain(isa);
    if (!comparison.Near(true)) agreement.error = first + " and " + PlainName(isa) + " give different results";
  }
  return agreement;
}

// What went wrong; empty if the peer gives about the same results as vloss.
std::string ComparePeer(const Function &function, const Size &size, const Peer &peer) {
  const std::string &isa = SupportedIsas().front();
  Comparison comparison(function, size);
  const std::string error = comparison.Vloss(isa);
  if (!error.empty()) return error;
  comparison.Keep();
  const PeerCall call = peer.functions.at(function.name)(comparison.Poisoned());
  call.run();
  if (call.fetch) call.fetch();
  return comparison.Near(true) ? "" : isa + " and " + peer.name + " give different results";
}

std::map<std::string, Agreement> agreements;  // by row name without a variant

std::map<std::string, std::string> peer_errors;  // by row name

}  // namespace

problem ProblemOf(const Function &function, const Size &size) {
  const Data &data = SharedData();
  const TypedInputs &inputs = InputsOf(size.type);
  problem p{};
  p.rows = size.rows;
  p.classes = size.classes;
  p.inner = std::max<std::size_t>(size.inner, 1);
  p.type = size.type;
  p.input = function.info || function.matrix == Matrix::kBackward ? inputs.first : inputs.logits;
  p.upstream = inputs.second;
  p.labels = data.labels;
  p.matrix = data.matrix;
  p.loss = data.per_row;
  p.target = function.info && function.info->operands & VLOSS_TARGET_SIGNS ? inputs.signs : inputs.second;
  p.other = inputs.third;
  p.row_target = size.type == VLOSS_F64 ? inputs.signs : data.signs;
  p.parameters = function.parameters.data();
  if (size.inputs != Inputs::kOrdinary) PointToAwkward(p);
  p.executor = ExecutorOf(size.threads);
  return p;
}

void Prepare(const Function &function, const Size &size) {
  const problem p = ProblemOf(function, size);
  if (size.inputs != Inputs::kOrdinary) return FillAwkward(function, size.inputs, p);
  TakesLabelLists(function) ? FillLabelLists(p.rows, p.classes) : FillLabels(p.rows, p.classes);
  if (function.matrix == Matrix::kInPlace) std::memcpy(p.matrix, p.input, p.rows * p.classes * SizeOf(p.type));
}

Agreement AgreementOf(const Function &function, const Size &size) {
  const auto found = agreements.find(RowName(function, "", size));
  return found == agreements.end() ? Agreement{} : found->second;
}

const Agreement &CompareOnce(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  const auto [entry, missing] = agreements.try_emplace(RowName(function, "", size));
  if (missing) entry->second = Compare(function, size, isas);
  return entry->second;
}

const std::string &ComparePeerOnce(const Function &function, const Size &size, const Peer &peer) {
  const auto [entry, missing] = peer_errors.try_emplace(RowName(function, peer.name, size));
  if (missing) entry->second = ComparePeer(function, size, peer);
  return entry->second;
}
