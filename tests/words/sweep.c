/* vloss-sweep [--stride N] [--window] [--hashes FILE]: the words of kernels/words/vmath.h for every float that they are
 * for (sweep.def), or every N-th, on every ISA: in ulp against libm in double, bit for bit between the ISAs, beside
 * SLEEF, and as a hash against a file of hashes, one line a function and stride. --write-hashes FILE appends the lines.
 * --window: every float of the word's window, which counts as stride 0. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../check/harness/random.h"
#include "isas.h"
#include "sweep.h"

#define SLEEF_ULP 1.0         /* what SLEEF's u10 functions promise */
#define SLEEF_LOG1P_MAX 1e38f /* above it SLEEF 3.5.1 gives inf */

enum { BLOCK = 1 << 12, THREADS = 2 };
enum {
#define ISA(isa, ISA, ...) NUMBER_##ISA,
#include "isas.def"
#undef ISA
  ISAS
};

static uint32_t to_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static float from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* What sweep_isa.c calls vrest, of a float. */
static double rest(double x) { return (double)(float)(x * (to_bits((float)x) & 1 ? -0x1p-25 : 0x1p-25)); }

#define WORD(name, witness, vector, reference, ...) \
  static double exact_##name(double x) { return reference; }
#include "sweep.def"
#undef WORD

