// See plain_isas.h: the loops of every ISA that was built, and which of them can run.
#include "plain_isas.h"

#include <algorithm>

namespace {

struct OfIsa {
  const char *isa;
  const plain_loops *f32, *f64, *f16, *bf16;
};
const OfIsa built[] = {
#define ISA(isa, ISA, ...) \
  VLOSS_IF_BUILT(          \
      ISA, {#isa, &plain_loops_f32_##isa, &plain_loops_f64_##isa, &plain_loops_f16_##isa, &plain_loops_bf16_##isa}, )
#include "isas.def"
#undef ISA
};

// Where vloss's ISA can run. x86-64-v3, which v4 contains, asks for a little more than that: every CPU with BMI2 has
// the rest, too.
bool CanRun(const char *isa) {
  if (vloss_isa_unsupported_reason(isa)) return false;
#ifdef __x86_64__
  return isa == std::string("scalar") || __builtin_cpu_supports("bmi2");
#else
  return true;
#endif
}

constexpr char kPrefix[] = "plain-";

}  // namespace

const std::vector<std::string> &PlainIsas() {
  static const std::vector<std::string> isas = [] {
    std::vector<std::string> names;
    for (const OfIsa &of : built)
      if (CanRun(of.isa)) names.push_back(of.isa);
    return names;
  }();
  return isas;
}

const plain_loops &PlainLoops(const std::string &isa, vloss_type type) {
  const OfIsa &of = *std::find_if(std::begin(built), std::end(built), [&](const OfIsa &o) { return o.isa == isa; });
  return type == VLOSS_F64 ? *of.f64 : type == VLOSS_F16 ? *of.f16 : type == VLOSS_BF16 ? *of.bf16 : *of.f32;
}

const plain_loops &BestPlainLoops(vloss_type type) { return PlainLoops(PlainIsas().front(), type); }

std::string PlainName(const std::string &isa) { return kPrefix + isa; }

std::string PlainIsa(const std::string &variant) {
  const std::string prefix = kPrefix;
  return variant.compare(0, prefix.size(), prefix) ? "" : variant.substr(prefix.size());
}
