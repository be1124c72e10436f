/* Names and messages of the statuses, and the version. */
#include <stdio.h>

#include "select.h"
#include "vloss/vloss.h"

/* The switches below leave out no status: that is an error, not a warning. */
#pragma GCC diagnostic error "-Wswitch"

#define STATUSES(X)                                                                                                   \
  X(VLOSS_OK, "Success.")                                                                                             \
  X(VLOSS_ERROR_NULL, "A pointer that this call needs is null.")                                                      \
  X(VLOSS_ERROR_NO_OUTPUT, "Every output pointer is null, so there is nothing to compute: set at least one.")         \
  X(VLOSS_ERROR_ENUM, "An enumerator or flag has a value that this version of vloss does not know.")                  \
  X(VLOSS_ERROR_TYPE,                                                                                                 \
    "This function does not compute that element type, or this vloss was built without it "                           \
    "(VLOSS_TYPES); VLOSS_F32 always works.")                                                                         \
  X(VLOSS_ERROR_NO_CLASSES, "There are rows, but classes is 0.")                                                      \
  X(VLOSS_ERROR_OVERFLOW,                                                                                             \
    "The sizes and strides describe an array larger than the address space, or classes exceeds 2^31 - 1.")            \
  X(VLOSS_ERROR_STRIDE,                                                                                               \
    "A stride is smaller than classes * inner, the elements it has to span (strides count "                           \
    "elements, not bytes).")                                                                                          \
  X(VLOSS_ERROR_ALIGNMENT, "A pointer is not aligned to the size of its element type.")                               \
  X(VLOSS_ERROR_OVERLAP, "An output overlaps an input or another output in a way that this function does not allow.") \
  X(VLOSS_ERROR_LABEL,                                                                                                \
    "A label lies outside 0 .. classes - 1 and is not the ignored one; bad_row tells the first "                      \
    "such row.")                                                                                                      \
  X(VLOSS_ERROR_LABEL_SMOOTHING, "label_smoothing is not a number from 0 to 1.")                                      \
  X(VLOSS_ERROR_IGNORE_INDEX,                                                                                         \
    "ignore_index is set although ignore says that nothing is ignored, or although the "                              \
    "targets are probabilities.")                                                                                     \
  X(VLOSS_ERROR_ARGUMENTS, "Fields are set that exclude each other, or that this function does not use.")             \
  X(VLOSS_ERROR_ISA_UNKNOWN, "VLOSS_ISA or vloss_isa_force() named an ISA that vloss does not know.")                 \
  X(VLOSS_ERROR_ISA_UNSUPPORTED, "VLOSS_ISA or vloss_isa_force() named an ISA that cannot be used here.")             \
  X(VLOSS_ERROR_VERSION, "The argument struct sets fields that this version of vloss is too old to know.")            \
  X(VLOSS_ERROR_PARAMETER, "A parameter is out of its range; bad_index tells which of them.")                         \
  X(VLOSS_ERROR_PARAMETER_COUNT, "More parameters are given than the loss has, or parameters without their number.")  \
  X(VLOSS_ERROR_PROBABILITY, "A prediction is no number from 0 to 1; bad_index tells the first.")                     \
  X(VLOSS_ERROR_VARIANCE, "A variance is less than 0; bad_index tells the first.")                                    \
  X(VLOSS_ERROR_RATE, "A prediction, the rate of a Poisson distribution, is less than 0; bad_index tells the first.") \
  X(VLOSS_ERROR_EXECUTOR, "The executor has no function `run`, or 0 threads.")                                        \
  X(VLOSS_ERROR_SHARD, "A shard must begin and end at multiples of VLOSS_CLASS_BLOCK classes, or at the last class.") \
  X(VLOSS_ERROR_STATE, "States are of different calls, of the same classes twice, or not of all classes.")            \
  X(VLOSS_ERROR_NO_SLEEF,                                                                                             \
    "VLOSS_F64 needs SLEEF, and this vloss was built without it (CMake's VLOSS_F64=ON asks for it; the library in "   \
    "two files never has it).")                                                                                       \
  X(VLOSS_ERROR_NO_FMA, "VLOSS_F64 needs a CPU with FMA, and an operating system that saves the AVX registers.")      \
  X(VLOSS_ERROR_SCALE,                                                                                                \
    "scale or softcap is NaN, below 0, or neither 0 nor a normal float; or z_loss is below 0 or not finite.")

const char *vloss_status_name(vloss_status status) {
  switch (status) {
#define NAME(status, text) \
  case status:             \
    return #status;
    STATUSES(NAME)
  }
  return "VLOSS_ERROR_?";
}

static const char *sentence(vloss_status status) {
  switch (status) {
#define SENTENCE(status, text) \
  case status:                 \
    return text;
    STATUSES(SENTENCE)
  }
  return "This number is no status of this version of vloss.";
}

/* Names the ISA that was asked for, unless the last one asked for failed in the other way. */
static const char *isa_sentence(vloss_status status) {
  static _Thread_local char message[320];
  char name[VLOSS_ISA_ASKED_SIZE];
  const char *reason = vloss_isa_failure(status, name);
  if (!reason) return sentence(status);
  const int length =
      snprintf(message, sizeof message, "VLOSS_ISA or vloss_isa_force() asked for the ISA \"%s\": %s", name, reason);
  return length < 0 ? sentence(status) : message;
}

const char *vloss_status_message(vloss_status status) {
  const int of_isa = status == VLOSS_ERROR_ISA_UNKNOWN || status == VLOSS_ERROR_ISA_UNSUPPORTED;
  return of_isa ? isa_sentence(status) : sentence(status);
}

const char *vloss_version(void) { return VLOSS_VERSION; }