static struct {
  const char *name;
  double (*exact)(double);
  uint32_t first, last;
  double gate;
  uint32_t window;
} maps[MAPS] = {
#define WORD(name, witness, vector, reference, first, last, gate, window) \
  {#name, exact_##name, first, last, gate, window},
#include "sweep.def"
#undef WORD
};

static const struct maps *isas[ISAS];
static size_t isa_count;
static uint64_t stride = 1;
static bool window;
enum { WINDOW = 1 << 22 };

/* What a thread found over its share. */
struct share {
  int map;
  uint64_t first, count; /* of the inputs first, first + 1, ... times the stride, from the word's first */
  uint64_t hash;
  double worst, worst_witness;
  float worst_at, worst_witness_at;
  uint64_t unequal[ISAS];
  bool witnessed;
};

/* 1 / (the distance of floats of the size of x), from the exponent of x; denormals lie 2^-149 apart. */
static double ulps_per_unit(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  uint64_t exponent = u >> 52 & 0x7ff, smallest = 1023 - 126;
  if (exponent < smallest) exponent = smallest;
  u = (2046 + 23 - exponent) << 52;
  memcpy(&x, &u, sizeof x);
  return x;
}

/* Infinity if one of them is NaN or infinite, or a zero of the other sign, and the other one is not. */
static double error(float got, double reference) {
  float rounded = (float)reference;
  if (isnan(rounded)) return isnan(got) ? 0 : (double)INFINITY;
  if (isinf(rounded) || rounded == 0) {
    if (to_bits(got) == to_bits(rounded)) return 0;
    if (isinf(rounded)) return (double)INFINITY; /* no more than one float lies between the largest and this */
  }
  if (!isfinite(got)) return (double)INFINITY;
  return fabs((double)got - reference) * ulps_per_unit(reference);
}

/* FNV-1a by words: NaNs count as one. */
static uint64_t hash(uint64_t h, const float *y, size_t n) {
  for (size_t i = 0; i < n; i++) h = (h ^ (isnan(y[i]) ? 0x7fc00000u : to_bits(y[i]))) * 0x100000001b3u;
  return h;
}

static uint64_t differences(const float *a, const float *b, size_t n) {
  uint64_t count = 0;
  if (memcmp(a, b, n * sizeof *a) == 0) return 0;
  for (size_t i = 0; i < n; i++) count += to_bits(a[i]) != to_bits(b[i]) && !(isnan(a[i]) && isnan(b[i]));
  return count;
}

static void witness(struct share *s, const struct maps *isa, const float *x, const float *y, const double *reference,
                    size_t n) {
  static _Thread_local float sleef[BLOCK];
  isa->sleef[s->map](x, sleef, BLOCK);
  s->witnessed = true;
  for (size_t i = 0; i < n; i++) {
    if (s->map == MAP_log1p && x[i] > SLEEF_LOG1P_MAX) continue;
    double apart = isfinite(y[i]) && isfinite(sleef[i])
                       ? fabs((double)y[i] - (double)sleef[i]) * ulps_per_unit(reference[i])
                       : (y[i] == sleef[i] || (isnan(y[i]) && isnan(sleef[i])) ? 0 : (double)INFINITY);
    if (apart > s->worst_witness) {
      s->worst_witness = apart;
      s->worst_witness_at = x[i];
    }
  }
}

static void *sweep(void *share) {
  struct share *s = share;
  static _Thread_local float x[BLOCK], y[BLOCK], other[BLOCK];
  static _Thread_local double reference[BLOCK];
  double (*of)(double) = maps[s->map].exact;
  for (uint64_t done = 0; done < s->count; done += BLOCK) {
    size_t n = s->count - done < BLOCK ? (size_t)(s->count - done) : BLOCK;
    for (size_t i = 0; i < BLOCK; i++)
      x[i] = from_bits((uint32_t)(maps[s->map].first + (s->first + done + (i < n ? i : 0)) * stride));
    isas[0]->inlined[s->map](x, y, BLOCK);
    s->hash = hash(s->hash, y, n);
    for (size_t i = 0; i < n; i++) {
      reference[i] = of((double)x[i]);
      double e = error(y[i], reference[i]);
      if (e > s->worst) {
        s->worst = e;
        s->worst_at = x[i];
      }
    }
    for (size_t k = 1; k < isa_count; k++) {
      isas[k]->inlined[s->map](x, other, BLOCK);
      s->unequal[k] += differences(y, other, n);
    }
    for (size_t k = 0; k < isa_count; k++)
      if (isas[k]->sleef[s->map]) {
        witness(s, isas[k], x, y, reference, n);
        break;
      }
  }
  return NULL;
}

/* The whole range in THREADS shares, whose hashes are hashed again in order. */
static struct share run(int map) {
  const uint64_t inputs = (uint64_t)maps[map].last - maps[map].first + 1;
  uint64_t total = (inputs + stride - 1) / stride, each = (total + THREADS - 1) / THREADS;
  struct share shares[THREADS], all = {.map = map, .hash = 0xcbf29ce484222325u};
  pthread_t threads[THREADS];
  for (uint64_t t = 0; t < THREADS; t++) {
    shares[t] = (struct share){.map = map, .first = t * each, .count = t < THREADS - 1 ? each : total - t * each};
    shares[t].hash = 0xcbf29ce484222325u;
    if (pthread_create(&threads[t], NULL, sweep, &shares[t]) != 0) exit(2);
  }
  for (int t = 0; t < THREADS; t++) {
    const struct share *s = &shares[t];
    pthread_join(threads[t], NULL);
    all.hash = (all.hash ^ s->hash) * 0x100000001b3u;
    all.witnessed |= s->witnessed;
    if (s->worst > all.worst) {
      all.worst = s->worst;
      all.worst_at = s->worst_at;
    }
    if (s->worst_witness > all.worst_witness) {
      all.worst_witness = s->worst_witness;
      all.worst_witness_at = s->worst_witness_at;
    }
    for (size_t k = 0; k < isa_count; k++) all.unequal[k] += s->unequal[k];
  }
  all.count = total;
  return all;
}

/* The double exp and log that finish a row, on random numbers of the range that their comments give. */
static int test_doubles(void) {
  static const char *const names[] = {"dexp", "dlog"};
  static double (*const exact[])(double) = {exp, log};
  static const double gates[] = {2.8e-10, 5.5e-11}; /* a little above what kernels/words/vmath.h derives */
  static double x[BLOCK], y[BLOCK], other[BLOCK];
  struct random r = {1};
  int failures = 0;
  for (int map = 0; map < DOUBLE_MAPS; map++) {
    double worst = 0;
    uint64_t unequal = 0;
    for (int block = 0; block < 256; block++) {
      for (size_t i = 0; i < BLOCK; i++) {
        uint64_t bits = random_bits(&r);
        double unit = (double)(bits >> 12) * 0x1p-52;
        if (map == DOUBLE_EXP) x[i] = (unit * 2 - 1) * (block % 2 ? 700 : 1);
        if (map == DOUBLE_LOG) x[i] = block % 2 ? ldexp(1 + unit, (int)random_below(&r, 2046) - 1022) : 0.5 + unit;
      }
      isas[0]->doubles[map](x, y, BLOCK);
      for (size_t i = 0; i < BLOCK; i++) worst = fmax(worst, fabs(y[i] / exact[map](x[i]) - 1));
      for (size_t k = 1; k < isa_count; k++) {
        isas[k]->doubles[map](x, other, BLOCK);
        unequal += memcmp(y, other, sizeof y) != 0;
      }
    }
    printf("%-5s: relative error %.2g\n", names[map], worst);
    if (!(worst <= gates[map]) && ++failures) printf("FAIL %s: above %.2g\n", names[map], gates[map]);
    if (unequal && ++failures) printf("FAIL %s: the ISAs differ\n", names[map]);
  }
  return failures;
}

/* The file's hash for this function and stride; lines that begin with # are comments. */
static bool known_hash(FILE *file, int map, uint64_t *h) {
  char line[100], name[16];
  uint64_t file_stride;
  const uint64_t key = window ? 0 : stride;
  rewind(file);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "%" SCNx64 " %15s %" SCNu64, h, name, &file_stride) == 3 && file_stride == key &&
        strcmp(name, maps[map].name) == 0)
      return true;
  return false;
}

