/* The decision as a pure function: what CPUs report x what can be asked for. It runs on any CPU, ARM included.
 *
 * A row without further remark is what CPUs of that kind report (public CPUID dumps; Linux sets XCR0 to all that the
 * CPU has). The other rows are such a row with the change that their name tells.
 */
#include <string.h>

#include "cpu.h"
#include "expect.h"
#include "select.h"

#define NEHALEM .max_leaf = 0x0b, .leaf1_ecx = 0x0098e3bd, .leaf1_edx = 0xbfebfbff
#define HASWELL .max_leaf = 0x0d, .leaf1_ecx = 0x7fdafbbf, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0x000027ab
#define SKYLAKE_X .max_leaf = 0x16, .leaf1_ecx = 0x7ffefbff, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0xd39ffffb

enum { ECX1_FMA = 12, ECX1_SSE42 = 20, ECX1_POPCNT = 23, ECX1_OSXSAVE = 27, ECX1_AVX = 28, ECX1_F16C = 29 };

static const struct {
  const char *cpu;
  struct vloss_cpu_facts facts;
  const char *usable; /* best first */
} cpus[] = {
    {"AMD Griffin, max leaf 1", {.max_leaf = 1, .leaf1_ecx = 0x00002001, .leaf1_edx = 0x178bfbff}, "scalar"},
    {"AMD Llano, max leaf 6", {.max_leaf = 6, .leaf1_ecx = 0x00802009, .leaf1_edx = 0x178bfbff}, "scalar"},
    {"Nehalem", {NEHALEM}, "scalar"},
    {"Sandy Bridge", {.max_leaf = 0x0d, .leaf1_ecx = 0x1f9ae3bf, .leaf1_edx = 0xbfebfbff, .xcr0 = 0x07}, "scalar"},
    {"Ivy Bridge (AVX, F16C)",
     {.max_leaf = 0x0d, .leaf1_ecx = 0x7fbae3ff, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0x00000281, .xcr0 = 0x07},
     "scalar"},
    {"AMD Bulldozer (AVX, FMA4)",
     {.max_leaf = 0x0d, .leaf1_ecx = 0x1e98220b, .leaf1_edx = 0x178bfbff, .xcr0 = 0x4000000000000007},
     "scalar"},
    {"AMD Piledriver (FMA, no AVX2)",
     {.max_leaf = 0x0d,
      .leaf1_ecx = 0x3e98320b,
      .leaf1_edx = 0x178bfbff,
      .leaf7_ebx = 0x00000008,
      .xcr0 = 0x4000000000000007},
     "scalar"},
    {"Haswell", {HASWELL, .xcr0 = 0x07}, "avx2 scalar"},
    {"Skylake",
     {.max_leaf = 0x16, .leaf1_ecx = 0x7ffafbbf, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0x029c67af, .xcr0 = 0x1f},
     "avx2 scalar"},
    {"AMD Zen 2",
     {.max_leaf = 0x10, .leaf1_ecx = 0x7ed8320b, .leaf1_edx = 0x178bfbff, .leaf7_ebx = 0x219c91a9, .xcr0 = 0x07},
     "avx2 scalar"},
    {"AMD Zen 4, Zen 5",
     {.max_leaf = 0x10, .leaf1_ecx = 0x7ef8320b, .leaf1_edx = 0x178bfbff, .leaf7_ebx = 0xf1bf97a9, .xcr0 = 0x2e7},
     "avx512 avx2 scalar"},
    {"Skylake-X", {SKYLAKE_X, .xcr0 = 0x2ff}, "avx512 avx2 scalar"},
    {"Knights Landing (F, CD; no BW, DQ, VL)",
     {.max_leaf = 0x0d, .leaf1_ecx = 0x7ff8f3bf, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0x1c0d23ab, .xcr0 = 0xe7},
     "avx2 scalar"},
    {"aarch64", {.neon = 1}, "neon scalar"},
    {"a CPU of which nothing is known", {0}, "scalar"},

    /* The operating system or hypervisor does not save the registers. */
    {"Haswell, OSXSAVE clear, garbage where XCR0 would be",
     {.max_leaf = 0x0d,
      .leaf1_ecx = 0x7fdafbbf & ~(1u << ECX1_OSXSAVE),
      .leaf1_edx = 0xbfebfbff,
      .leaf7_ebx = 0x000027ab,
      .xcr0 = 0xffffffffffffffff},
     "scalar"},
    {"Haswell, XCR0 x87 only", {HASWELL, .xcr0 = 0x01}, "scalar"},
    {"Haswell, XCR0 without AVX state", {HASWELL, .xcr0 = 0x03}, "scalar"},
    {"Haswell, XCR0 without SSE state", {HASWELL, .xcr0 = 0x05}, "scalar"},
    {"Skylake-X, XCR0 without AVX-512 state", {SKYLAKE_X, .xcr0 = 0x07}, "avx2 scalar"},
    {"Skylake-X, XCR0 without ZMM16-31", {SKYLAKE_X, .xcr0 = 0x67}, "avx2 scalar"},
    {"Skylake-X, XCR0 with AVX-512 but no AVX state", {SKYLAKE_X, .xcr0 = 0xe3}, "scalar"},

    /* The hypervisor hides leaves or bits. */
    {"Skylake-X, max leaf 6, garbage in leaf 7",
     {.max_leaf = 6, .leaf1_ecx = 0x7ffefbff, .leaf1_edx = 0xbfebfbff, .leaf7_ebx = 0xffffffff, .xcr0 = 0x2ff},
     "scalar"},
    {"Skylake-X, max leaf 0, garbage beyond",
     {.max_leaf = 0, .leaf1_ecx = 0xffffffff, .leaf1_edx = 0xffffffff, .leaf7_ebx = 0xffffffff, .xcr0 = 0x2ff},
     "scalar"},
    {"Haswell without FMA (VIA has made AVX2 CPUs so)",
     {.max_leaf = 0x0d,
      .leaf1_ecx = 0x7fdafbbf & ~(1u << ECX1_FMA),
      .leaf1_edx = 0xbfebfbff,
      .leaf7_ebx = 0x000027ab,
      .xcr0 = 0x07},
     "scalar"},
};

