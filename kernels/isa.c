/* One ISA's table: vector words + kernel bodies. Compiled once per ISA (cmake/VlossIsa.cmake); everything but the table
 * is static, so that no code of one ISA can be linked into another. */
#include "isa.h"

#include "cross_entropy.h"
#include "elementwise.h"
#include "rows.h"
#include "scan.h"
#include "softmax.h"
#include "table.h"
#define LOSS_FILES
#include "losses.def"
#undef LOSS_FILES

/* The kernels of losses.def, at the index of their row there. */
#define DEFINE_ROWS(name) ROWS_LOSS(name)
#define DEFINE_LOGITS(name)
#define LOSS(kind, name, family, ...) DEFINE_##family(name)
#include "losses.def"
#undef LOSS

static const struct {
  struct elementwise_loss elementwise;
  struct row_loss rows;
} losses[] = {
#define ENTRY_ELEMENTWISE(name) {.elementwise = ELEMENTWISE_ENTRY(name)},
#define ENTRY_ROWS(name) {.rows = ROWS_ENTRY(name)},
#define ENTRY_LOGITS(name) {{0}, {0}}, /* a function of its own */
#define LOSS(kind, name, family, ...) ENTRY_##family(name)
#include "losses.def"
#undef LOSS
};

static void elementwise(struct vloss_loss_job *job) { elementwise_call(job, &losses[job->index].elementwise); }
static void rows(struct vloss_loss_job *job) { rows_call(job, &losses[job->index].rows); }

const struct vloss_table VLOSS_ISA_SYMBOL(vloss_table) = {
    .name = VLOSS_ISA_NAME,
    .cross_entropy = cross_entropy,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .log_sum_exp = log_sum_exp,
    .softmax_backward = softmax_backward,
    .log_softmax_backward = log_softmax_backward,
    .elementwise = elementwise,
    .rows = rows,
    .first_outside = first_outside,
    .all_binary = all_binary,
};
