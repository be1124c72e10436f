/* vloss: loss kernels for the CPU with run-time dispatch between scalar, AVX2, AVX-512 and NEON.
 *
 * The whole public contract. Plain C99 and C++; no other header of vloss is needed.
 *
 * Conventions that hold for every function
 *   Calls       one argument struct per family, filled with designated initialisers. Zero means "default" or
 *               "not wanted": an output whose pointer is null is not computed; loss and gradient asked for in one
 *               call cost one fused pass. The struct is only read, and nothing keeps a pointer to it.
 *   Shapes      a tensor [N0, C, d1..dk] is (rows, classes, inner): rows = axes before the class axis multiplied
 *               together, inner = axes after it multiplied together (0 means 1: classes last). Class c of row
 *               r = o * inner + i is at element o * stride + c * inner + i. Per-row arrays hold rows * inner
 *               entries in the order of r.
 *   Strides     in elements, from one outer index o to the next; 0 means classes * inner (dense).
 *   Aliasing    an output may not overlap an input or another output, except where a field says that it may be the
 *               same array (same pointer and same stride). Inputs may overlap each other.
 *   Alignment   every pointer needs the alignment of its element type and no more.
 *   NaN         a NaN in a live row makes the loss of that row and its whole gradient row NaN, and touches no other
 *               row. Every NaN written is the one quiet NaN, 0x7fc00000 as a float.
 *   Denormals   denormal inputs are read as they are. Results smaller than 2^-126 in magnitude are written as +0 by
 *               the gradients of cross-entropy, by softmax and by the backward forms; vloss_loss writes them as they
 *               are.
 *   Same bits   a call gives the same bits on every ISA, with every compiler, at every alignment, on any number of
 *               threads; and a row gives the same bits wherever it stands (in any batch, position, stride or class
 *               axis), whole or in parts.
 *   Errors      every function returns a status. Anything but VLOSS_OK means that no output was written, with the
 *               one exception of bad_row and bad_index.
 *   Environment the caller's rounding mode, flush-to-zero mode, trap masks and exception flags neither matter nor
 *               change.
 *   Memory      nothing is allocated. The stack use of a call is below 64 KiB in every build type.
 *   Threads     every function may be called from any thread at any time. A call runs on the calling thread, and on
 *               those that its `executor` lends.
 */
#ifndef VLOSS_VLOSS_H
#define VLOSS_VLOSS_H

#include <stddef.h>
#include <stdint.h>

#define VLOSS_VERSION_MAJOR 0
#define VLOSS_VERSION_MINOR 1
#define VLOSS_VERSION_PATCH 0

#if defined(_WIN32) && defined(VLOSS_SHARED) /* for users of the DLL; what it exports, the build reads from here */
#define VLOSS_API __declspec(dllimport)
#elif defined(__GNUC__)
#define VLOSS_API __attribute__((visibility("default")))
#else
#define VLOSS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ---------------------------------------------------------------------------------------------------- */

/* What a call answers. The numbers change only between versions 0.x; new ones are added at the end. */
typedef enum vloss_status {
  VLOSS_OK = 0,
  VLOSS_ERROR_NULL,            /* a pointer that the call needs is null */
  VLOSS_ERROR_NO_OUTPUT,       /* every output pointer is null: the call would do nothing */
  VLOSS_ERROR_ENUM,            /* an enumerator or flag that this version does not know */
  VLOSS_ERROR_TYPE,            /* an element type that is known but that the library was built without */
  VLOSS_ERROR_NO_CLASSES,      /* classes is 0 although there are rows */
  VLOSS_ERROR_OVERFLOW,        /* an array larger than the address space, or more than 2^31 - 1 classes */
  VLOSS_ERROR_STRIDE,          /* a stride is smaller than the classes * inner elements it has to span */
  VLOSS_ERROR_ALIGNMENT,       /* a pointer is not a multiple of its element's size */
  VLOSS_ERROR_OVERLAP,         /* an output overlaps an input or another output where that is not allowed */
  VLOSS_ERROR_LABEL,           /* a label outside [0, classes) that is not ignored; see bad_row */
  VLOSS_ERROR_LABEL_SMOOTHING, /* label_smoothing is NaN or outside [0, 1] */
  VLOSS_ERROR_IGNORE_INDEX,    /* ignore_index contradicts the ignore field, or is given with probability targets */
  VLOSS_ERROR_ARGUMENTS,       /* fields that exclude each other; the fields' documentation says which */
  VLOSS_ERROR_ISA_UNKNOWN,     /* VLOSS_ISA or vloss_isa_force named an ISA that does not exist */
  VLOSS_ERROR_ISA_UNSUPPORTED, /* ... an ISA that this build or this CPU or operating system lacks */
  VLOSS_ERROR_VERSION,         /* the argument struct has fields set that this older library does not know */

  /* Of vloss_loss. */
  VLOSS_ERROR_PARAMETER,       /* a parameter outside its range, or NaN; see bad_index */
  VLOSS_ERROR_PARAMETER_COUNT, /* more parameters than the loss has, or parameters without a count */
  VLOSS_ERROR_PROBABILITY,     /* a prediction that is no number from 0 to 1; see bad_index */
  VLOSS_ERROR_VARIANCE,        /* a variance below 0; see bad_index */
  VLOSS_ERROR_RATE,            /* a rate (VLOSS_POISSON_NLL without log_input) below 0; see bad_index */

  VLOSS_ERROR_EXECUTOR, /* an executor without `run`, or of 0 threads */

  VLOSS_ERROR_SHARD, /* a shard past the end of its rows, or off the borders between blocks of classes */
  VLOSS_ERROR_STATE, /* states of different calls, of the same classes twice, or not of all classes */

  VLOSS_ERROR_NO_SLEEF, /* VLOSS_F64, and the library was built without SLEEF; docs/building.md, VLOSS_F64 */
  VLOSS_ERROR_NO_FMA,   /* VLOSS_F64, and the CPU has no FMA */

  VLOSS_ERROR_SCALE /* scale or softcap is NaN, below 0, or neither 0 nor a normal float; z_loss is below 0 or no finite
                       number */
} vloss_status;

/* A sentence in English for a status. For the two ISA statuses it names the ISA that was asked for. Never null; valid
 * until the same thread calls this function again. */
VLOSS_API const char *vloss_status_message(vloss_status status);

/* The symbol of a status, such as "VLOSS_ERROR_LABEL"; "VLOSS_ERROR_?" for a number that is none. Never null. */
VLOSS_API const char *vloss_status_name(vloss_status status);

/* "0.1.0": the version of the library, which may be newer than this header's. */
VLOSS_API const char *vloss_version(void);

/* ---- ISA: which kernels run -------------------------------------------------------------------------------------
 *
 * The first call chooses the best ISA that the build contains and that CPU and operating system offer. The environment
 * variable VLOSS_ISA (read then, and again by vloss_isa_force(NULL); empty counts as unset; not heard where the program
 * runs with more rights than its user) or vloss_isa_force() selects another one by name. A name that is unknown or
 * unsupported makes every later call fail with a status that names it: nothing else is run instead.
 */

/* The number of ISAs that this version knows, best first, whether or not they can run here. */
VLOSS_API size_t vloss_isa_count(void);

/* The name of ISA number index ("avx512", "avx2", "neon", "scalar"); null if index >= vloss_isa_count(). */
VLOSS_API const char *vloss_isa_name(size_t index);

/* Why the ISA of that name cannot be used here, as a sentence that stays valid; null if it can be used. An unknown name
 * has its sentence, too. */
