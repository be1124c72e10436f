/* The decision between the ISAs of kernels/isas.def, and the one pointer that remembers it. No lock, constructor or
 * ifunc: threads that race to the first call compute the same answer.
 */
#ifdef VLOSS_HAVE_SECURE_GETENV
#define _GNU_SOURCE
#endif
#include "select.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "table.h"

/* In the order of kernels/isas.def, best first. */
static const struct {
  const char *name;
  uint32_t needs;
  const struct vloss_table *table; /* null: not in this build */
} isas[] = {
#define ISA(isa, ISA, architecture, features) \
  {.name = #isa, .needs = (features), VLOSS_IF_BUILT(ISA, .table = &vloss_table_##isa)},
#include "isas.def"
#undef ISA
};
enum { ISA_COUNT = sizeof isas / sizeof *isas };

/* ---- The decision ------------------------------------------------------------------------------------------------ */

static size_t find(const char *name) {
  size_t isa = 0;
  while (isa < ISA_COUNT && strcmp(isas[isa].name, name) != 0) isa++;
  return isa;
}

const char *vloss_isa_obstacle(uint32_t features, uint32_t built, size_t isa) {
  const char *missing = vloss_cpu_missing(features, isas[isa].needs);
  if (!missing && !(built >> isa & 1)) return "This build of vloss does not contain it.";
  return missing;
}

vloss_status vloss_isa_decide(uint32_t features, uint32_t built, const char *request, size_t *isa) {
  size_t i = request ? find(request) : 0;
  if (i == ISA_COUNT) return VLOSS_ERROR_ISA_UNKNOWN;
  if (!request)
    while (i < ISA_COUNT - 1 && vloss_isa_obstacle(features, built, i)) i++;
  *isa = i;
  return vloss_isa_obstacle(features, built, i) ? VLOSS_ERROR_ISA_UNSUPPORTED : VLOSS_OK;
}

uint32_t vloss_isa_built(void) {
  uint32_t built = 0;
  for (size_t i = 0; i < ISA_COUNT; i++) built |= (uint32_t)(isas[i].table != NULL) << i;
  return built;
}

static uint32_t features(void) {
  const struct vloss_cpu_facts facts = vloss_cpu_read();
  return vloss_cpu_decode(&facts);
}

/* ---- The process's choice ---------------------------------------------------------------------------------------- */

/* Stand-ins for a table where there is none to use, told apart by address; a table without a name is one of them. */
static const struct vloss_table undecided, unknown, unsupported;

static _Atomic(const struct vloss_table *) chosen = &undecided;

/* The name asked for in vain, as words so that threads may read and write it at any time. It is stored before `chosen`
 * says that it is needed. Threads that fail at the same moment with different names may leave either, or a mixture. */
static _Atomic uint64_t asked[VLOSS_ISA_ASKED_SIZE / 8];

static void remember_asked(const char *name) {
  char text[VLOSS_ISA_ASKED_SIZE] = {0};
  uint64_t words[VLOSS_ISA_ASKED_SIZE / 8];
  for (size_t i = 0; i < sizeof text - 1 && name[i]; i++) {
    text[i] = name[i];
    if (name[i] < ' ' || name[i] > '~') text[i] = '?';
  }
  memcpy(words, text, sizeof text);
  for (size_t i = 0; i < sizeof words / 8; i++) atomic_store_explicit(&asked[i], words[i], memory_order_relaxed);
}

const char *vloss_isa_failure(vloss_status status, char name[VLOSS_ISA_ASKED_SIZE]) {
  uint64_t words[VLOSS_ISA_ASKED_SIZE / 8];
  for (size_t i = 0; i < sizeof words / 8; i++) words[i] = atomic_load_explicit(&asked[i], memory_order_relaxed);
  memcpy(name, words, sizeof words);
  size_t isa;
  if (!*name || vloss_isa_decide(features(), vloss_isa_built(), name, &isa) != status) return NULL;
  return vloss_isa_unsupported_reason(name);
}

/* VLOSS_ISA; a program that runs with more rights than its user does not listen to the user's environment. */
static const char *environment_request(void) {
#ifdef VLOSS_HAVE_SECURE_GETENV
  const char *request = secure_getenv("VLOSS_ISA");
#else
  const char *request = getenv("VLOSS_ISA");
#endif
  return request && *request ? request : NULL;
}

/* The table for a request, null meaning what VLOSS_ISA says; or the stand-in that says why there is none. */
static const struct vloss_table *decide(const char *request) {
  if (!request) request = environment_request();
  size_t isa;
  const vloss_status status = vloss_isa_decide(features(), vloss_isa_built(), request, &isa);
  if (status == VLOSS_OK) return isas[isa].table;
  if (request) remember_asked(request); /* without a request there is always scalar, and no failure */
  return status == VLOSS_ERROR_ISA_UNKNOWN ? &unknown : &unsupported;
}

static vloss_status status_of(const struct vloss_table *table) {
  return table->name ? VLOSS_OK : table == &unknown ? VLOSS_ERROR_ISA_UNKNOWN : VLOSS_ERROR_ISA_UNSUPPORTED;
}

/* Decides for the first time. An exchange, not a store: a vloss_isa_force() in between wins. */
static const struct vloss_table *decide_first(void) {
  const struct vloss_table *now = &undecided, *first = decide(NULL);
  return atomic_compare_exchange_strong_explicit(&chosen, &now, first, memory_order_acq_rel, memory_order_acquire)
             ? first
             : now;
}

vloss_status vloss_select(const struct vloss_table **table) {
  const struct vloss_table *now = atomic_load_explicit(&chosen, memory_order_acquire);
  if (now == &undecided) now = decide_first();
  *table = now;
  return status_of(now);
}

/* ---- Public functions -------------------------------------------------------------------------------------------- */

vloss_status vloss_isa_force(const char *name) {
  const struct vloss_table *table = decide(name);
  atomic_store_explicit(&chosen, table, memory_order_release);
  return status_of(table);
}

vloss_status vloss_isa_current(const char **name) {
  const struct vloss_table *table;
  if (!name) return VLOSS_ERROR_NULL;
  const vloss_status status = vloss_select(&table);
  if (status == VLOSS_OK) *name = table->name;
  return status;
}

size_t vloss_isa_count(void) { return ISA_COUNT; }

const char *vloss_isa_name(size_t index) { return index < ISA_COUNT ? isas[index].name : NULL; }

const char *vloss_isa_unsupported_reason(const char *name) {
  const size_t isa = name ? find(name) : ISA_COUNT;
  if (isa == ISA_COUNT)
    return "vloss knows no ISA of that name, only these:"
#define ISA(isa, ...) " " #isa
#include "isas.def"
#undef ISA
           ".";
  return vloss_isa_obstacle(features(), vloss_isa_built(), isa);
}
