/* vloss-info: what CPU and operating system offer, which ISA is chosen, and for each of the others why not.
 * With --isa-only it prints just the name of the chosen ISA, for scripts; with --losses the registry; with --self-test
 * it computes known results.
 */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "self_test.h"
#include "types.h"
#include "vloss/vloss.h"

static int usage(FILE *out, const char *program) {
  fprintf(
      out,
      "usage: %s [--isa-only | --losses | --self-test]\n"
      "Prints what this CPU offers, which ISA vloss chooses, and why not the others.\n"
      "  --isa-only  print only the name of the chosen ISA\n"
      "  --losses    print the losses: types that are computed here, parameters with defaults and ranges, and the APIs "
      "they serve\n"
      "  --self-test compare results of every ISA that can be used here with known bits\n"
      "VLOSS_ISA=<name> in the environment chooses another ISA.\n"
      "Exit status: 0; 1 if VLOSS_ISA names an ISA that cannot be used or a result is wrong; 2 for a wrong argument.\n",
      program);
  return out == stdout ? 0 : 2;
}

static void print_cpu(void) {
  char brand[VLOSS_CPU_BRAND_SIZE];
  vloss_cpu_brand(brand);
  const struct vloss_cpu_facts facts = vloss_cpu_read();
  const uint32_t features = vloss_cpu_decode(&facts);
  printf("vloss     %s\n", vloss_version());
  if (*brand) printf("CPU       %s\n", brand + strspn(brand, " "));
  printf("features  %s\n", vloss_cpu_features());
  if (facts.max_leaf)
    printf("XCR0      0x%llx: the operating system saves the AVX registers: %s; the AVX-512 registers: %s\n",
           (unsigned long long)facts.xcr0, features & VLOSS_CPU_OS_AVX ? "yes" : "no",
           features & VLOSS_CPU_OS_AVX512 ? "yes" : "no");
}

/* One line for each ISA but the chosen one; current is null if VLOSS_ISA asks for what cannot be. */
static void print_isas(const char *current, int requested) {
  printf("ISA       %s%s\n", current ? current : "none",
         requested ? ", because of VLOSS_ISA" : ", the best that can be used here");
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i), *reason = vloss_isa_unsupported_reason(name);
    if (current && strcmp(name, current) == 0) continue;
    printf("not       %-6s  %s\n", name,
           reason      ? reason
           : requested ? "It can be used, but VLOSS_ISA asks for another."
                       : "It can be used, but so can a better one.");
  }
}

static void print_types_here(void) {
  const char *doubles = "by SLEEF";
  printf("types    ");
  for (size_t i = 0; i < TYPE_COUNT; i++) {
    double loss;
    const vloss_loss_args args = type_question(type_names[i].type, &loss);
    const vloss_status status = vloss_loss(&args);
    if (status == VLOSS_OK) printf(" %s", type_names[i].name);
    if (status != VLOSS_OK && type_names[i].type == VLOSS_F64) doubles = vloss_status_message(status);
  }
  printf("\ndoubles   %s\n", doubles);
}

/* The types that a call computes, by calls of no rows. */
static vloss_status status_of_type(const vloss_loss_info *loss, vloss_type type) {
  float number;
  double wide;
  void *const out = type == VLOSS_F64 ? (void *)&wide : (void *)&number;
  if (loss->family == VLOSS_LOGITS) {
    const vloss_cross_entropy_args args = {.classes = 1, .type = type, .loss = out};
    return loss->kind == VLOSS_NLL ? vloss_nll(&args) : vloss_cross_entropy(&args);
  }
  const vloss_loss_args args = {.kind = loss->kind, .columns = 1, .type = type, .loss = out};
  return vloss_loss(&args);
}
static void print_types(const vloss_loss_info *loss) {
  printf("  types:");
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (status_of_type(loss, type_names[i].type) == VLOSS_OK) printf(" %s", type_names[i].name);
  printf("\n");
}

static void print_parameter(const vloss_parameter_info *p) {
  const double high = (double)FLT_MAX;
  printf("  %s = %g, ", p->name, p->default_value);
  if (p->whole)
    printf("a whole number from %g to %g\n", p->minimum, p->maximum);
  else if (p->minimum == -high && p->maximum == high)
    printf("any finite number\n");
  else if (p->minimum == -high)
    printf("at most %g\n", p->maximum);
  else if (p->maximum >= high)
    printf("%s %g%s\n", p->above_minimum ? "above" : "at least", p->minimum,
           p->maximum > high ? ", infinity included" : "");
  else
    printf("from %g to %g\n", p->minimum, p->maximum);
}

static void print_losses(void) {
  static const char *const families[] = {"elementwise", "by rows", "over logits"};
  const vloss_loss_info *loss;
  for (size_t i = 0; (loss = vloss_loss_info_at(i)); i++) {
    printf("%s (%s)%s%s\n", loss->name, families[loss->family], loss->other ? "; other is the " : "",
           loss->other ? loss->other : "");
    print_types(loss);
    for (size_t p = 0; p < loss->parameter_count; p++) print_parameter(&loss->parameters[p]);
    for (const char *const *api = loss->apis; *api; api++) printf("  %s\n", *api);
  }
}

int main(int argc, char **argv) {
  const int isa_only = argc == 2 && strcmp(argv[1], "--isa-only") == 0;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) return usage(stdout, argv[0]);
  if (argc == 2 && strcmp(argv[1], "--losses") == 0) {
    print_losses();
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "--self-test") == 0) return self_test() > 0;
  if (argc > 1 && !isa_only) return usage(stderr, argv[0]);

  const char *request = getenv("VLOSS_ISA"), *current = NULL;
  const vloss_status status = vloss_isa_current(&current);
  if (isa_only && current) puts(current);
  if (!isa_only) {
    print_cpu();
    print_isas(current, request && *request);
    print_types_here();
  }
  if (status == VLOSS_OK) return 0;
  fflush(stdout);
  fprintf(stderr, "%s: %s\n", argv[0], vloss_status_message(status));
  return 1;
}