VLOSS_API const char *vloss_isa_unsupported_reason(const char *name);

/* Sets *name to the ISA that calls use, choosing it now if none was chosen yet. name: not null.
 * VLOSS_ERROR_ISA_UNKNOWN, VLOSS_ERROR_ISA_UNSUPPORTED: every other call answers the same; *name is not written. */
VLOSS_API vloss_status vloss_isa_current(const char **name);

/* Selects an ISA by name for the whole process; null goes back to the choice described above, VLOSS_ISA included.
 * Meant for tests and benchmarks: a call that runs meanwhile in another thread finishes on the ISA it began with. */
VLOSS_API vloss_status vloss_isa_force(const char *name);

/* What CPU and operating system offer, best first, separated by spaces ("avx512f ... avx2 fma ... os-avx512 os-avx").
 * Valid until the same thread calls this function again. */
VLOSS_API const char *vloss_cpu_features(void);

/* ---- Types and options ----------------------------------------------------------------------------------------- */

/* Element type of what has a value for every row and class: logits, predictions, targets, gradients. Everything else is
 * float whatever the type says, and double for VLOSS_F64: losses, lse, upstream, weights and operands with one value a
 * class, a row or a call. The fields below say "float" for short. 16 bits are widened exactly when they are read,
 * computed with as floats, and rounded once, to nearest, ties to even, when they are written: within 0.51 of their ulp
 * of the exact value. NaN is written as 0x7fc0 or 0x7e00. VLOSS_F32, VLOSS_F16 and VLOSS_BF16 are computed by every
 * function. A library may be built without any type but VLOSS_F32 (VLOSS_TYPES, docs/building.md), and answers
 * VLOSS_ERROR_TYPE to it then.
 *
 * VLOSS_F64 is double throughout, constants such as the eps of Keras and the beta of SMOOTH_L1 included; NaN is written
 * as 0x7ff8000000000000. It needs functions of SLEEF: without SLEEF the library answers VLOSS_ERROR_NO_SLEEF, on a CPU
 * without FMA VLOSS_ERROR_NO_FMA. Every function computes it elsewhere; states of rows in parts are those of one
 * type. */
typedef enum vloss_type { VLOSS_F32 = 0, VLOSS_F64, VLOSS_F16, VLOSS_BF16 } vloss_type;

/* Element type of class indices. */
typedef enum vloss_label_type { VLOSS_I64 = 0, VLOSS_I32 } vloss_label_type;

/* How the losses of the rows become the output `loss`. */
typedef enum vloss_reduction {
  VLOSS_MEAN = 0, /* one number: the sum divided by the denominator that the function documents */
  VLOSS_SUM,      /* one number */
  VLOSS_NONE,     /* one number a row; for elementwise losses one an element */

  /* Of vloss_loss only. The Keras forms start from one value a row, the mean of its elements for an elementwise loss.
   */
  VLOSS_BATCH_MEAN,               /* one number: sum / rows, batchmean of KLDivLoss; row losses: as VLOSS_MEAN */
  VLOSS_KERAS_NONE,               /* the row values; the functions of Keras, and its classes with Reduction.NONE */
  VLOSS_KERAS_SUM,                /* one number: the sum of the row values */
  VLOSS_KERAS_SUM_OVER_BATCH_SIZE /* one number: that divided by rows * inner; 0 if there are no rows */
} vloss_reduction;

/* Which rows do not count. */
typedef enum vloss_ignore {
  VLOSS_IGNORE_DEFAULT = 0, /* label == ignore_index, where ignore_index 0 stands for -100 */
  VLOSS_IGNORE_INDEX,       /* label == ignore_index, 0 included */
  VLOSS_IGNORE_NOTHING      /* no row is ignored; ignore_index must be 0 */
} vloss_ignore;

/* The threads that a call may use: the caller's, as vloss has none. Every argument struct has a pointer to one; null
 * means that the calling thread does all. Which threads do what changes no bit of any result and no status.
 *
 * run() calls task(argument, i) once for each i in 0 .. count - 1, in any order and on any threads, the calling one
 * included, and returns when all of them have returned; what they have written is then visible to the calling thread.
 * With two threads or more, a call is cut into tasks where it has work for two; small calls run where they are, and do
 * not call run(). A call makes one to three runs: for its labels and values, and for the computation. It must work for
 * any count; a task takes microseconds at least, uses as much stack as a call does, and does not call run(). Nothing
 * keeps a pointer to the struct, and several threads may use it at the same time if run() allows that. vloss/openmp.h
 * has a ready one; docs/threads.md those for other pools, in a few lines each. */
typedef void vloss_task(void *argument, size_t index);
typedef struct vloss_executor {
  void *context;  /* handed to run */
  size_t threads; /* how many tasks can run at the same time: at least 1. The number of tasks follows from it */
  void (*run)(void *context, size_t count, vloss_task *task, void *argument); /* not null */
} vloss_executor;

/* Flags, to be combined with |. */
enum {
  VLOSS_UNCHECKED = 1,      /* do not check labels: a row with a label out of range gives NaN, see labels */
  VLOSS_EMPTY_MEAN_ZERO = 2 /* the mean of no live row is 0 rather than NaN */
};

/* ---- Cross-entropy and NLL over rows of logits ------------------------------------------------------------------
 *
 * With y the logits of a row (as they count: see scale and softcap), m their maximum, S = sum_c exp(y_c - m), lp_c =
 * y_c - m - log S, p_c = exp(lp_c), t the label, w the class weights (1 if null), e the label smoothing and C the
 * number of classes:
 *
 *   class index    q_c = (1 - e) w_t [c = t] + (e / C) w_c
 *   probabilities  q_c = w_c ((1 - e) target_c + e / C)
 *   loss           L = sum_c q_c (-lp_c);     without smoothing L = w_t log1p(sum_{c != t} exp(y_c - y_t))
 *   gradient       dL/dy_c = Q p_c - q_c,     Q = sum_c q_c
 *                  dL/dtarget_c = -(1 - e) w_c lp_c, of probabilities
 *
 * and, where these are asked for, with a row's weight r, a factor z and lse = m + log S:
 *
 *   scale, softcap y_c = cap tanh(scale x_c / cap), or scale x_c without a softcap, x being what is given as `logits`:
 *                  dL/dx_c = dL/dy_c dy_c/dx_c, and everything else is of y
 *   z_loss         r (L + z lse^2), the second term without weights of classes and smoothing; dL/dy_c has 2 z lse p_c
 *                  more
 *   row_weights    r times all of the row's loss and gradients
 *
 * (CrossEntropyLoss of PyTorch; SoftmaxCrossEntropyLoss of ONNX; the from_logits=True categorical losses of Keras.) A
 * term whose coefficient q_c or w_t is exactly 0 counts as 0 whatever it multiplies, NaN excepted: a class masked with
 * -inf costs nothing unless the target or the smoothing asks for it.
 *
 *   VLOSS_MEAN divides by the sum of w_t over the rows that are not ignored; with probabilities by rows * inner. What
 *   z_loss adds is divided by the number of rows that are not ignored. Weights of rows are in neither denominator: with
 *   them VLOSS_MEAN is sample_weight with SUM_OVER_BATCH_SIZE of Keras.
 *   A row whose label is ignored has loss 0, gradient 0, lse 0, prediction -1, whatever its logits are; max, log_sum,
 *   correct and what z_loss adds are 0, too.
 *   Special rows: every logit -inf, any +inf or any NaN give NaN; the target's logit -inf gives loss +inf and a finite
 *   gradient; classes = 1 gives loss 0 and gradient 0. With a softcap -inf is -cap: masks by -inf do not work then.
 *   No rows (rows = 0): VLOSS_SUM gives 0, VLOSS_MEAN NaN (or 0, see VLOSS_EMPTY_MEAN_ZERO). All rows
 *   ignored: the same. Live weights that add up to 0: the mean is NaN, and so is every gradient of a row that is not
 *   ignored, with smoothing, too, and in vloss_nll.
 *   Accuracy (f32): loss within 2 ulp and gradient within 4 ulp of the exact value for any number of classes up to
 *   262,144. With smoothing or probabilities, where terms cancel, the ulp is that of the sum of the absolute terms:
 *   |q_c (m - y_c)| and |q_c| log S of every class for the loss, p_c sum_j |q_j| and |q_c| for the gradient. Where the
 *   two parts of a q_c cancel (a negative target), |q_c| stands for the sum of their absolute values. Sums and means:
 *   within 2 ulp of those of the exact losses. With scale or softcap all this is of y, which is rounded to float: once
 *   without a softcap, with one within 2 ulp; dy/dx is within 4 ulp then, and so the gradient within 8. With z_loss
 *   terms are those of L and z lse^2 together, and Q counts as |Q| + |2 z lse|. z_loss_part, log_sum and grad_targets
 *   are within 4, 2 and 4 ulp; log-probabilities below 2^-126 count as 0 in grad_targets.
 *   Accuracy (f64): losses, gradients, lse and log_sum within 4 ulp in the same sense; z_loss_part, and gradients with
 *   z_loss, within 8. What is below 2^-1010 may have lost digits.
 */
