/* What computes doubles on this ISA. */
#include "kernels.h"

#define DECLARE_WIDE_ELEMENTWISE(name) vloss_loss_kernel KERNEL(name##_f64);
#define DECLARE_WIDE_ROWS(name) vloss_loss_kernel KERNEL(name##_f64);
#define DECLARE_WIDE_LOGITS(name)
#define LOSS(kind, name, family, ...) DECLARE_WIDE_##family(name)
#include "losses.def"
#undef LOSS

static void loss(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial) {
  static vloss_loss_kernel *const losses[] = {
#define ENTRY_ELEMENTWISE(name) KERNEL(name##_f64),
#define ENTRY_ROWS(name) KERNEL(name##_f64),
#define ENTRY_LOGITS(name) NULL,
#define LOSS(kind, name, family, ...) ENTRY_##family(name)
#include "losses.def"
#undef LOSS
  };
  losses[job->index](job, range, partial);
}

/* Looking is bound by memory, vectors or not. NaN is outside unless it is welcome. */
static size_t first_outside(const double *p, size_t n, double high, int nan_welcome) {
  for (size_t i = 0; i < n; i++)
    if (!(p[i] >= 0 && p[i] <= high) && !(nan_welcome && p[i] != p[i])) return i;
  return n;
}
static int all_binary(const double *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (p[i] != 0 && p[i] != 1) return 0;
  return 1;
}

const struct vloss_f64_table KERNEL(f64_table) = {.softmax = &KERNEL(f64_softmax),
                                                  .cross_entropy = &KERNEL(f64_cross_entropy),
                                                  .log_probs = KERNEL(f64_log_probs),
                                                  .log_probs_partial = KERNEL(f64_log_probs_partial),
                                                  .divergence = KERNEL(f64_divergence),
                                                  .loss = loss,
                                                  .first_outside = first_outside,
                                                  .all_binary = all_binary};
