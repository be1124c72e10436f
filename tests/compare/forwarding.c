/* A shared library with every function of vloss.h, which forwards to the libvloss named by VLOSS_REAL and plants what
 * vloss-compare has to find:
 *   VLOSS_PLANT_SLOW=1  log_softmax does a tenth of its rows twice: 10% more work, the same results
 *   VLOSS_PLANT_BIT=1   log_sum_exp on the scalar ISA has another last bit in element 3
 */
#define _GNU_SOURCE /* memfd_create */
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "library.h" /* the list of the functions that compute */

static bool on_scalar;

static bool planted(const char *variable) {
  const char *value = getenv(variable);
  return value && *value;
}

/* Opens a copy of the library: as vloss-compare does, so that its code lies elsewhere in memory each time. */
static void *open_copy(const char *path) {
  char copy[40];
  const int from = open(path, O_RDONLY), to = memfd_create("real", 0);
  while (from >= 0 && to >= 0 && sendfile(to, from, NULL, 1 << 30) > 0) continue;
  snprintf(copy, sizeof copy, "/proc/self/fd/%d", to);
  void *handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
  close(from);
  close(to);
  return handle;
}

/* Sets *function to the real library's. */
static void find(const char *symbol, void *function) {
  static void *handle;
  const char *path = getenv("VLOSS_REAL");
  if (!handle && path) handle = open_copy(path);
  void *found = handle ? dlsym(handle, symbol) : NULL;
  if (!found) {
    fprintf(stderr, "forwarding: no %s in VLOSS_REAL=%s\n", symbol, path ? path : "");
    exit(3);
  }
  memcpy(function, &found, sizeof found);
}

#define FORWARD(result, name, parameters, arguments) \
  static result real_##name parameters {             \
    static result(*function) parameters;             \
    if (!function) find(#name, &function);           \
    return function arguments;                       \
  }
#define FORWARD_AS_IS(result, name, parameters, arguments) \
  FORWARD(result, name, parameters, arguments)             \
  result name parameters { return real_##name arguments; }

FORWARD_AS_IS(const char *, vloss_status_message, (vloss_status status), (status))
FORWARD_AS_IS(const char *, vloss_status_name, (vloss_status status), (status))
FORWARD_AS_IS(const char *, vloss_version, (void), ())
FORWARD_AS_IS(size_t, vloss_isa_count, (void), ())
FORWARD_AS_IS(const char *, vloss_isa_name, (size_t index), (index))
FORWARD_AS_IS(const char *, vloss_isa_unsupported_reason, (const char *name), (name))
FORWARD_AS_IS(vloss_status, vloss_isa_current, (const char **name), (name))
FORWARD_AS_IS(const char *, vloss_cpu_features, (void), ())
FORWARD_AS_IS(const vloss_loss_info *, vloss_loss_info_at, (size_t index), (index))
FORWARD_AS_IS(const vloss_loss_info *, vloss_loss_info_named, (const char *name), (name))
FORWARD_AS_IS(const vloss_loss_info *, vloss_loss_info_of, (vloss_loss_kind kind), (kind))

/* Rows whose classes are spread: not compared by themselves, as their kernels are those of cross_entropy and log_probs,
 * which tests/dispatch/split_test.c and log_probs_split_test.c compare them with. */
#define FORWARD_STEP(name) \
  FORWARD_AS_IS(vloss_status, name, (const vloss_cross_entropy_args *args, size_t size), (args, size))
FORWARD_STEP(vloss_cross_entropy_partial_sized)
FORWARD_STEP(vloss_cross_entropy_finish_sized)
FORWARD_STEP(vloss_cross_entropy_partial_gradient_sized)
FORWARD_AS_IS(vloss_status, vloss_cross_entropy_merge,
              (vloss_row_state * into, const vloss_row_state *from, size_t count), (into, from, count))

#define FORWARD_LOG_PROBS(name) \
  FORWARD_AS_IS(vloss_status, name, (const vloss_log_probs_args *args, size_t size), (args, size))
FORWARD_LOG_PROBS(vloss_log_probs_partial_sized)
FORWARD_LOG_PROBS(vloss_log_probs_finish_sized)
FORWARD_AS_IS(size_t, vloss_log_probs_state_bytes, (size_t total_classes, size_t ids_per_row, size_t top),
              (total_classes, ids_per_row, top))
FORWARD_AS_IS(vloss_status, vloss_log_probs_merge, (void *into, const void *from, size_t count, size_t state_bytes),
              (into, from, count, state_bytes))

FORWARD(vloss_status, vloss_isa_force, (const char *name), (name))
vloss_status vloss_isa_force(const char *name) {
  on_scalar = name && strcmp(name, "scalar") == 0;
  return real_vloss_isa_force(name);
}

/* The real functions that compute; those without a plant are the forwarded ones. */
#define KERNEL(function, args) \
  FORWARD(vloss_status, vloss_##function##_sized, (const args *given, size_t size), (given, size))
LIBRARY_KERNELS(KERNEL)
#undef KERNEL

static void before_log_softmax(const vloss_softmax_args *args, size_t size) {
  vloss_softmax_args tenth;
  if (!planted("VLOSS_PLANT_SLOW") || size != sizeof tenth || args->output == args->input) return;
  tenth = *args;
  tenth.rows = args->rows / 10;
  if (tenth.rows) real_vloss_log_softmax_sized(&tenth, size);
}

static void after_log_sum_exp(const vloss_softmax_args *args) {
  float *output = args->output;
  const size_t rows = args->rows * (args->inner ? args->inner : 1);
  if (!planted("VLOSS_PLANT_BIT") || !on_scalar || rows <= 3 || !isfinite(output[3])) return;
  uint32_t word;
  memcpy(&word, &output[3], sizeof word);
  word ^= 1;
  memcpy(&output[3], &word, sizeof word);
}

vloss_status vloss_log_softmax_sized(const vloss_softmax_args *args, size_t size) {
  before_log_softmax(args, size);
  return real_vloss_log_softmax_sized(args, size);
}
vloss_status vloss_log_sum_exp_sized(const vloss_softmax_args *args, size_t size) {
  const vloss_status status = real_vloss_log_sum_exp_sized(args, size);
  if (status == VLOSS_OK) after_log_sum_exp(args);
  return status;
}
#define PASS(function, args)                                              \
  vloss_status vloss_##function##_sized(const args *given, size_t size) { \
    return real_vloss_##function##_sized(given, size);                    \
  }
PASS(cross_entropy, vloss_cross_entropy_args)
PASS(nll, vloss_cross_entropy_args)
PASS(softmax, vloss_softmax_args)
PASS(softmax_backward, vloss_softmax_args)
PASS(log_softmax_backward, vloss_softmax_args)
PASS(log_probs, vloss_log_probs_args)
PASS(divergence, vloss_divergence_args)
PASS(loss, vloss_loss_args)