typedef struct vloss_row_state vloss_row_state; /* see "Rows whose classes are spread" */

typedef struct vloss_cross_entropy_args {
  size_t rows;    /* axes before the class axis, multiplied; 0 is an empty batch */
  size_t classes; /* C; may be 0 only if there is no row */
  size_t inner;   /* axes after the class axis, multiplied; 0 means 1, so that a struct of zeros has no such axes */

  const void *logits;   /* y, of `type` (x with a scale or softcap). For vloss_nll: log-probabilities */
  size_t logits_stride; /* elements from one outer index to the next; 0: classes * inner */
  vloss_type type;      /* of logits, targets and grad. With 16 bits loss, lse and
                           predicted are those of the widened logits and targets, bit for bit, and grad is theirs, each
                           rounded once */

  /* Exactly one of labels and targets is given. */
  const void *labels;          /* rows * inner class indices of label_type. Checked before anything is written, unless
                                  VLOSS_UNCHECKED is set: then a label out of range makes the loss and the gradient of
                                  its row NaN, and the row counts with weight 1 in the mean's denominator */
  vloss_label_type label_type; /* of labels and predicted */
  vloss_ignore ignore;         /* which label value means "ignore this row" */
  int64_t ignore_index;        /* see ignore; not limited to [0, classes). Must be 0 with targets */
  const void *targets;         /* class probabilities, of `type` and of the shape of the logits; need not sum to 1 */
  size_t targets_stride;       /* as logits_stride */

  const void *weights;    /* w: float, one a class; null: all 1. Any value; negative ones work arithmetically */
  double label_smoothing; /* e in [0, 1] */

  vloss_reduction reduction; /* of loss; it decides the scale of grad, too */
  uint32_t flags;            /* VLOSS_UNCHECKED, VLOSS_EMPTY_MEAN_ZERO */
  const void *upstream;      /* float: gradient of what follows with respect to `loss`, one for mean and sum, one a row
                                for VLOSS_NONE; null: 1. Scales grad only. An infinite one makes its rows NaN, those
                                that are ignored excepted */

  void *loss;         /* float: one for mean and sum, rows * inner for VLOSS_NONE */
  void *grad;         /* d loss / d logits, of `type` and shape of the logits; may be the logits themselves */
  size_t grad_stride; /* as logits_stride. Elements between the rows of a strided gradient are not touched */
  void *lse;          /* float, one a row: log sum_c exp(y_c), natural logarithm; special rows as in log_sum_exp */
  void *predicted;    /* label_type per row: the first index of the row's maximum; of the first NaN if there is one */

  size_t *bad_row; /* written only with VLOSS_ERROR_LABEL: the first row whose label is out of range */

  const vloss_executor *executor; /* threads to use; null: the calling one. Calls are cut between rows */

  /* Of rows whose classes are spread over several calls, see below; 0 and null in all others. */
  size_t class_offset;     /* the first class of the shard that this call has: a multiple of VLOSS_CLASS_BLOCK */
  size_t total_classes;    /* of the whole row; what labels name, weights hold and label_smoothing is divided by */
  vloss_row_state *states; /* rows * inner of them */

  double scale;   /* > 0, used as a float but with doubles; 0 means 1. 1 / temperature */
  double softcap; /* cap > 0; 0: none. Both as in vloss_log_probs: VLOSS_ERROR_SCALE */
  double z_loss;  /* z, finite and >= 0, or VLOSS_ERROR_SCALE; lse^2 times it is added to each row's loss */

  const void *row_weights; /* r: float, one a row; null: all 1. Any value; a weight of 0 makes 0 of everything but NaN,
                              one that is not finite makes the gradients of its row NaN */

  /* Of labels: row i, in the order of the rows, is scored against the label of row i + shift of its sequence; the last
   * `shift` rows of each sequence are ignored, whatever `ignore` says. Labels that no row is scored against are not
   * looked at. bad_row is the row i. VLOSS_ERROR_ARGUMENTS: shift with targets; rows * inner is no multiple of
   * sequence, or shift is not below it, where there are rows. */
  size_t shift;    /* 1: the next token */
  size_t sequence; /* rows of a sequence; 0: all rows are one */

  void *z_loss_part; /* float, as many as `loss`: what z_loss adds to it */
  void *max;         /* float, one a row: m; NaN in rows without an answer, as log_sum */
  void *log_sum;     /* float, one a row: lse - m >= 0: with m more digits than lse has */
  int32_t *correct;  /* one a row: 1 where `predicted` is the label, else 0. Not with targets: VLOSS_ERROR_ARGUMENTS */

  void *grad_targets; /* d loss / d targets, of `type` and shape of the targets; may be the targets themselves. Without
                         targets: VLOSS_ERROR_ARGUMENTS */
  size_t grad_targets_stride; /* as logits_stride */
} vloss_cross_entropy_args;

/* Computes what its non-null outputs ask for. size is sizeof(vloss_cross_entropy_args) as the caller knows it: the
 * struct may grow at its end, and binaries built against an older or newer header keep working. */
VLOSS_API vloss_status vloss_cross_entropy_sized(const vloss_cross_entropy_args *args, size_t size);
static inline vloss_status vloss_cross_entropy(const vloss_cross_entropy_args *args) {
  return vloss_cross_entropy_sized(args, sizeof *args);
}

