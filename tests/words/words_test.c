/* Every vector word on every ISA against plain C: random bits and all combinations of special values in every operand,
 * tails of 0 to 16 elements between guard pages, and the exact association of the reductions. NaN results compare as a
 * class. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "../check/harness/buffers.h"
#include "../check/harness/random.h"
#include "isas.h"
#include "words.h"

static int32_t float_as_int(float x) {
  int32_t i;
  memcpy(&i, &x, sizeof i);
  return i;
}
static float int_as_float(int32_t i) {
  float x;
  memcpy(&x, &i, sizeof x);
  return x;
}
static uint64_t double_as_bits(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static double bits_as_double(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

static float exponent_of(float x) {
  int k;
  if (!(x >= 0)) return NAN;
  if (x == 0) return -INFINITY;
  if (isinf(x)) return x;
  return frexpf(x, &k) < 0.75f ? (float)(k - 1) : (float)k;
}
static float mantissa_of(float x) {
  if (!(x >= 0)) return NAN;
  return x == 0 || isinf(x) ? 1 : ldexpf(x, -(int)exponent_of(x));
}

/* ---- Lane-wise words ---- */

#define TYPE_f float
#define TYPE_i int32_t
#define TYPE_d double
#define TYPE_l int64_t
#define WORD(in, out, name, vector, scalar)                                                \
  static void plain_##name(const void *pa, const void *pb, const void *pc, void *result) { \
    for (int i = 0; i < 16; i++) {                                                         \
      const TYPE_##in a = ((const TYPE_##in *)pa)[i], b = ((const TYPE_##in *)pb)[i];      \
      const TYPE_##in c = ((const TYPE_##in *)pc)[i];                                      \
      (void)a, (void)b, (void)c;                                                           \
      ((TYPE_##out *)result)[i] = scalar;                                                  \
    }                                                                                      \
  }
#include "words.def"
#undef WORD

static const struct word {
  const char *name;
  char in, out;
  lanes *plain;
} plain_words[] = {
#define WORD(in, out, name, vector, scalar) {#name, #in[0], #out[0], plain_##name},
#include "words.def"
#undef WORD
};

/* Zeros, denormals, the ends of the normal range, ones, ties of the conversions, infinities, NaNs of all kinds. */
static const uint32_t special_floats[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x807fffff,
                                          0x00800000, 0x80800000, 0x3f7fffff, 0x3f800000, 0xbf800000, 0x3f800001,
                                          0x3fc00000, 0x4b000001, 0x4b400000, 0xcb800000, 0x7f7fffff, 0xff7fffff,
                                          0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffabcdef};
static const int32_t special_ints[] = {
    0,         1,         -1,        2,         -2,        127,       -127,          0x7fffff,   0x800000,
    -0x800000, -0x800001, 0x1000001, 0x1000003, INT32_MAX, INT32_MIN, INT32_MIN + 1, 0x4b400000, 1 << 30};
static const int64_t special_longs[] = {0,
                                        1,
                                        -1,
                                        -100,
                                        50256,
                                        INT32_MAX,
                                        (int64_t)INT32_MAX + 1,
                                        UINT32_MAX - 100,
                                        UINT32_MAX,
                                        (int64_t)UINT32_MAX + 1,
                                        (int64_t)1 << 33,
                                        INT64_MAX,
                                        INT64_MIN,
                                        INT32_MIN,
                                        INT64_MIN + 7};
/* As the floats; and halfway between two floats, even and odd, at 1, at the float maximum, among its denormals. */
static const uint64_t special_doubles[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x800fffffffffffff, 0x0010000000000000,
    0x3ff0000000000000, 0xbff0000000000000, 0x3ff0000010000000, 0x3ff0000030000000, 0x3ff0000010000001,
    0x3ff000000fffffff, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000, 0xc7effffff0000000,
    0x3810000000000000, 0x380fffffe0000000, 0x380ffffff0000000, 0x36a0000000000000, 0x3690000000000000,
    0x3690000000000001, 0x36a8000000000000, 0x43380000000003ff, 0x7fefffffffffffff, 0xffefffffffffffff,
    0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001};

static size_t special_count(char type) {
  if (type == 'f') return sizeof special_floats / sizeof *special_floats;
  if (type == 'i') return sizeof special_ints / sizeof *special_ints;
  if (type == 'l') return sizeof special_longs / sizeof *special_longs;
  return sizeof special_doubles / sizeof *special_doubles;
}

static size_t size_of(char type) { return type == 'd' || type == 'l' ? 8 : 4; }

static void put_special(char *operand, char type, int lane, size_t which) {
  const void *pools[] = {special_floats, special_ints, special_longs, special_doubles};
  const char *pool = pools[type == 'f' ? 0 : type == 'i' ? 1 : type == 'l' ? 2 : 3];
  memcpy(operand + (size_t)lane * size_of(type), pool + which * size_of(type), size_of(type));
}

/* Random bits; of floats and doubles half have exponents near 0, where results are neither all huge nor all tiny. */
static void put_random(char *operand, char type, int lane, struct random *r) {
  uint64_t bits = random_bits(r);
  bool near = random_below(r, 2);
  if (type == 'd' && near) bits = (bits & 0x800fffffffffffff) | (1023 - 30 + random_below(r, 60)) << 52;
  if (type == 'l' && near) bits >>= 28; /* around 2^32 */
  if (size_of(type) == 4) bits >>= 32;
  if (type == 'f' && near) bits = (bits & 0x807fffff) | (127 - 15 + random_below(r, 30)) << 23;
  if (type == 'i' && near) bits &= 0xff;
  uint32_t low = (uint32_t)bits;
  memcpy(operand + (size_t)lane * size_of(type), size_of(type) == 8 ? (void *)&bits : (void *)&low, size_of(type));
}

static bool is_nan(const char *lane, char type) {
  float f;
  double d;
  memcpy(&f, lane, sizeof f);
  if (type == 'f') return isnan(f);
  if (type == 'i' || type == 'l') return false;
  memcpy(&d, lane, sizeof d);
  return isnan(d);
}

static size_t failures, compared;

/* Operands one element off any vector alignment. */
struct operands {
  _Alignas(64) char room[3][16 * 8 + 64];
};
static char *operand(struct operands *o, int which, char type) { return o->room[which] + size_of(type); }

static void compare(const struct words *isa, int w, struct operands *o) {
  const struct word *word = &plain_words[w];
  _Alignas(64) char expected[16 * 8], got[16 * 8 + 8];
  char *result = got + size_of(word->out);
  const char *a = operand(o, 0, word->in), *b = operand(o, 1, word->in), *c = operand(o, 2, word->in);
  word->plain(a, b, c, expected);
  isa->lane_wise[w](a, b, c, result);
  size_t size = size_of(word->out);
  for (size_t i = 0; i < 16; i++, compared++) {
    const char *e = expected + i * size, *g = result + i * size;
    if (memcmp(e, g, size) == 0 || (is_nan(e, word->out) && is_nan(g, word->out))) continue;
    if (++failures > 20) continue;
    uint64_t words[5] = {0};
    memcpy(&words[0], a + i * size_of(word->in), size_of(word->in));
    memcpy(&words[1], b + i * size_of(word->in), size_of(word->in));
    memcpy(&words[2], c + i * size_of(word->in), size_of(word->in));
    memcpy(&words[3], g, size);
    memcpy(&words[4], e, size);
    printf("FAIL %s %s lane %zu: of %#llx %#llx %#llx is %#llx, expected %#llx\n", isa->isa, word->name, i,
           (unsigned long long)words[0], (unsigned long long)words[1], (unsigned long long)words[2],
           (unsigned long long)words[3], (unsigned long long)words[4]);
  }
}

static void test_lane_wise(const struct words *isa) {
  for (int w = 0; w < WORD_COUNT; w++) {
    const char type = plain_words[w].in;
    const size_t n = special_count(type), combinations = n * n * n;
    struct random r = {(uint64_t)w};
    struct operands o = {{{0}}};
    for (size_t i = 0; i < combinations + 15; i += 16) {
      for (int lane = 0; lane < 16; lane++) {
        size_t k = (i + (size_t)lane) % combinations;
        put_special(operand(&o, 0, type), type, lane, k % n);
        put_special(operand(&o, 1, type), type, lane, k / n % n);
        put_special(operand(&o, 2, type), type, lane, k / n / n);
      }
      compare(isa, w, &o);
    }
    for (int i = 0; i < 3000; i++) {
      for (int lane = 0; lane < 48; lane++) {
        char *to = operand(&o, lane / 16, type);
        if (random_below(&r, 8))
          put_random(to, type, lane % 16, &r);
        else
          put_special(to, type, lane % 16, random_below(&r, n));
      }
      compare(isa, w, &o);
    }
  }
}

/* ---- Memory ---- */

static void expect(const struct words *isa, bool holds, const char *what, size_t n) {
  compared++;
  if (holds) return;
  failures++;
  printf("FAIL %s %s, n = %zu\n", isa->isa, what, n);
}

static void fill(float *x, size_t n, struct random *r) {
  for (size_t i = 0; i < n; i++) x[i] = (float)(int32_t)(random_bits(r) >> 32);
}

static void test_tails(const struct words *isa) {
  struct random r = {2};
  struct buffer buffer = {0};
  for (size_t n = 0; n <= 16; n++)
    for (int side = 0; side < 2; side++) {
      float x[16], got[16], *data = (float *)(void *)buffer_place(&buffer, n * sizeof(float), 0, side);
      fill(x, 16, &r);
      memcpy(data, x, n * sizeof *x);
      isa->load_tail(data, n, 7.0f, got);
      bool filled = true;
      for (size_t i = n; i < 16; i++) filled &= got[i] == 7.0f;
      expect(isa, memcmp(got, x, n * sizeof *x) == 0, "vtail: wrong elements", n);
      expect(isa, filled, "vtail: wrong fill", n);

      data = (float *)(void *)buffer_place(&buffer, n * sizeof(float), 0, side);
      isa->store_tail(x, n, data);
      expect(isa, memcmp(data, x, n * sizeof *x) == 0, "vstore_tail: wrong elements", n);
      buffer_poison(data, n * sizeof *x);
      expect(isa, buffer_is_poison(&buffer), "vstore_tail: wrote beyond", n);
    }
}

static void test_memory(const struct words *isa) {
  struct random r = {3};
  struct buffer from = {0}, to = {0};
  for (size_t offset = 0; offset < 16; offset++)
    for (int side = 0; side < 2; side++) {
      float x[16];
      fill(x, 16, &r);
      float *source = (float *)(void *)buffer_place(&from, sizeof x, offset * 4, side);
      float *target = (float *)(void *)buffer_place(&to, sizeof x, offset * 4, !side);
      memcpy(source, x, sizeof x);
      isa->copy(source, target);
      expect(isa, memcmp(target, x, sizeof x) == 0, "vload, vstore", offset);
      buffer_poison(target, sizeof x);
      expect(isa, buffer_is_poison(&to), "vstore: wrote beyond", offset);
      if (offset) continue; /* vstream needs 64 bytes of alignment */
      isa->stream(source, target);
      expect(isa, memcmp(target, x, sizeof x) == 0, "vstream", offset);
      buffer_poison(target, sizeof x);
      expect(isa, buffer_is_poison(&to), "vstream: wrote beyond", offset);
    }
}

static void test_set(const struct words *isa) {
  float f[16];
  int32_t i32[16];
  double d[16];
  isa->set(-0.0f, INT32_MIN + 5, 0x1.23456789abcdep-1000, f, i32, d);
  for (size_t i = 0; i < 16; i++) {
    expect(isa, float_as_int(f[i]) == INT32_MIN, "vset1", i);
    expect(isa, i32[i] == INT32_MIN + 5, "viset1", i);
    expect(isa, d[i] == 0x1.23456789abcdep-1000, "dset1", i);
  }
}

/* ---- Across lanes ---- */

/* Lane i after the lanes from 2h on are folded onto those before: lane i + h is still to come. */
static float max_tree(const float *a, int i, int h) {
  if (h == 16) return a[i];
  float low = max_tree(a, i, 2 * h), high = max_tree(a, i + h, 2 * h);
  return low > high ? low : high;
}

static double sum_tree(const double *a, int i, int h) {
  return h == 16 ? a[i] : sum_tree(a, i, 2 * h) + sum_tree(a, i + h, 2 * h);
}

static void test_across(const struct words *isa) {
  struct random r = {4};
  for (size_t round = 0; round < 20000; round++) {
    float f[16], g[16];
    double d[16];
    for (int i = 0; i < 16; i++) {
      put_random((char *)f, 'f', i, &r);
      put_random((char *)g, 'f', i, &r);
      put_random((char *)d, 'd', i, &r);
      if (random_below(&r, 16) == 0) put_special((char *)f, 'f', i, random_below(&r, special_count('f')));
    }
    expect(isa, float_as_int(isa->first(f)) == float_as_int(f[0]) || isnan(f[0]), "vfirst", round);
    float max = max_tree(f, 0, 1), got = isa->greatest(f);
    expect(isa, float_as_int(max) == float_as_int(got) || (isnan(max) && isnan(got)), "vhmax", round);
    double sum = sum_tree(d, 0, 1), got_sum = isa->sum(d);
    expect(isa, double_as_bits(sum) == double_as_bits(got_sum) || (isnan(sum) && isnan(got_sum)), "dsum", round);
    double split[16], positive[16];
    isa->split(f, split, positive);
    for (size_t i = 0; i < 16; i++) {
      const float element = f[i < 8 ? 2 * i : 2 * i - 15];
      expect(isa, split[i] == (double)element || (isnan(split[i]) && isnan(element)), "dsplit", round);
      const bool possible = float_as_int(element) >= 0 && element < (float)INFINITY;
      expect(isa, possible ? positive[i] * 0x1p896 == (double)element : positive[i] >= 0x1p-768, "dsplit_scaled",
             round);
    }
    if (round % 2) memcpy(g, f, sizeof g); /* then one lane, or none, is greater */
    if (round % 4 == 1) g[round / 4 % 16] = 0.5f * f[round / 4 % 16];
    uint32_t bits = 0;
    for (int i = 0; i < 16; i++) bits |= (uint32_t)(f[i] > g[i]) << i;
    expect(isa, (bits != 0) == (isa->any_greater(f, g) != 0), "vany", round);
    expect(isa, bits == isa->lanes_greater(f, g), "vlanes", round);
    double lesser[16]; /* one lane of d is greater, or none */
    for (int i = 0; i < 16; i++) lesser[i] = d[i];
    const size_t lane = round % 16;
    lesser[lane] = round % 2 ? -INFINITY : (double)INFINITY;
    expect(isa, (d[lane] > lesser[lane]) == (isa->any_double_greater(d, lesser) != 0), "dany", round);
  }
  float rows[256];
  for (int i = 0; i < 256; i++) rows[i] = (float)i;
  isa->transpose(rows);
  for (int i = 0; i < 256; i++) expect(isa, rows[i] == (float)(i % 16 * 16 + i / 16), "vtranspose", (size_t)i);
}

static void test_permute(const struct words *isa) {
  float from[16], to[16];
  int32_t order[16];
  struct random r = {1};
  for (size_t round = 0; round < 1000; round++) {
    for (size_t i = 0; i < 16; i++) from[i] = (float)i, order[i] = (int32_t)random_below(&r, 16);
    isa->permute(from, order, to);
    for (size_t i = 0; i < 16; i++) expect(isa, to[i] == (float)order[i], "vpermute", round);
  }
}

static void test_met_denormal(const struct words *isa) {
  float a[16], b[16], product[16];
  for (size_t round = 0; round < 48; round++) {
    for (size_t i = 0; i < 16; i++) a[i] = 0x1.2468acp-100f, b[i] = round < 16 ? 0x1p-20f : 1;
    if (round < 16) b[round] = 0x1.2468acp-40f;
    if (round >= 32) a[round - 32] = 0x1p-130f;
    const int met = isa->met_denormal(a, b, product);
    expect(isa, met == -1 || met == (round < 16 || round >= 32), "vmet_denormal", round);
  }
}

int main(void) {
  const struct words *const tables[] = {
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, &words_##isa, )
#include "isas.def"
#undef ISA
  };
  size_t ran = 0;
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!isa_runs(tables[i]->isa)) continue;
    ran++;
    compared = 0;
    test_lane_wise(tables[i]);
    test_permute(tables[i]);
    test_met_denormal(tables[i]);
    test_tails(tables[i]);
    test_memory(tables[i]);
    test_set(tables[i]);
    test_across(tables[i]);
    printf("%s: %d lane-wise words and the others, %zu comparisons\n", tables[i]->isa, WORD_COUNT, compared);
  }
  printf("%zu failures\n", failures);
  return failures || ran == 0;
}
