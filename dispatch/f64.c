/* See f64.h. Every ISA's kernels of doubles call functions of SLEEF that are made of FMA, the scalar ones, too, and one
 * without it has other bits: so there is none for CPUs without. */
#include "f64.h"

#include <stdatomic.h>

#include "cpu.h"
#include "table.h"

vloss_status vloss_f64_decide(const struct vloss_table *table, uint32_t features) {
  const uint32_t needs = VLOSS_CPU_FMA | VLOSS_CPU_AVX | VLOSS_CPU_OS_AVX; /* of x86; arm64 always has FMA */
  if (!table->f64) return VLOSS_ERROR_NO_SLEEF;
  return (features & needs) == needs || features & VLOSS_CPU_NEON ? VLOSS_OK : VLOSS_ERROR_NO_FMA;
}

vloss_status vloss_check_f64(const struct vloss_table *table) {
  static atomic_uint known; /* the features, asked for once: CPUID may take a microsecond. 0: not yet */
  unsigned features = atomic_load_explicit(&known, memory_order_relaxed);
  if (!features) {
    const struct vloss_cpu_facts facts = vloss_cpu_read();
    features = vloss_cpu_decode(&facts);
    atomic_store_explicit(&known, features, memory_order_relaxed);
  }
  return vloss_f64_decide(table, features);
}