/* ---- Rows whose classes are spread -------------------------------------------------------------------------------
 *
 * Rows whose logits are never in one place, as they are spread over calls, threads, processes or machines (a vocabulary
 * in shards), are computed in four steps. Loss, lse, prediction and gradient have the bits of one call on the whole
 * rows, whatever the shards, and in whatever order and grouping their states are merged.
 *
 *   partial    reads the logits of a shard, classes [class_offset, class_offset + classes) of total_classes, and writes
 *              what is known of each row to `states`
 *   merge      puts together what is known of the same rows from different shards, in any order
 *   finish     makes `loss`, `lse` and `predicted` (of all classes) of the states of complete rows
 *   partial_gradient   reads the logits of a shard again, and complete states, and writes the shard's `grad`, which may
 *              be the logits themselves
 *
 * All but merge take the struct above, alike but for logits, grad and their strides, type, classes and class_offset. A
 * state does not tell of which type the logits were: shards of one row may have different ones. Shards
 * begin and end at multiples of VLOSS_CLASS_BLOCK classes, or at the end of the row; one may be empty (classes = 0):
 * its states change nothing that they are merged with, nor does a struct of zeros. labels, ignore, weights,
 * label_smoothing, flags, reduction and upstream are those of the whole rows everywhere: labels are numbers from 0 to
 * total_classes - 1, weights has total_classes elements. There are index labels only: targets must be null. Outputs
 * that a step does not write must be null (VLOSS_ERROR_ARGUMENTS); inputs that it does not read are ignored: logits by
 * finish, upstream, row_weights and z_loss by partial, upstream by finish, reduction by partial. scale, softcap, shift
 * and sequence are those of the whole rows everywhere, z_loss and row_weights alike in finish and the gradient. finish
 * makes z_loss_part and correct, too; max, log_sum and grad_targets must be null in every step.
 *
 * Refused, with nothing written: VLOSS_ERROR_SHARD for a shard past the end or off the borders; VLOSS_ERROR_STATE where
 * states are merged that have other options, labels or numbers of classes, or more classes together than there are, and
 * where finish or the gradient meet states that are not of all classes or not of this call. That weights and logits are
 * the same everywhere, nobody can tell.
 */
enum { VLOSS_CLASS_BLOCK = 4096 };

/* What is known of a row: plain memory of 128 bytes, that may be copied, kept, or sent to a machine of the same byte
 * order, whatever its ISA. The contents belong to vloss, and to one version of it. */
struct vloss_row_state {
  uint64_t opaque[16];
};

VLOSS_API vloss_status vloss_cross_entropy_partial_sized(const vloss_cross_entropy_args *args, size_t size);
VLOSS_API vloss_status vloss_cross_entropy_finish_sized(const vloss_cross_entropy_args *args, size_t size);
VLOSS_API vloss_status vloss_cross_entropy_partial_gradient_sized(const vloss_cross_entropy_args *args, size_t size);
static inline vloss_status vloss_cross_entropy_partial(const vloss_cross_entropy_args *args) {
  return vloss_cross_entropy_partial_sized(args, sizeof *args);
}
static inline vloss_status vloss_cross_entropy_finish(const vloss_cross_entropy_args *args) {
  return vloss_cross_entropy_finish_sized(args, sizeof *args);
}
static inline vloss_status vloss_cross_entropy_partial_gradient(const vloss_cross_entropy_args *args) {
  return vloss_cross_entropy_partial_gradient_sized(args, sizeof *args);
}

/* Adds `count` states to those of the same rows. Associative and commutative to the bit: it can be an MPI_Op. */
VLOSS_API vloss_status vloss_cross_entropy_merge(vloss_row_state *into, const vloss_row_state *from, size_t count);

/* ---- NLL over rows of log-probabilities --------------------------------------------------------------------------
 *
 * Negative log-likelihood of log-probabilities x: L = -w_t x_t, dL/dx_c = -w_t [c = t]. (NLLLoss of PyTorch,
 * NegativeLogLikelihoodLoss of ONNX.) The struct, labels, weights, reductions and ignored rows as above; x is not
 * checked to be normalised, and only x_t is read. row_weights and shift work as above. targets and all outputs but loss
 * and grad must be null, label_smoothing, scale, softcap and z_loss 0: otherwise VLOSS_ERROR_ARGUMENTS. NaN: only x_t
 * matters; the gradient does not depend on x. w_t = 0 gives loss 0 even for x_t = -inf. Exact to 0.5 ulp a row (f64:
 * 1 ulp, totals 4). */
VLOSS_API vloss_status vloss_nll_sized(const vloss_cross_entropy_args *args, size_t size);
static inline vloss_status vloss_nll(const vloss_cross_entropy_args *args) {
  return vloss_nll_sized(args, sizeof *args);
}

/* ---- Softmax, log-softmax, log-sum-exp ---------------------------------------------------------------------------
 *
 * Over each row x of `input`:
 *   softmax               out_c = exp(x_c - m) / S
 *   log_softmax           out_c = x_c - m - log S
 *   log_sum_exp           out_r = m + log S                        one float a row
 * and backwards, where `input` is the output y of the forward function and h the gradient with respect to that:
 *   softmax_backward      out_c = y_c (h_c - sum_j h_j y_j)
 *   log_softmax_backward  out_c = h_c - exp(y_c) sum_j h_j
 *
 * A row with NaN, with +inf or of nothing but -inf gives NaN in softmax and log_softmax; in log_sum_exp a row of -inf
 * gives -inf and a row with +inf gives +inf, as torch.logsumexp does. A masked class (-inf) has softmax 0 and
 * log-softmax -inf, and exp(-inf) is 0 in log_softmax_backward. No rows: nothing is written, VLOSS_OK.
 *   Accuracy (f32): softmax and log_softmax within 4 and 2 ulp; log_sum_exp, and lse of vloss_cross_entropy, within 2
 * ulp and never below the maximum; where a result below 2^-28 is what a negative maximum and log S leave of each other
 * (log-probabilities have lse 0), within 2^-50. One class gives x itself. Backward within 4 ulp of the sum of the
 * absolute terms (in softmax_backward h_c - sum_j h_j y_j counts as 0 below 2^-126, which a y beyond 1 would show).
 */
typedef struct vloss_softmax_args {
  size_t rows; /* as in vloss_cross_entropy_args */
  size_t classes;
  size_t inner;

  const void *input;      /* forward: logits; backward: the output of the forward function; of `type` */
  size_t input_stride;    /* 0: classes * inner */
  const void *upstream;   /* backward only (null otherwise): h, of the shape of the input */
  size_t upstream_stride; /* 0: classes * inner */
  vloss_type type;        /* of input, upstream and output. With 16 bits the results are those of the widened input,
                             each rounded once */

  void *output; /* of `type` and the shape of the input, may be the input or upstream itself; log_sum_exp: float,
                   one a row */
  size_t output_stride; /* 0: classes * inner; log_sum_exp: must be 0 */

  const vloss_executor *executor; /* threads to use; null: the calling one. Calls are cut between rows */
} vloss_softmax_args;

VLOSS_API vloss_status vloss_softmax_sized(const vloss_softmax_args *args, size_t size);
VLOSS_API vloss_status vloss_log_softmax_sized(const vloss_softmax_args *args, size_t size);
VLOSS_API vloss_status vloss_log_sum_exp_sized(const vloss_softmax_args *args, size_t size);
VLOSS_API vloss_status vloss_softmax_backward_sized(const vloss_softmax_args *args, size_t size);
VLOSS_API vloss_status vloss_log_softmax_backward_sized(const vloss_softmax_args *args, size_t size);

static inline vloss_status vloss_softmax(const vloss_softmax_args *args) {
  return vloss_softmax_sized(args, sizeof *args);
}
static inline vloss_status vloss_log_softmax(const vloss_softmax_args *args) {
  return vloss_log_softmax_sized(args, sizeof *args);
}
static inline vloss_status vloss_log_sum_exp(const vloss_softmax_args *args) {
  return vloss_log_sum_exp_sized(args, sizeof *args);
}
static inline vloss_status vloss_softmax_backward(const vloss_softmax_args *args) {
  return vloss_softmax_backward_sized(args, sizeof *args);
}
static inline vloss_status vloss_log_softmax_backward(const vloss_softmax_args *args) {
  return vloss_log_softmax_backward_sized(args, sizeof *args);
}

