/* One ISA's table: vector words + kernel bodies. Compiled once per ISA (cmake/VlossIsa.cmake); everything but the table
 * is static, so that no code of one ISA can be linked into another. */
#include "isa.h"

#include "cross_entropy.h"
#include "softmax.h"
#include "table.h"

const struct vloss_table VLOSS_ISA_SYMBOL(vloss_table) = {
    .name = VLOSS_ISA_NAME,
    .cross_entropy = cross_entropy,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .log_sum_exp = log_sum_exp,
    .softmax_backward = softmax_backward,
    .log_softmax_backward = log_softmax_backward,
};