static const char *const unknown_names[] = {"", "avx3", "AVX2", "Scalar", " avx2", "avx2 ", "avx", "avx5123", "auto"};

/* The numbers of the ISAs. */
enum {
#define ISA(isa, ISA, ...) NUMBER_##ISA,
#include "isas.def"
#undef ISA
  ISAS
};

static const uint32_t all_built = (1u << ISAS) - 1;

static int contains(const char *list, const char *name) {
  const size_t n = strlen(name);
  for (const char *p = list; (p = strstr(p, name)); p += n)
    if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ' ')) return 1;
  return 0;
}

static void test_table(void) {
  for (size_t c = 0; c < sizeof cpus / sizeof *cpus; c++) {
    const uint32_t features = vloss_cpu_decode(&cpus[c].facts);
    const size_t best_length = strcspn(cpus[c].usable, " ");
    size_t isa = 99;
    EXPECT(vloss_isa_decide(features, all_built, NULL, &isa) == VLOSS_OK, "%s: no request", cpus[c].cpu);
    EXPECT(isa < vloss_isa_count() && strlen(vloss_isa_name(isa)) == best_length &&
               memcmp(vloss_isa_name(isa), cpus[c].usable, best_length) == 0,
           "%s: chose ISA number %zu, not the first of: %s", cpus[c].cpu, isa, cpus[c].usable);

    for (size_t i = 0; i < vloss_isa_count(); i++) {
      const int usable = contains(cpus[c].usable, vloss_isa_name(i));
      const char *obstacle = vloss_isa_obstacle(features, all_built, i);
      const vloss_status status = vloss_isa_decide(features, all_built, vloss_isa_name(i), &isa);
      EXPECT(status == (usable ? VLOSS_OK : VLOSS_ERROR_ISA_UNSUPPORTED) && isa == i, "%s: request %s: status %s",
             cpus[c].cpu, vloss_isa_name(i), vloss_status_name(status));
      EXPECT(usable ? !obstacle : obstacle && obstacle[strlen(obstacle) - 1] == '.', "%s: %s: obstacle %s", cpus[c].cpu,
             vloss_isa_name(i), obstacle ? obstacle : "none");
    }
    for (size_t i = 0; i < sizeof unknown_names / sizeof *unknown_names; i++)
      EXPECT(vloss_isa_decide(features, all_built, unknown_names[i], &isa) == VLOSS_ERROR_ISA_UNKNOWN,
             "%s: request \"%s\"", cpus[c].cpu, unknown_names[i]);
  }
}