/* ---- Log-probabilities straight from logits ----------------------------------------------------------------------
 *
 * What servers, evaluation harnesses and trainers read from a row of logits x, without an array of log-probabilities.
 * With y the logits as they count, m their maximum and S = sum_c exp(y_c - m):
 *
 *   y_c = cap tanh(scale x_c / cap)        or scale x_c without a softcap; scale = 1 / temperature
 *   logprob    lp_c = (y_c - m) - log S    of each id
 *   rank       its place in the order "value down, class number up": 0 for the first maximum
 *   top        the first `top` classes of that order, with their log-probabilities
 *   log_sum    log S, which is lse - m     and lse = m + log S
 *   entropy    H = -sum_c p_c lp_c, p_c = exp(lp_c)
 *   gradient   with upstreams U_k of the log-probabilities, V of the entropy and W of lse
 *              dx_c = dy_c/dx_c (sum_k U_k [c = id_k] - p_c sum_k U_k - V p_c (lp_c + H) + W p_c)
 *
 * Each row is read once, for everything but the gradient (and, of more than 512 top classes, once more for every
 * further 512; of doubles a few times); a row has the same bits in every batch: batch-invariant log-probs.
 *
 *   Ids are checked as labels are. An ignored id has log-probability 0, rank -1 and no gradient; a row of which nothing
 *   is wanted is not read. An id that occurs twice in a row counts twice in the gradient.
 *   Special rows: any NaN, any +inf or nothing but -inf (of y) makes every output NaN and every rank and top id -1. A
 *   class at -inf has log-probability -inf, gradient 0, and stands behind all others. With a softcap -inf is -cap:
 *   masks by -inf do not work then.
 *   No rows: nothing is written, VLOSS_OK.
 *   Accuracy (f32, and 16 bits widened): y is rounded to float, with a softcap within 2 ulp; of that y,
 *   log-probabilities, log_sum and lse are within 2 ulp (lse: of |m| + log S), also for an id that has nearly all the
 *   probability; the entropy within 4 ulp and never negative; the gradient within 4 ulp of the sum of the absolute
 *   terms. Gradients smaller than 2^-126 are +0.
 *   Accuracy (f64): all within 4 ulp, where what is below 2^-1010 may have lost digits; so may a gradient that a huge
 *   upstream makes of a log_sum, or of a probability squared, below that.
 */
typedef struct vloss_log_probs_args {
  size_t rows; /* as in vloss_cross_entropy_args */
  size_t classes;
  size_t inner;

  const void *logits;   /* x, of `type` */
  size_t logits_stride; /* 0: classes * inner */
  vloss_type type;      /* of logits and grad */
  double scale;         /* > 0, used as a float but with doubles; 0 means 1 */
  double softcap;       /* cap > 0; 0: none */

  const void *ids;             /* ids_per_row class numbers of label_type a row, row by row: id k of row r is at
                                  r * ids_per_row + k */
  size_t ids_per_row;          /* 0 if and only if nothing of ids is given or wanted */
  vloss_label_type label_type; /* of ids, rank and top_id */
  vloss_ignore ignore;         /* which id means "nothing", as in vloss_cross_entropy_args */
  int64_t ignore_index;
  uint32_t flags; /* VLOSS_UNCHECKED: an id out of range has log-probability NaN, rank -1, and makes the gradient of
                     its row NaN */

  void *logprob;     /* float, one an id, laid out as ids */
  void *rank;        /* label_type, the same */
  size_t top;        /* how many of the first classes: at most `classes` */
  void *top_id;      /* label_type, `top` a row, row by row */
  void *top_logprob; /* float, the same */
  void *max;         /* float, one a row: m, as all that follow */
  void *log_sum;     /* lse - m >= 0: with m more digits than lse has */
  void *lse;
  void *entropy; /* in nats */

  const void *upstream;         /* U: float, laid out as ids; null: 0, as the next two */
  const void *entropy_upstream; /* V: float, one a row */
  const void *lse_upstream;     /* W: float, one a row. An upstream that is not finite makes its row NaN */
  void *grad;                   /* of `type` and shape of the logits; may be the logits themselves. Needs an upstream */
  size_t grad_stride;           /* as logits_stride */

  size_t *bad_row; /* written only with VLOSS_ERROR_LABEL: the first row with an id out of range */

  const vloss_executor *executor; /* threads to use; null: the calling one. Calls are cut between rows */

  /* Of rows whose classes are spread over several calls, see below; 0 and null in all others. */
  size_t class_offset;  /* as in vloss_cross_entropy_args */
  size_t total_classes; /* of the whole row: what ids name */
  void *states;         /* rows * inner of vloss_log_probs_state_bytes, one behind the other; aligned to 8 bytes */
} vloss_log_probs_args;

VLOSS_API vloss_status vloss_log_probs_sized(const vloss_log_probs_args *args, size_t size);
static inline vloss_status vloss_log_probs(const vloss_log_probs_args *args) {
  return vloss_log_probs_sized(args, sizeof *args);
}

/* The same of rows whose classes are spread, as with vloss_cross_entropy_partial: log-probabilities, the top, max,
 * log_sum, lse and entropy have the bits of one call on the whole rows, whatever the shards and the order of merging.
 *
 *   partial   reads the logits of a shard, classes [class_offset, class_offset + classes) of total_classes, and writes
 *             what is known of each row to `states`
 *   merge     puts together what is known of the same rows from different shards, in any order
 *   finish    makes logprob, top_id, top_logprob, max, log_sum, lse and entropy of the states of complete rows; logits,
 *             classes and class_offset are ignored
 *
 * Shards are those of vloss_cross_entropy_partial. ids (numbers from 0 to total_classes - 1), ids_per_row, ignore, top
 * (at most total_classes), scale and softcap are those of the whole rows in partial and in finish, which therefore take
 * `top` and ids without a result for them. Ranks and the gradient need the whole row: rank, upstreams and grad must be
 * null, in partial all results (VLOSS_ERROR_ARGUMENTS).
 *
 * A state is plain memory that may be copied, kept, or sent to a machine of the same byte order, whatever its ISA: 32
 * bytes, 32 for each block of VLOSS_CLASS_BLOCK classes of the whole row, 16 for each id and each of the top; zeros are
 * a state of nothing. The contents belong to vloss, and to one version of it. A state does not tell of which type the
 * logits were, but for VLOSS_F64.
 *
 * Refused, with nothing written: VLOSS_ERROR_SHARD as there; VLOSS_ERROR_STATE where states are merged that have other
 * options, ids or numbers of classes, or a block of classes in common, and where finish meets states that are not of
 * all classes or not of this call. */
VLOSS_API vloss_status vloss_log_probs_partial_sized(const vloss_log_probs_args *args, size_t size);
VLOSS_API vloss_status vloss_log_probs_finish_sized(const vloss_log_probs_args *args, size_t size);
static inline vloss_status vloss_log_probs_partial(const vloss_log_probs_args *args) {
  return vloss_log_probs_partial_sized(args, sizeof *args);
}
static inline vloss_status vloss_log_probs_finish(const vloss_log_probs_args *args) {
  return vloss_log_probs_finish_sized(args, sizeof *args);
}

/* The bytes of the state of one row; 0 if there are no classes, more than INT32_MAX, or more bytes than memory. */
VLOSS_API size_t vloss_log_probs_state_bytes(size_t total_classes, size_t ids_per_row, size_t top);

