// See sizes.h: which ISAs and plain loops of a size the plans time, and the names that scripts filter for.
#include <algorithm>

#include "library.h"
#include "plain_isas.h"
#include "sizes.h"

const std::vector<std::string> &SupportedIsas() {
  static const std::vector<std::string> isas = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < variant_count; i++) names.push_back(variants[i].name);
    return names;
  }();
  return isas;
}

std::vector<std::string> IsasOf(const Size &size, Plan plan) {
  const bool beyond_l2 = size.memory || size.bytes >= Places()[2].bytes / 2;
  std::vector<std::string> isas;
  for (const std::string &isa : SupportedIsas())
    if (plan == Plan::kEverything || isa != "scalar" || !beyond_l2) isas.push_back(isa);
  return isas;
}

std::vector<std::string> ColdIsasOf() {
  Size size{};
  size.memory = true;
  return IsasOf(size, Plan::kTable);
}

std::vector<std::string> ThreadIsasOf(const Size &size, Plan plan) {
  return plan == Plan::kEverything ? IsasOf(size, plan) : std::vector<std::string>{SupportedIsas().front()};
}

std::vector<std::string> TypedIsasOf(const Size &size, Plan plan) {
  Size shown = size;
  shown.memory |= plan != Plan::kEverything;
  return IsasOf(shown, plan);
}

std::vector<std::string> PlainsOf(const std::vector<std::string> &isas, Plan plan) {
  std::vector<std::string> plains;
  for (const std::string &isa : PlainIsas()) {
    const bool shown = isa != "scalar" || plan == Plan::kEverything || PlainIsas().size() == 1;
    if (shown && std::find(isas.begin(), isas.end(), isa) != isas.end()) plains.push_back(PlainName(isa));
  }
  return plains;
}

std::string RowName(const Function &function, const std::string &variant, const Size &size) {
  std::string name = size.inner ? "inner/" : "";
  if (size.inputs != Inputs::kOrdinary) name = std::string("inputs/") + NameOf(size.inputs) + "/";
  name += function.name + "/" + variant;
  if (size.type != VLOSS_F32) name += std::string("/") + NameOf(size.type);
  const std::size_t share = size.memory ? 1 : size.threads;  // the row of one thread has the same name
  if (IsElementwise(function))
    name += "/n:" + std::to_string(size.classes / share);
  else
    name += "/V:" + std::to_string(size.classes) + "/N:" + std::to_string(size.rows / share);
  if (size.inner) name += "/inner:" + std::to_string(size.inner);
  return size.threads > 1 ? name + "/threads:" + std::to_string(size.threads) : name;
}

std::string CallName(const Function &function, const std::string &variant, const Size &size) {
  return "call/" + RowName(function, variant, size);
}

std::string ColdName(const Function &function, const std::string &variant, const Size &size) {
  return "cold/" + RowName(function, variant, size);
}

std::string RateName(const std::string &rate, const std::string &isa) { return "rate/" + rate + "/" + isa; }

std::string LimitNameIn(const Place &place, const std::string &traffic, const std::string &way) {
  return "limit/" + traffic + "/" + way + "/" + place.name;
}

std::string LimitName(const std::string &traffic, const std::string &way, bool memory) {
  return LimitNameIn(Places()[memory ? 3 : 1], traffic, way);
}

std::string MathName(const std::string &function, const std::string &isa, const std::string &whose) {
  return "math/" + function + "/" + isa + "/" + whose;
}
