/* Reads the CPU's features and decodes them. Compiled with baseline flags, like everything in dispatch/: this runs on
 * CPUs that have nothing. CPUID bits from the Intel SDM, volume 2, CPUID; XCR0 from volume 1, 13.3.
 */
#include "cpu.h"

#include <string.h>

#include "vloss/vloss.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { OSXSAVE = 27 };       /* bit of leaf 1, ECX: XGETBV works, XCR0 means something */
enum { XCR0_AVX = 0x06 };    /* SSE and AVX state */
enum { XCR0_AVX512 = 0xe6 }; /* ... and opmask, upper halves of ZMM0-15, ZMM16-31 */

static int bit(uint32_t word, int n) { return (int)(word >> n & 1); }

struct vloss_cpu_facts vloss_cpu_read(void) {
  struct vloss_cpu_facts facts = {0};
#if defined(__x86_64__)
  uint32_t eax, ebx, ecx, edx;
  __cpuid(0, facts.max_leaf, ebx, ecx, edx);
  __cpuid(1, eax, ebx, facts.leaf1_ecx, facts.leaf1_edx);
  if (facts.max_leaf >= 7) __cpuid_count(7, 0, eax, facts.leaf7_ebx, ecx, edx);
  if (bit(facts.leaf1_ecx, OSXSAVE)) {
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    facts.xcr0 = (uint64_t)edx << 32 | eax;
  }
#elif defined(__aarch64__)
  facts.neon = 1;
#endif
  return facts;
}

uint32_t vloss_cpu_decode(const struct vloss_cpu_facts *facts) {
  const uint32_t ecx1 = facts->max_leaf >= 1 ? facts->leaf1_ecx : 0, edx1 = facts->max_leaf >= 1 ? facts->leaf1_edx : 0;
  const uint32_t ebx7 = facts->max_leaf >= 7 ? facts->leaf7_ebx : 0;
  const uint64_t xcr0 = bit(ecx1, OSXSAVE) ? facts->xcr0 : 0;
  uint32_t features = 0;
  if (bit(edx1, 26)) features |= VLOSS_CPU_SSE2;
  if (bit(ecx1, 12)) features |= VLOSS_CPU_FMA;
  if (bit(ecx1, 20)) features |= VLOSS_CPU_SSE42;
  if (bit(ecx1, 23)) features |= VLOSS_CPU_POPCNT;
  if (bit(ecx1, 28)) features |= VLOSS_CPU_AVX;
  if (bit(ecx1, 29)) features |= VLOSS_CPU_F16C;
  if (bit(ebx7, 5)) features |= VLOSS_CPU_AVX2;
  if (bit(ebx7, 16)) features |= VLOSS_CPU_AVX512F;
  if (bit(ebx7, 17)) features |= VLOSS_CPU_AVX512DQ;
  if (bit(ebx7, 28)) features |= VLOSS_CPU_AVX512CD;
  if (bit(ebx7, 30)) features |= VLOSS_CPU_AVX512BW;
  if (bit(ebx7, 31)) features |= VLOSS_CPU_AVX512VL;
  if ((xcr0 & XCR0_AVX) == XCR0_AVX) features |= VLOSS_CPU_OS_AVX;
  if ((xcr0 & XCR0_AVX512) == XCR0_AVX512) features |= VLOSS_CPU_OS_AVX512;
  if (facts->neon) features |= VLOSS_CPU_NEON;
  return features;
}

void vloss_cpu_brand(char brand[VLOSS_CPU_BRAND_SIZE]) {
  memset(brand, 0, VLOSS_CPU_BRAND_SIZE);
#if defined(__x86_64__)
  uint32_t words[12];
  if ((uint32_t)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u) return;
  for (size_t i = 0; i < 3; i++)
    __cpuid(0x80000002u + (uint32_t)i, words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]);
  memcpy(brand, words, sizeof words);
#endif
}

/* One row a feature, in the order of the bits. */
static const struct {
  const char *name, *missing;
} features_by_bit[] = {
#define ROW(bit, name, missing) {name, missing},
    VLOSS_CPU_FEATURES(ROW)
#undef ROW
};

const char *vloss_cpu_missing(uint32_t features, uint32_t needs) {
  for (int i = 0; i < VLOSS_CPU_FEATURE_COUNT; i++)
    if (bit(needs & ~features, i)) return features_by_bit[i].missing;
  return NULL;
}

/* The list is written anew for each thread, so that no thread reads what another writes. */
const char *vloss_cpu_features(void) {
  static _Thread_local char list[sizeof "" + (size_t)16 * VLOSS_CPU_FEATURE_COUNT];
  const struct vloss_cpu_facts facts = vloss_cpu_read();
  const uint32_t features = vloss_cpu_decode(&facts);
  char *end = list;
  *end = 0;
  for (int i = 0; i < VLOSS_CPU_FEATURE_COUNT; i++)
    if (bit(features, i)) {
      if (end > list) *end++ = ' ';
      const size_t n = strlen(features_by_bit[i].name);
      memcpy(end, features_by_bit[i].name, n + 1);
      end += n;
    }
  return list;
}