/* Adds `count` states of `state_bytes` to those of the same rows. Associative and commutative to the bit. */
VLOSS_API vloss_status vloss_log_probs_merge(void *into, const void *from, size_t count, size_t state_bytes);

/* ---- Two rows of logits compared ---------------------------------------------------------------------------------
 *
 * How far a student's distribution q = softmax(scale x) is from a teacher's p = softmax(scale z), row by row:
 * distillation, KL penalties, and whether a smaller model still says the same. With d_c = log p_c - log q_c:
 *
 *   FORWARD_KL       sum_c p_c d_c, KL(p || q)               gradient to x_c: scale (q_c - p_c)
 *   REVERSE_KL       R = -sum_c q_c d_c, KL(q || p)          scale q_c (-d_c - R)
 *   JSD              beta KL(p || M) + (1 - beta) KL(q || M), M = beta p + (1 - beta) q
 *                                                            scale q_c (h_c - sum q h), h = (1 - beta) log(q / M)
 *   TOTAL_VARIATION  1/2 sum_c |p_c - q_c|                   the same with h = sg(q - p) / 2
 *
 * (PyTorch's kl_div of log_softmax with log_target, of whole rows; TRL's generalised JSD.) The value of a KL takes one
 * read of both rows, JSD and TOTAL_VARIATION a second one, gradients another. 1 - TOTAL_VARIATION is the share of
 * tokens that speculative decoding accepts.
 *
 *   VLOSS_MEAN divides by the number of rows that are not ignored. A row whose label is ignored has loss 0, gradient 0
 *   and same_top 0, whatever its logits are; other labels are not looked at, and no labels ignore nothing.
 *   Never negative, and exactly 0 for rows of equal bits (in another type as well: of equal values).
 *   Special rows: NaN, +inf or nothing but -inf in either row make the loss and the gradient NaN, and same_top 0. A
 *   class with p_c = 0 (a logit of -inf) costs nothing in FORWARD_KL; one with a student's logit of -inf where p_c is
 *   not 0 makes it +inf, its gradient stays finite. In REVERSE_KL the other way round, and the gradient of such a row
 *   is NaN. JSD and TOTAL_VARIATION are finite. A class that both rows mask counts for nothing. Probabilities below
 *   e^-300 of the row's largest (of doubles: e^-700) count as 0.
 *   No rows: VLOSS_SUM gives 0, VLOSS_MEAN NaN (or 0, see VLOSS_EMPTY_MEAN_ZERO). All rows ignored: the same.
 *   Accuracy (f32, and 16 bits widened): scale x and scale z are rounded to floats. Of those, losses from 1e-3 on are
 *   within 8 ulp of the exact value; smaller ones within 1e-4 of themselves as long as p and q differ by a thousandth
 *   somewhere, but for TOTAL_VARIATION, which is within 4 ulp of 1e-3 there. Gradients are within 8 ulp of the sum of
 *   the absolute terms: p_c and q_c, or q_c |h_c| and q_c sum q |h|, where h counts 2^-9 at least. Gradients smaller
 *   than 2^-126 are +0.
 *   Accuracy (f64): losses and gradients within 8 ulp of double, where h counts 1 at least; losses below 1e-3 within 8
 *   ulp of four times their root, and what is below 2^-1000 may have lost digits.
 */
typedef enum vloss_divergence_kind {
  VLOSS_FORWARD_KL = 0,
  VLOSS_REVERSE_KL,
  VLOSS_JSD,
  VLOSS_TOTAL_VARIATION
} vloss_divergence_kind;

typedef struct vloss_divergence_args {
  vloss_divergence_kind kind;
  size_t rows; /* as in vloss_cross_entropy_args */
  size_t classes;
  size_t inner;

  const void *student;     /* x, of student_type */
  size_t student_stride;   /* 0: classes * inner */
  vloss_type student_type; /* of student and grad */
  const void *teacher;     /* z, of teacher_type; may be the student itself */
  size_t teacher_stride;   /* 0: classes * inner */
  vloss_type teacher_type; /* any, but doubles go with doubles only: else VLOSS_ERROR_ARGUMENTS */
  double scale;            /* 1 / temperature, > 0, used as a float but with doubles; 0 means 1. The factor T^2 by which
                              distillation multiplies its loss is the caller's: upstream */
  double beta;             /* of VLOSS_JSD, in (0, 1), else VLOSS_ERROR_PARAMETER; 0 means 0.5. Else it must be 0 */

  const void *labels; /* label_type, one a row; null: no row is ignored */
  vloss_label_type label_type;
  vloss_ignore ignore; /* which label means "ignore this row", as in vloss_cross_entropy_args */
  int64_t ignore_index;

  vloss_reduction reduction; /* VLOSS_MEAN, VLOSS_SUM or VLOSS_NONE, of loss and of the scale of grad */
  uint32_t flags;            /* VLOSS_EMPTY_MEAN_ZERO */
  const void *upstream;      /* float: one for mean and sum, one a row for VLOSS_NONE; null: 1. Scales grad only. One
                                that is not finite makes its rows NaN, those that are ignored excepted */

  void *loss;         /* float: one for mean and sum, rows * inner for VLOSS_NONE */
  int32_t *same_top;  /* one a row: 1 if both rows have their first maximum at the same class, else 0 */
  void *grad;         /* d loss / d student, of its type and shape; may be the student's logits themselves */
  size_t grad_stride; /* 0: classes * inner */

  const vloss_executor *executor; /* threads to use; null: the calling one. Calls are cut between rows */
} vloss_divergence_args;

VLOSS_API vloss_status vloss_divergence_sized(const vloss_divergence_args *args, size_t size);
static inline vloss_status vloss_divergence(const vloss_divergence_args *args) {
  return vloss_divergence_sized(args, sizeof *args);
}

