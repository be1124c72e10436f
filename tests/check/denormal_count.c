/* vloss-denormal-count: how many products (fused or not), quotients and roots of a call take or give a denormal, each
 * of which Intel's CPUs hand to microcode; on any x86-64 Linux. The exceptions of a denormal operand and of a result
 * below 2^-126 are unmasked around what a public function does, and each instruction that traps is counted and stepped
 * over. Fails where rows of denormal logits take more than a few of them a row on AVX2. */
#define _GNU_SOURCE
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

static void show(const char *what, const char *isa, size_t rows, size_t classes, vloss_status status) {
  const double each = (double)products / (double)(rows * classes);
  /* No machine with AVX-512 has counted yet: there, it is shown what comes out. */
  const int held = strcmp(isa, "avx512") != 0, fails = status || (held && each > 0.05);
  printf("%-4s %-8s %-32s %4zu x %-5zu %.4f products of denormals an element\n",
         fails  ? "FAIL"
         : held ? "ok"
                : "seen",
         isa, what, rows, classes, each);
  failures += fails;
  products = 0;
}

static void count_rows(const char *isa, size_t rows, size_t classes) {
  uint32_t state = 1;
  for (size_t i = 0; i < rows * classes; i++) {
    state = state * 1664525u + 1013904223u;
    const uint32_t bits = (state >> 9) | (state & 0x80000000u) | 1u;
    memcpy(&x[i], &bits, sizeof bits);
    h[i] = (float)(state >> 20) / 1024 - 2;
  }
  for (size_t i = 0; i < rows; i++) labels[i] = (int64_t)(i * 7 % classes);
  vloss_cross_entropy_args ce = {.rows = rows, .classes = classes, .logits = x, .labels = labels, .loss = loss};
  vloss_softmax_args rows_of = {.rows = rows, .classes = classes, .input = x, .output = out};
  ce.label_type = VLOSS_I64;
  show("cross_entropy", isa, rows, classes, vloss_cross_entropy(&ce));
  ce.grad = out;
  show("cross_entropy, gradient", isa, rows, classes, vloss_cross_entropy(&ce));
  ce.label_smoothing = 0.1;
  show("cross_entropy, smoothing, gradient", isa, rows, classes, vloss_cross_entropy(&ce));
  show("softmax", isa, rows, classes, vloss_softmax(&rows_of));
  show("log_softmax", isa, rows, classes, vloss_log_softmax(&rows_of));
  show("log_sum_exp", isa, rows, classes, vloss_log_sum_exp(&rows_of));
  rows_of.upstream = h;
  show("softmax_backward", isa, rows, classes, vloss_softmax_backward(&rows_of));
  show("log_softmax_backward", isa, rows, classes, vloss_log_softmax_backward(&rows_of));
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
  }
  if (!isas) return puts("SKIP no ISA here whose kernels look for denormals"), 77;
  return failures != 0;
}