static int report(const struct share *s, FILE *hashes, bool write) {
  const char *const word = maps[s->map].name;
  const double gate = maps[s->map].gate;
  int failures = 0;
  printf("%-10s %11" PRIu64 " inputs: %.4f ulp at %a (0x%08x)", word, s->count, s->worst, (double)s->worst_at,
         to_bits(s->worst_at));
  if (s->witnessed) printf(", %.2f from SLEEF at %a", s->worst_witness, (double)s->worst_witness_at);
  printf(", hash %016" PRIx64 "\n", s->hash);
  if (!(s->worst <= gate) && ++failures) printf("FAIL %s: above %.1f ulp\n", word, gate);
  if (!(s->worst_witness <= gate + SLEEF_ULP) && ++failures) printf("FAIL %s: too far from SLEEF\n", word);
  for (size_t k = 1; k < isa_count; k++)
    if (s->unequal[k] && ++failures)
      printf("FAIL %s: %" PRIu64 " results of %s are not those of %s\n", word, s->unequal[k], isas[k]->isa,
             isas[0]->isa);
  uint64_t known;
  if (write) {
    fprintf(hashes, "%016" PRIx64 " %s %" PRIu64 "\n", s->hash, word, window ? 0 : stride);
  } else if (hashes && !known_hash(hashes, s->map, &known)) {
    failures++;
    printf("FAIL %s: the file has no hash for stride %" PRIu64 "\n", word, window ? 0 : stride);
  } else if (hashes && known != s->hash) {
    failures++;
    printf("FAIL %s: the hash should be %016" PRIx64 "\n", word, known);
  }
  fflush(stdout);
  return failures;
}

int main(int count, char **words) {
  const char *path = NULL;
  bool write = false;
  for (int i = 1; i < count; i += 2) {
    if (strcmp(words[i], "--window") == 0) {
      window = true;
      i--;
      continue;
    }
    write |= strcmp(words[i], "--write-hashes") == 0;
    if (i + 1 < count && strcmp(words[i], "--stride") == 0 && atoll(words[i + 1]) > 0) {
      stride = (uint64_t)atoll(words[i + 1]);
    } else if (i + 1 < count && (write || strcmp(words[i], "--hashes") == 0)) {
      path = words[i + 1];
    } else {
      fprintf(stderr, "usage: vloss-sweep [--stride N | --window] [--hashes FILE | --write-hashes FILE]\n");
      return 2;
    }
  }
  FILE *hashes = path ? fopen(path, write ? "a" : "r") : NULL;
  if (path && !hashes) {
    perror(path);
    return 2;
  }
  const struct maps *const tables[] = {
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, &maps_##isa, )
#include "isas.def"
#undef ISA
  };
  bool sleef = false;
  printf("ISAs:");
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    if (!vloss_isa_unsupported_reason(tables[i]->isa)) {
      isas[isa_count++] = tables[i];
      sleef |= tables[i]->sleef[0] != NULL;
      printf(" %s", tables[i]->isa);
    }
  printf("\n");
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) (void)isa_runs(tables[i]->isa);
  if (!sleef) printf("SKIP SLEEF as a witness: this build or this CPU has none of its functions\n");
  for (int map = 0; window && map < MAPS; map++) {
    maps[map].first = maps[map].window;
    maps[map].last = maps[map].window + WINDOW - 1;
  }
  int failures = test_doubles();
  for (int map = 0; map < MAPS; map++) {
    struct share result = run(map);
    failures += report(&result, hashes, write);
  }
  if (hashes && fclose(hashes) != 0) return 2;
  return failures ? 1 : 0;
}