/* ---- The losses of PyTorch and Keras ----------------------------------------------------------------------------
 *
 * One function for all: vloss_loss(); the field `kind` says which loss. In the formulas p is the prediction, t the
 * target, d = p - t, s the logistic sigmoid, sp(x) = log(1 + e^x), [c] 1 if c holds and else 0, sg the sign with
 * sg(0) = 0, eps 1e-7 as a float. After "|" stand the parameters, in the order in which args.parameters holds them,
 * with default and range. vloss_loss_info_at() lists the same at run time, with the names that PyTorch and Keras use;
 * docs/losses.md says which call gives the numbers of which of their APIs.
 *
 * Elementwise losses: l of every element, reduced as args.reduction says.
 *
 *   L1               |d|, gradient sg(d)
 *   MSE              d^2, gradient 2d
 *   SMOOTH_L1        d^2 / (2 beta) where |d| < beta, else |d| - beta/2      | beta 1, a float >= 0, 0 (L1) to infinite
 *   HUBER            d^2 / 2 where |d| <= delta, else delta (|d| - delta/2)  | delta 1, > 0, may be infinite
 *   LOG_COSH         log cosh d, gradient tanh d
 *   MAPE             100 |d| / max(|t|, eps)
 *   MSLE             (log(1 + max(p, eps)) - log(1 + max(t, eps)))^2, gradient 0 where p < eps
 *   BCE              -(t max(log p, -100) + (1-t) max(log(1-p), -100)), gradient (p - t) / max(p (1-p), 1e-12).
 *                    A p outside [0, 1], or NaN: VLOSS_ERROR_PROBABILITY; unchecked its loss and gradient are NaN
 *   BCE_WITH_LOGITS  (1-t') sp(p) + P t' sp(-p), P = other (pos_weight; null: 1), t' = t (1-a) + a/2
 *                                                                                    | a = label_smoothing 0, in [0, 1]
 *   KERAS_BCE        -(t' log(v + eps) + (1-t') log(1 - v + eps)), v = p clipped to [eps, 1-eps], in float as written,
 *                    gradient 0 where p was clipped                                    | label_smoothing 0, in [0, 1]
 *   SIGMOID_FOCAL    a_t ce q^gamma: ce as BCE_WITH_LOGITS, q = 1 - (s(p) t + s(-p) (1-t)),
 *                    a_t = alpha t + (1-alpha) (1-t), or 1 if alpha < 0              | alpha 0.25, <= 1; gamma 2, >= 0
 *   KERAS_BINARY_FOCAL  a_t bce q^gamma: bce as KERAS_BCE, q = t' (1-p) + (1-t') p, p not clipped, a_t as SIGMOID_FOCAL
 *                    of t'                                | alpha -1, <= 1; gamma 2, >= 0; label_smoothing 0, in [0, 1]
 *   KL_DIV           p is a log-probability: t (log t - p), 0 at t = 0, NaN at t < 0, gradient -t;
 *                    log_target 1: e^t (t - p), gradient -e^t                                      | log_target 0 or 1
 *   POISSON          p - t log(p + eps), NaN at p < -eps, where the gradient is still 1 - t / (p + eps)
 *   POISSON_NLL      log_input 1: e^p - t p, 0: p - t log(p + eps); full 1 adds t log t - t + log(2 pi t) / 2 where
 *                    t > 1. A p < 0 with log_input 0: VLOSS_ERROR_RATE; unchecked loss and gradients are NaN
 *                                                              | log_input 1 or 0; full 0 or 1; eps 1e-8, >= 0
 *   GAUSSIAN_NLL     (log k + d^2 / k) / 2, k = max(v, eps), v = other (variance); full 1 adds log(2 pi) / 2.
 *                    A v < 0: VLOSS_ERROR_VARIANCE; unchecked NaN                      | full 0 or 1; eps 1e-6, > 0
 *   HINGE_EMBEDDING  t = 1: p; t = -1: max(0, margin - p); other t: the sum of both                | margin 1, finite
 *   HINGE            max(1 - t' p, 0); t' = 2t - 1 if label_mode is 1, t if it is 2, and 0 chooses 1 if every target of
 *                    the call is 0 or 1, else 2                                              | label_mode 0, or 1 or 2
 *   SQUARED_HINGE    the square of HINGE                                                     | label_mode 0, or 1 or 2
 *   SOFT_MARGIN      sp(-t p)
 *   MARGIN_RANKING   max(0, -t (p - q) + margin), q = other (the second prediction)                | margin 0, finite
 *
 * Row losses: L of every row, from all its C = columns elements.
 *
 *   KERAS_CATEGORICAL_CROSSENTROPY         -sum_c t'_c log v_c, v = p / sum(p) clipped to [eps, 1-eps],
 *                                          t' = t (1-a) + a/C                        | a = label_smoothing 0, in [0, 1]
 *   KERAS_SPARSE_CATEGORICAL_CROSSENTROPY  log(sum v) - log v_label, v = p clipped to [eps, 1-eps]
 *   KERAS_KL_DIVERGENCE      sum_c a log(a / b): a, b = target and prediction clipped to [eps, 1]
 *   CATEGORICAL_HINGE        max(max_c (1 - t_c) p_c - sum_c t_c p_c + 1, 0); ties of the maximum share its gradient
 *   COSINE_SIMILARITY        -sum t p / sqrt(max(sum t^2, 1e-12) max(sum p^2, 1e-12))
 *   COSINE_EMBEDDING         c = sum p q / sqrt((sum p^2 + 1e-12) (sum q^2 + 1e-12)), q = other (the second vector);
 *                            one target a row: 1: 1 - c; -1: max(0, c - margin); else 0          | margin 0, in [-1, 1]
 *   MULTI_MARGIN             (1/C) sum_{c != y} w_y max(0, margin - p_y + p_c)^norm, y the label, w the weights, one
 *                            a class                                                   | norm 1 or 2; margin 1, finite
 *   MULTILABEL_MARGIN        (1/C) sum_{j a label, i none} max(0, 1 - (p_j - p_i)); the labels of a row are a list,
 *                            read up to the first -1. Its gradient may not overwrite the prediction
 *   MULTILABEL_SOFT_MARGIN   (1/C) sum_c w_c (t_c sp(-p_c) + (1 - t_c) sp(p_c)), w the weights, one a class or an
 *                            element
 *   TRIPLET_MARGIN           max(0, D(p, t) - D(p, q) + margin): p the anchor, t the positive, q = other the
 *                            negative, D(u, v) = (sum_c |u_c - v_c + eps|^norm)^(1/norm), of an infinite norm the
 *                            maximum, whose ties share its gradient; with swap 1 the smaller of D(p, q) and D(t, q)
 *                                                    | margin 1, >= 0; norm 2, >= 1; eps 1e-6, >= 0; swap 0 or 1
 */
typedef enum vloss_loss_kind {
  VLOSS_CROSS_ENTROPY = 1, /* these two have functions of their own, and stand here for the registry */
  VLOSS_NLL,
  VLOSS_L1,
  VLOSS_MSE,
  VLOSS_SMOOTH_L1,
  VLOSS_HUBER,
  VLOSS_LOG_COSH,
  VLOSS_MAPE,
  VLOSS_MSLE,
  VLOSS_BCE,
  VLOSS_BCE_WITH_LOGITS,
  VLOSS_KERAS_BCE,
  VLOSS_SIGMOID_FOCAL,
  VLOSS_KL_DIV,
  VLOSS_POISSON,
  VLOSS_POISSON_NLL,
  VLOSS_GAUSSIAN_NLL,
  VLOSS_HINGE_EMBEDDING,
  VLOSS_HINGE,
  VLOSS_SQUARED_HINGE,
  VLOSS_SOFT_MARGIN,
  VLOSS_MARGIN_RANKING,
  VLOSS_KERAS_CATEGORICAL_CROSSENTROPY,
  VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY,
  VLOSS_KERAS_KL_DIVERGENCE,
  VLOSS_CATEGORICAL_HINGE,
  VLOSS_COSINE_SIMILARITY,
  VLOSS_COSINE_EMBEDDING,
  VLOSS_MULTI_MARGIN,
  VLOSS_MULTILABEL_MARGIN,
  VLOSS_MULTILABEL_SOFT_MARGIN,
  VLOSS_TRIPLET_MARGIN,
  VLOSS_KERAS_BINARY_FOCAL
} vloss_loss_kind;

/* How an operand covers rows and columns. */
typedef enum vloss_spread {
  VLOSS_PER_ELEMENT = 0, /* of the shape of the prediction, with a stride of its own */
  VLOSS_PER_COLUMN,      /* columns values: the same in every row */
  VLOSS_PER_ROW,         /* rows * inner values: the same in every column */
  VLOSS_PER_CALL         /* one value */
} vloss_spread;

/* Shapes: element c of row r = o * inner + i is at o * stride + c * inner + i, as for logits. An elementwise loss does
 * not care where rows end but for strides, spreads, the Keras reductions and VLOSS_BATCH_MEAN: a flat array of n
 * elements may be given as one row. */