/* Every XCR0: the AVX2 tier needs bits 1 and 2, the AVX-512 tier 5, 6 and 7 besides. */
static void test_xcr0(void) {
  for (uint32_t xcr0 = 0; xcr0 < 256; xcr0++) {
    const struct vloss_cpu_facts facts = {SKYLAKE_X, .xcr0 = xcr0};
    const int sse = xcr0 >> 1 & 1, avx = xcr0 >> 2 & 1, zmm = xcr0 >> 5 == 7;
    size_t isa = 99;
    EXPECT(vloss_isa_decide(vloss_cpu_decode(&facts), all_built, NULL, &isa) == VLOSS_OK, "XCR0 %#x", xcr0);
    EXPECT(strcmp(vloss_isa_name(isa), sse && avx && zmm ? "avx512"
                                       : sse && avx      ? "avx2"
                                                         : "scalar") == 0,
           "XCR0 %#x: chose %s", xcr0, vloss_isa_name(isa));
  }
}

/* Each CPUID bit that a tier needs, cleared alone, drops to the tier below and is named as the obstacle. */
static void test_each_bit(void) {
  static const struct {
    uint32_t ecx1, ebx7;
    const char *chosen, *obstacle_of, *named;
  } rows[] = {
      {1u << ECX1_SSE42, 0, "scalar", "avx2", "SSE4.2"},
      {1u << ECX1_POPCNT, 0, "scalar", "avx2", "POPCNT"},
      {1u << ECX1_FMA, 0, "scalar", "avx2", "FMA"},
      {1u << ECX1_F16C, 0, "scalar", "avx2", "F16C"},
      {1u << ECX1_AVX, 0, "scalar", "avx2", "AVX"},
      {1u << ECX1_OSXSAVE, 0, "scalar", "avx2", "OSXSAVE"},
      {0, 1u << 5, "scalar", "avx2", "AVX2"},
      {0, 1u << 16, "avx2", "avx512", "AVX512F"},
      {0, 1u << 17, "avx2", "avx512", "AVX512DQ"},
      {0, 1u << 28, "avx2", "avx512", "AVX512CD"},
      {0, 1u << 30, "avx2", "avx512", "AVX512BW"},
      {0, 1u << 31, "avx2", "avx512", "AVX512VL"},
  };
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    struct vloss_cpu_facts facts = {SKYLAKE_X, .xcr0 = 0x2ff};
    facts.leaf1_ecx &= ~rows[r].ecx1;
    facts.leaf7_ebx &= ~rows[r].ebx7;
    const uint32_t features = vloss_cpu_decode(&facts);
    size_t isa = 99;
    EXPECT(
        vloss_isa_decide(features, all_built, NULL, &isa) == VLOSS_OK && !strcmp(vloss_isa_name(isa), rows[r].chosen),
        "without %s: chose ISA number %zu", rows[r].named, isa);
    EXPECT(vloss_isa_decide(features, all_built, rows[r].obstacle_of, &isa) == VLOSS_ERROR_ISA_UNSUPPORTED,
           "without %s", rows[r].named);
    const char *obstacle = vloss_isa_obstacle(features, all_built, isa);
    EXPECT(obstacle && strstr(obstacle, rows[r].named), "without %s: %s", rows[r].named, obstacle ? obstacle : "none");
  }
}

