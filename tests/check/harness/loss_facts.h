/* What losses.c and reference_losses.c ask of a loss, its options and its labels. */
#ifndef VLOSS_TESTS_CHECK_LOSS_FACTS_H
#define VLOSS_TESTS_CHECK_LOSS_FACTS_H

#include <string.h>

#include "functions.h"

static inline bool takes(const vloss_loss_info *info, uint32_t what) { return (info->operands & what) != 0; }
static inline bool elementwise(const vloss_loss_info *info) { return info->family == VLOSS_ELEMENTWISE; }

/* The index of the parameter of that name; the count if there is none. */
static inline size_t parameter_index(const vloss_loss_info *info, const char *name) {
  size_t i = 0;
  while (i < info->parameter_count && strcmp(info->parameters[i].name, name) != 0) i++;
  return i;
}

static inline double parameter_at(const vloss_loss_info *info, const struct option *option, size_t i) {
  return i < option->parameter_count ? option->parameters[i] : info->parameters[i].default_value;
}

static inline int64_t get_integer(const struct array *array, size_t i) {
  return array->element == I64 ? ((const int64_t *)array->values)[i] : ((const int32_t *)array->values)[i];
}

#endif