typedef struct vloss_loss_args {
  vloss_loss_kind kind; /* must be given */
  size_t rows;          /* axes before the last (or class) axis, multiplied; 0 is an empty batch */
  size_t columns;       /* length of that axis */
  size_t inner;         /* row losses: axes after it, multiplied; 0 means 1. Elementwise: must be 0 or 1 */

  const void *prediction; /* p, of `type` */
  size_t prediction_stride;
  const void *target; /* t, of `type` and the shape of the prediction; VLOSS_COSINE_EMBEDDING: float, one a row. Null
                         for the losses that take labels */
  size_t target_stride;
  const void *other; /* what the formula calls other; of `type` if it is of full size (VLOSS_PER_ELEMENT), else float.
                        Null if the formula has none */
  size_t other_stride;
  vloss_spread other_spread; /* of pos_weight and variance; else must be VLOSS_PER_ELEMENT */
  vloss_type type;           /* of what has a value for every row and column */

  const void *labels;          /* class indices, one a row; VLOSS_MULTILABEL_MARGIN: a list of `columns`
                                  indices a row, row by row. Only for the losses that take them */
  vloss_label_type label_type; /* of labels */

  const void *weights; /* w, of `type` if of full size, else float: each multiplies the loss and the gradient of what it
                          covers, see Factors below. Null: 1. It does not enter a mean's denominator. PyTorch's
                          `weight`; Keras' sample_weight is VLOSS_PER_ROW */
  size_t weights_stride;
  vloss_spread weights_spread; /* elementwise losses: any. Row losses: VLOSS_PER_ROW or VLOSS_PER_CALL; those whose
                                  formula has w (VLOSS_WEIGHTS_A_CLASS): VLOSS_PER_COLUMN, one a class, and
                                  VLOSS_MULTILABEL_SOFT_MARGIN also VLOSS_PER_ELEMENT. Others are
                                  VLOSS_ERROR_ARGUMENTS */

  const double *parameters; /* the loss's parameters, in the order given above */
  size_t parameter_count;   /* how many of them are given; the rest have their defaults */

  vloss_reduction reduction; /* of loss; it decides the scale of the gradients, too */
  uint32_t flags;            /* VLOSS_UNCHECKED: skip the pass that looks for bad labels, probabilities, variances and
                                rates; VLOSS_EMPTY_MEAN_ZERO */
  const void *upstream;      /* float: gradient of what follows with respect to `loss`, of its shape; null: 1 */

  void *loss;         /* float: one; rows * columns (dense) or rows * inner of them where the reduction says so */
  void *grad;         /* d loss / d prediction, of its type and shape; may be the prediction or the target itself */
  size_t grad_stride; /* 0: columns * inner */
  void *grad_target;  /* d loss / d target; only for the losses whose info has VLOSS_GRAD_TARGET; may be the prediction
                         or the target itself */
  size_t grad_target_stride;
  void *grad_other; /* d loss / d other; only with VLOSS_GRAD_OTHER, and only where other is of full size
                       (VLOSS_PER_ELEMENT): a spread other is VLOSS_ERROR_ARGUMENTS. May be other itself */
  size_t grad_other_stride;

  size_t *bad_index; /* written only with VLOSS_ERROR_LABEL (the row), _PROBABILITY, _VARIANCE and _RATE (row * columns
                        + column), and _PARAMETER (its place in parameters): the first bad one */

  const vloss_executor *executor; /* threads to use; null: the calling one. Calls are cut between elements, or rows */
} vloss_loss_args;

/* Computes what the non-null outputs ask for, in one pass over memory.
 *   NaN in any live input of an element (a row, for row losses) gives NaN loss and gradients there and nowhere else; a
 *   reduced loss becomes NaN. max(0, NaN) is NaN.
 *   Factors: a weight multiplies a loss; the product of weight, upstream and 1 / the mean's denominator multiplies a
 *   gradient. A factor of 0 gives 0 whatever it multiplies, NaN excepted. An infinite one gives infinity, and NaN where
 *   it multiplies 0: a loss of 0, a gradient of 0. A weight of 0 with an infinite upstream makes the gradient NaN.
 *   Empty: no elements give VLOSS_SUM 0 and VLOSS_MEAN NaN (0 with VLOSS_EMPTY_MEAN_ZERO); no rows give 0 in the Keras
 *   forms; a row of no columns has the mean NaN. A row loss needs columns: VLOSS_ERROR_NO_CLASSES.
 *   Accuracy (f32): element losses and gradients within 4 ulp of the exact value of the formula away from cancellation,
 *   whatever the options; p - t may be beyond the range of float where results are not;
 *   sums and means, at any length, within 2 ulp of the exact sum of the losses that VLOSS_NONE gives, where the ulp is
 *   that of the sum of their absolute values. What those losses are off (4 ulp each at most) comes on top; it averages
 *   out unless they are all alike. docs/accuracy.md has the worst measured of each.
 *   Accuracy (f64): the same, in ulp of double. But what a factor multiplies is a double: a loss or derivative that is
 *   beyond the doubles before its factor is infinite, and a denormal one has lost digits; so has a product of factors.
 */
VLOSS_API vloss_status vloss_loss_sized(const vloss_loss_args *args, size_t size);
static inline vloss_status vloss_loss(const vloss_loss_args *args) { return vloss_loss_sized(args, sizeof *args); }

/* ---- The registry: what losses there are ------------------------------------------------------------------------ */

typedef enum vloss_family { VLOSS_ELEMENTWISE = 0, VLOSS_ROWS, VLOSS_LOGITS } vloss_family;

/* What a loss takes and gives, to be combined with |. */
enum {
  VLOSS_TAKES_TARGET = 1,
  VLOSS_TAKES_TARGET_PER_ROW = 2,
  VLOSS_TAKES_LABELS = 4,      /* one a row */
  VLOSS_TAKES_LABEL_LISTS = 8, /* columns a row */
  VLOSS_TAKES_OTHER = 16,
  VLOSS_OTHER_OPTIONAL = 32,   /* other may be null */
  VLOSS_OTHER_SPREADS = 64,    /* other_spread may be any */
  VLOSS_WEIGHTS_A_CLASS = 128, /* weights are one a column: a factor of the formula */
  VLOSS_GRAD_TARGET = 256,
  VLOSS_GRAD_OTHER = 512,
  VLOSS_TARGET_SIGNS = 1024,      /* targets are meant to be -1 or 1; others give what the formula gives */
  VLOSS_WEIGHTS_AN_ELEMENT = 2048 /* of a row loss: the formula's weights may be one an element instead */
};

typedef struct vloss_parameter_info {
  const char *name;
  double default_value, minimum, maximum; /* inclusive, except: */
  int above_minimum;                      /* the minimum itself is not allowed */
  int whole;                              /* only whole numbers are */
} vloss_parameter_info;

typedef struct vloss_loss_info {
  vloss_loss_kind kind;
  vloss_family family; /* VLOSS_LOGITS: computed by vloss_cross_entropy or vloss_nll */
  const char *name;    /* "smooth_l1" */
  uint32_t operands;   /* VLOSS_TAKES_TARGET, ... */
  const char *other;   /* what other is: "pos_weight"; null if there is none */
  const vloss_parameter_info *parameters;
  size_t parameter_count;
  const char *const
      *apis; /* the APIs of PyTorch and Keras it serves, such as "torch.nn.SmoothL1Loss"; null-terminated */
} vloss_loss_info;

/* Loss number index; null if there are not that many. The structs are constant and valid for ever. */
VLOSS_API const vloss_loss_info *vloss_loss_info_at(size_t index);

/* The loss of that name or kind; null if there is none. */
VLOSS_API const vloss_loss_info *vloss_loss_info_named(const char *name);
VLOSS_API const vloss_loss_info *vloss_loss_info_of(vloss_loss_kind kind);

#ifdef __cplusplus
}
#endif

#endif
