/* vloss-denormal-count: how many products (fused or not), quotients and roots of a call take or give a denormal, each
 * of which Intel's CPUs hand to microcode; on any x86-64 Linux. The exceptions of a denormal operand and of a result
 * below 2^-126 are unmasked around what a public function does, and each instruction that traps is counted and stepped
 * over. Fails where rows of denormal logits, or predictions and targets of losses, take more than a few of them. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <xmmintrin.h>

#include "environment.h"
#include "vloss/vloss.h"

enum { DENORMAL_MASK = 0x100, UNDERFLOW_MASK = 0x800, STEP = 0x100 };
static size_t products;

/* Whether the instruction at p is one of those: its opcode is behind a VEX or EVEX prefix, or 0f. */
static int is_product(const uint8_t *p) {
  int map = 0;
  while (*p == 0x66 || *p == 0xf2 || *p == 0xf3) p++;
  if (*p == 0xc5)
    map = 1, p += 2;
  else if (*p == 0xc4)
    map = p[1] & 31, p += 3;
  else if (*p == 0x62)
    map = p[1] & 7, p += 4;
  else
    map = 1, p += (*p & 0xf0) == 0x40 ? 2 : 1;
  if (map == 1) return *p == 0x59 || *p == 0x5e || *p == 0x51;
  return map == 2 && *p >= 0x96 && *p <= 0xbf && (*p & 15) >= 6;
}
static void on_exception(int signal, siginfo_t *info, void *context) {
  ucontext_t *const c = context;
  (void)signal, (void)info;
  products += (size_t)is_product((const uint8_t *)c->uc_mcontext.gregs[REG_RIP]);
  c->uc_mcontext.fpregs->mxcsr |= DENORMAL_MASK | UNDERFLOW_MASK;
  c->uc_mcontext.gregs[REG_EFL] |= STEP;
}
static void on_step(int signal, siginfo_t *info, void *context) {
  ucontext_t *const c = context;
  (void)signal, (void)info;
  c->uc_mcontext.fpregs->mxcsr &= ~(uint32_t)(DENORMAL_MASK | UNDERFLOW_MASK);
  c->uc_mcontext.gregs[REG_EFL] &= ~(long long)STEP;
}

/* The linker puts it in the place of dispatch's. */
vloss_status __wrap_vloss_in_default_environment(vloss_run *run, const void *args, size_t size, int function);
vloss_status __wrap_vloss_in_default_environment(vloss_run *run, const void *args, size_t size, int function) {
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(0x1f80u & ~(unsigned)(DENORMAL_MASK | UNDERFLOW_MASK));
  const vloss_status status = run(args, size, function);
  _mm_setcsr(saved);
  return status;
}

enum { ELEMENTS = 64 * 1024 };
static float x[ELEMENTS], h[ELEMENTS], out[ELEMENTS], loss[ELEMENTS];
static int64_t labels[ELEMENTS];
static int failures;

static void show(const char *what, const char *isa, size_t rows, size_t classes, double most, vloss_status status) {
  const double each = (double)products / (double)(rows * classes);
  const int fails = status || each > most;
  printf("%-4s %-8s %-48s %4zu x %-5zu %.4f products of denormals an element\n", fails ? "FAIL" : "ok", isa, what, rows,
         classes, each);
  failures += fails;
  products = 0;
}

