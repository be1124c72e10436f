/* The libraries under test: the one linked in or, with --library NAME=PATH, shared libraries that export functions of
 * vloss.h, vloss's own or others'. What is called is always the function of `library`, and what is compared are
 * variants: one ISA of one library. Shared by vloss-check and vloss-bench. */
#ifndef VLOSS_TOOLS_LIBRARY_H
#define VLOSS_TOOLS_LIBRARY_H

#include <stdbool.h>

#include "vloss/vloss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every function that computes: its name without vloss_ and _sized, and its arguments' struct. */
#define LIBRARY_KERNELS(X)                    \
  X(cross_entropy, vloss_cross_entropy_args)  \
  X(nll, vloss_cross_entropy_args)            \
  X(softmax, vloss_softmax_args)              \
  X(log_softmax, vloss_softmax_args)          \
  X(log_sum_exp, vloss_softmax_args)          \
  X(softmax_backward, vloss_softmax_args)     \
  X(log_softmax_backward, vloss_softmax_args) \
  X(log_probs, vloss_log_probs_args)          \
  X(divergence, vloss_divergence_args)        \
  X(loss, vloss_loss_args)

/* Null where the library does not export it. */
struct library {
  const char *name;
  const char *isa; /* the only one that is used, where one was asked for */
#define KERNEL(function, args) vloss_status (*function##_sized)(const args *, size_t);
  LIBRARY_KERNELS(KERNEL)
#undef KERNEL
  const char *(*version)(void);
  size_t (*isa_count)(void);
  const char *(*isa_name)(size_t);
  const char *(*isa_unsupported_reason)(const char *);
  vloss_status (*isa_force)(const char *);
  const vloss_loss_info *(*loss_info_named)(const char *);
};

/* One ISA of a library: "avx2" of the one linked in, else "NAME:avx2". A library without the functions vloss_isa_*, or
 * of which one ISA was asked for, has one variant, with the library's own name. */
struct variant {
  const struct library *library;
  const char *isa; /* null: what the library does by itself */
  char name[96];
};

enum { MAX_LIBRARIES = 4, MAX_VARIANTS = 24 };

/* Whose functions are called now. */
extern const struct library *library;

/* The libraries given; one, the one linked in, if none was. */
extern struct library libraries[MAX_LIBRARIES];
extern size_t library_count;

/* The variants that can run here, library by library, best ISA first. */
extern struct variant variants[MAX_VARIANTS];
extern size_t variant_count;

/* Takes "NAME=PATH" in, or of the library only one ISA: "NAME:ISA=PATH". Null, or what is wrong with it in words. */
const char *library_open(const char *definition);

/* Makes the list of variants; call it once, when every library is open. */
void library_list_variants(void);

/* The variant of that name; null if there is none. */
const struct variant *library_variant(const char *name);

/* From now on `library` is the variant's, and it computes on the variant's ISA. */
vloss_status library_use(const char *variant);

/* Whether it exports a function of that name, or computes a loss of that name. */
bool library_has(const struct library *which, const char *function);

/* What a variant is held to bit for bit: the same ISA of the first library (its best, where one of the two has no
 * choice); for the first library itself, and ISAs that it lacks, the first variant of their own library. */
const struct variant *library_counterpart(const struct variant *variant);

#ifdef __cplusplus
}
#endif

#endif