/* An ISA that the compiler could not build is not chosen, and says why. */
static void test_build(void) {
  const struct vloss_cpu_facts facts = {SKYLAKE_X, .xcr0 = 0x2ff};
  const uint32_t features = vloss_cpu_decode(&facts);
  for (uint32_t built = 0; built <= all_built; built++) {
    const int avx512 = built >> NUMBER_AVX512 & 1, avx2 = built >> NUMBER_AVX2 & 1;
    if (!(built >> NUMBER_SCALAR & 1)) continue; /* it is in every build */
    const size_t best = avx512 ? NUMBER_AVX512 : avx2 ? NUMBER_AVX2 : NUMBER_SCALAR;
    size_t isa = 99;
    EXPECT(vloss_isa_decide(features, built, NULL, &isa) == VLOSS_OK && isa == best, "built %u: %zu", built, isa);
    for (size_t k = 0; k < 2; k++) {
      const size_t i = k ? NUMBER_AVX512 : NUMBER_AVX2;
      const char *obstacle = vloss_isa_obstacle(features, built, i);
      EXPECT(built >> i & 1 ? !obstacle : obstacle && strstr(obstacle, "build"), "built %u, ISA %zu", built, i);
    }
  }
}

/* The list itself, and this very machine. */
static void test_list(void) {
  static const char *const names[] = {
#define ISA(isa, ...) #isa,
#include "isas.def"
#undef ISA
  };
  EXPECT(vloss_isa_count() == ISAS, "%zu", vloss_isa_count());
  EXPECT(vloss_isa_name(ISAS) == NULL && vloss_isa_name((size_t)-1) == NULL, "a name beyond the end");
  EXPECT(vloss_isa_unsupported_reason("scalar") == NULL, "scalar is always usable");
  EXPECT(vloss_isa_unsupported_reason(NULL) != NULL, "null is no ISA");
  for (size_t i = 0; i < ISAS; i++) {
    EXPECT(strcmp(vloss_isa_name(i), names[i]) == 0, "number %zu is %s", i, vloss_isa_name(i));
    EXPECT(strstr(vloss_isa_unsupported_reason("avx3"), names[i]) != NULL, "the list of known names lacks %s",
           names[i]);
  }
  const struct vloss_cpu_facts no_leaves = {.leaf1_ecx = ~0u, .leaf1_edx = ~0u, .leaf7_ebx = ~0u, .xcr0 = ~0ull};
  EXPECT(vloss_cpu_decode(&no_leaves) == VLOSS_CPU_NONE, "max leaf 0 leaves nothing to read");
  const struct vloss_cpu_facts facts = vloss_cpu_read();
  const uint32_t features = vloss_cpu_decode(&facts);
#if defined(__x86_64__)
  EXPECT(features & VLOSS_CPU_SSE2 && contains(vloss_cpu_features(), "sse2"), "%s", vloss_cpu_features());
  EXPECT(!!(features & VLOSS_CPU_AVX2) == contains(vloss_cpu_features(), "avx2"), "%s", vloss_cpu_features());
#elif defined(__aarch64__)
  EXPECT(features == VLOSS_CPU_NEON && strcmp(vloss_cpu_features(), "neon") == 0, "%s", vloss_cpu_features());
#else
  EXPECT(features == 0 && *vloss_cpu_features() == 0, "%s", vloss_cpu_features());
#endif
}

int main(void) {
  test_table();
  test_xcr0();
  test_each_bit();
  test_build();
  test_list();
  return report("decision");
}