static float any_denormal(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  const uint32_t bits = (*state >> 9) | (*state & 0x80000000u) | 1u;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Some in the first rows, before they are noticed. */
#define OF_LOGITS 0.05
/* Of losses without labels: at most two in a vector of floats, which bce's gradient has; kl_div and margin_ranking have
 * one, most have none. Losses of denormal predictions, of denormal targets (or what takes their place), and of both:
 * each element's loss or their mean, without gradients and with all of them. */
static void count_loss(const char *isa, const vloss_loss_info *info, int of_p, int of_t) {
  static float p[ELEMENTS], t[ELEMENTS], signs[ELEMENTS], of_target[ELEMENTS], of_other[ELEMENTS];
  enum { ROWS = 2, COLUMNS = 500 };
  const int target_per_row = (info->operands & VLOSS_TAKES_TARGET_PER_ROW) != 0;
  uint32_t state = 1;
  for (size_t i = 0; i < ROWS * COLUMNS; i++) {
    p[i] = fabsf(any_denormal(&state));
    t[i] = fabsf(any_denormal(&state));
    if (!of_p) p[i] = (float)(state >> 8) * 0x1p-24f;
    if (!of_t) t[i] = (float)(state >> 16 & 0xff) * 0x1p-8f;
    signs[i] = i % 2 ? 1 : -1;
  }
  for (int none = 0; none < 2; none++)
    for (int gradients = 0; gradients < 2; gradients++) {
      char what[100];
      vloss_loss_args a = {.kind = info->kind,
                           .rows = ROWS,
                           .columns = COLUMNS,
                           .prediction = p,
                           .reduction = none ? VLOSS_NONE : VLOSS_MEAN,
                           .loss = loss};
      if (info->operands & VLOSS_TAKES_TARGET) a.target = t;
      if (target_per_row) a.target = signs;
      if ((info->operands & VLOSS_TAKES_OTHER) && info->kind != VLOSS_BCE_WITH_LOGITS) a.other = t;
      if (gradients) a.grad = out;
      if (gradients && (info->operands & VLOSS_GRAD_TARGET)) a.grad_target = of_target;
      if (gradients && (info->operands & VLOSS_GRAD_OTHER)) a.grad_other = of_other;
      snprintf(what, sizeof what, "%s, %s%s, denormal%s%s", info->name, none ? "none" : "mean",
               gradients ? ", gradients" : "", of_p ? " p" : "", of_t ? " t" : "");
      show(what, isa, ROWS, COLUMNS, strcmp(isa, "avx512") == 0 ? 2.1 / 16 : 2.1 / 8, vloss_loss(&a));
    }
}
static void count_losses(const char *isa) {
  const vloss_loss_info *info;
  for (size_t i = 0; (info = vloss_loss_info_at(i)); i++) {
    if (info->family == VLOSS_LOGITS || (info->operands & (VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS))) continue;
    for (int which = 1; which < 4; which++) count_loss(isa, info, which & 1, which >> 1);
  }
}

static void count_rows(const char *isa, size_t rows, size_t classes) {
  uint32_t state = 1;
  for (size_t i = 0; i < rows * classes; i++) {
    x[i] = any_denormal(&state);
    h[i] = (float)(state >> 20) / 1024 - 2;
  }
  for (size_t i = 0; i < rows; i++) labels[i] = (int64_t)(i * 7 % classes);
  vloss_cross_entropy_args ce = {.rows = rows, .classes = classes, .logits = x, .labels = labels, .loss = loss};
  vloss_softmax_args rows_of = {.rows = rows, .classes = classes, .input = x, .output = out};
  ce.label_type = VLOSS_I64;
  show("cross_entropy", isa, rows, classes, OF_LOGITS, vloss_cross_entropy(&ce));
  ce.grad = out;
  show("cross_entropy, gradient", isa, rows, classes, OF_LOGITS, vloss_cross_entropy(&ce));
  ce.label_smoothing = 0.1;
  show("cross_entropy, smoothing, gradient", isa, rows, classes, OF_LOGITS, vloss_cross_entropy(&ce));
  show("softmax", isa, rows, classes, OF_LOGITS, vloss_softmax(&rows_of));
  show("log_softmax", isa, rows, classes, OF_LOGITS, vloss_log_softmax(&rows_of));
  show("log_sum_exp", isa, rows, classes, OF_LOGITS, vloss_log_sum_exp(&rows_of));
  rows_of.upstream = h;
  show("softmax_backward", isa, rows, classes, OF_LOGITS, vloss_softmax_backward(&rows_of));
  show("log_softmax_backward", isa, rows, classes, OF_LOGITS, vloss_log_softmax_backward(&rows_of));
}

int main(void) {
  const struct sigaction exception = {.sa_sigaction = on_exception, .sa_flags = SA_SIGINFO},
                         step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
  int isas = 0;
  sigaction(SIGFPE, &exception, NULL);
  sigaction(SIGTRAP, &step, NULL);
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *const isa = vloss_isa_name(i);
    if (strncmp(isa, "avx", 3) != 0 || vloss_isa_force(isa) != VLOSS_OK) continue;
    isas++;
    count_rows(isa, 64, 10);
    count_rows(isa, 64, 128);
    count_rows(isa, 64, 1000);
    count_rows(isa, 7, 9000);
    count_losses(isa);
  }
  if (!isas) return puts("SKIP no ISA here whose kernels look for denormals"), 77;
  return failures != 0;
}
