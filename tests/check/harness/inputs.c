/* See inputs.h: the families, drawn one row after another. */
#include "inputs.h"

#include <math.h>
#include <string.h>

static const char *const names[FAMILIES] = {"plain",      "shifted", "confident", "equal", "masked",
                                            "all-masked", "nan",     "infinity",  "huge",  "tiny",
                                            "cut-off",    "rising",  "wide"};

const char *family_name(enum family family) { return names[family]; }

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* The sum of four uniform numbers. */
float any_bell(struct random *r) {
  int32_t sum = -(1 << 23);
  for (int i = 0; i < 4; i++) sum += (int32_t)(random_bits(r) >> 42);
  return (float)sum * 0x1p-19f;
}

static float either_sign(struct random *r, float x) { return random_bits(r) >> 63 ? -x : x; }

float any_with_exponent(struct random *r, uint32_t low, uint32_t high) {
  uint32_t bits = (uint32_t)(random_bits(r) >> 32);
  return from_bits((bits & 0x807fffffu) | (low + (uint32_t)random_below(r, high - low + 1)) << 23);
}

float any_nan(struct random *r) {
  uint32_t bits = (uint32_t)(random_bits(r) >> 32);
  return from_bits(bits | 0x7f800000u | 1u << random_below(r, 23));
}

/* C leaves open which side of an assignment is evaluated first; the stream of numbers must not depend on it. */
static void put(struct random *r, size_t n, float *x, float value) { x[random_below(r, n)] = value; }

static float mask(struct random *r) {
  static const float masks[] = {-INFINITY, -INFINITY, -1e9f, -1e4f, -65504.0f, -3.4028235e38f};
  return masks[random_below(r, sizeof masks / sizeof *masks)];
}

static void plain(struct random *r, size_t n, float *x) {
  for (size_t c = 0; c < n; c++) x[c] = any_bell(r);
}

/* At 1e8 the floats are 8 apart; from 1e12 on, the row is nothing but ties. */
static void shifted(struct random *r, size_t n, float *x) {
  static const float shifts[] = {1e8f, 1e8f, 1e12f, 1e15f};
  float shift = shifts[random_below(r, 4)];
  shift = either_sign(r, shift);
  for (size_t c = 0; c < n; c++) x[c] = any_bell(r) * 4 + shift;
}

/* One class leads the others by 20 to 103: its loss goes from 1e-9 to denormals, with 60 and 87 among them. */
static void confident(struct random *r, size_t n, size_t target, float *x) {
  plain(r, n, x);
  for (size_t c = 0; c < n; c++) x[c] *= 0.25f;
  /* Every other time a runner-up outweighs the rest, so that the loss is nearly one term. */
  if (random_below(r, 2)) {
    const float high = 5.0f + random_unit(r) * 10.0f; /* in an order that does not depend on the compiler */
    x[random_below(r, n)] = high;
  }
  size_t leader = random_below(r, 4) ? target : random_below(r, n);
  x[leader] = 20.0f + random_unit(r) * 83.0f;
}

/* Masks one value, in random places, or in everything before a point, or in everything but one class. */
static void masked(struct random *r, size_t n, float *x) {
  float value = mask(r);
  size_t survivor = random_below(r, n), style = random_below(r, 4);
  plain(r, n, x);
  for (size_t c = 0; c < n; c++) {
    bool hide = style == 0 ? c < survivor : style == 1 ? c != survivor : random_below(r, 3) == 0 && c != survivor;
    if (style == 3) value = mask(r);
    if (hide) x[c] = value;
  }
}

static void huge(struct random *r, size_t n, float *x) {
  size_t style = random_below(r, 3);
  for (size_t c = 0; c < n; c++) {
    x[c] = style == 0   ? any_with_exponent(r, 127 + 120, 254)
           : style == 1 ? any_with_exponent(r, 1, 254)
                        : 3.4028235e38f;
    if (style == 2) x[c] = either_sign(r, x[c]);
  }
}

static void tiny(struct random *r, size_t n, float *x) {
  for (size_t c = 0; c < n; c++) x[c] = any_with_exponent(r, 0, random_below(r, 2) ? 0 : 20);
}

/* exp(-0x1.5d58ap+6) is 2^-126 to 7 digits. With k maxima of m the terms x_c = m - 126 log 2 + log k + some steps give
 * probabilities around 2^-126; m is small but not 0, so that x_c - m falls between the floats. */
static void cut_off(struct random *r, size_t n, float *x) {
  static const float offset[] = {0, 0.6931472f, 1.3862944f}; /* log k for 1, 2 and 4 maxima */
  size_t power = random_below(r, 3), maxima = (size_t)1 << power;
  float m = either_sign(r, random_unit(r) * 0x1p-16f);
  size_t first = n > maxima ? random_below(r, n - maxima) : 0;
  for (size_t c = 0; c < n; c++) {
    float steps = (float)(int)random_below(r, 9) - 4.0f;
    x[c] = -0x1.5d58ap+6f + offset[power] + steps * 0x1p-17f;
    if (c >= first && c < first + maxima) x[c] = m;
  }
}

/* Steps by steps, or one step somewhere: a late block may stand anywhere up to the range of exp above those before. */
static void rising(struct random *r, size_t n, float *x) {
  static const float steps[] = {0.25f, 1, 3, 20, 90, 1000};
  float step = steps[random_below(r, 6)], start = any_bell(r) * 16, jump = random_unit(r) * 100;
  size_t run = (size_t)1 << random_below(r, 9), late = random_below(r, n);
  bool once = random_below(r, 3) == 0;
  for (size_t c = 0; c < n; c++) {
    if (once)
      x[c] = start + (c < late ? 0 : jump);
    else
      x[c] = start + step * (float)(c / run) + random_unit(r);
  }
}

/* Around +-2^16 and often exactly there at the maximum, and far beyond in places. */
static void wide(struct random *r, size_t n, float *x) {
  bool one_sided = random_below(r, 2), exact = random_below(r, 4) == 0;
  float shift = either_sign(r, exact || random_below(r, 2) ? 65536.0f : 60000.0f);
  for (size_t c = 0; c < n; c++) {
    float spread = random_below(r, 8) ? 1.0f : 512.0f;
    x[c] = shift + any_bell(r) * spread;
    if (exact && x[c] > shift) x[c] = shift;
    if (!one_sided && !exact && random_below(r, 16) == 0) x[c] = -x[c];
  }
  if (exact) put(r, n, x, shift);
}

static void fill_row(struct random *r, enum family family, size_t n, size_t target, float *x) {
  switch (family) {
    case SHIFTED:
      shifted(r, n, x);
      return;
    case CONFIDENT:
      confident(r, n, target, x);
      return;
    case EQUAL:
      for (size_t c = 0; c < n; c++) x[c] = c ? x[0] : any_bell(r) * 8;
      return;
    case MASKED:
      masked(r, n, x);
      return;
    case HUGE_RANGE:
      huge(r, n, x);
      return;
    case TINY:
      tiny(r, n, x);
      return;
    case CUT_OFF:
      cut_off(r, n, x);
      return;
    case RISING:
      rising(r, n, x);
      return;
    case WIDE:
      wide(r, n, x);
      return;
    default:
      plain(r, n, x);
  }
  if (random_below(r, 4) == 0) return; /* a plain neighbour for the special rows */
  size_t many = random_below(r, 4) ? 1 : 1 + random_below(r, n);
  if (family == ALL_MASKED)
    for (size_t c = 0; c < n; c++) x[c] = -INFINITY;
  for (; family == WITH_NAN && many > 0; many--) put(r, n, x, any_nan(r));
  for (; family == WITH_INFINITY && many > 0; many--) put(r, n, x, INFINITY);
  if (family == WITH_INFINITY && random_below(r, 4) == 0) put(r, n, x, any_nan(r));
}

void fill_logits(struct random *r, enum family family, size_t rows, size_t classes, const int64_t *labels, float *x) {
  for (size_t i = 0; i < rows; i++) {
    size_t target = labels && labels[i] >= 0 && (uint64_t)labels[i] < classes ? (size_t)labels[i] : 0;
    fill_row(r, family, classes, target, x + i * classes);
    if (family == MASKED && random_below(r, 8) == 0) x[i * classes + target] = -INFINITY;
  }
}

void fill_labels(struct random *r, size_t rows, size_t classes, int64_t *labels) {
  for (size_t i = 0; i < rows; i++) {
    size_t style = random_below(r, 4);
    labels[i] = (int64_t)(style == 0 ? 0 : style == 1 ? classes - 1 : random_below(r, classes));
  }
}

/* Powers of two times small integers: normalised rows sum to 1 nearly, not exactly. */
static void probability_row(struct random *r, size_t n, float *p) {
  size_t style = random_below(r, 4);
  float share = 1;
  while (share > 1 / (float)n) share *= 0.5f;
  for (size_t c = 0; c < n; c++) {
    p[c] = style == 0 ? 0 : random_unit(r) * 2 * share;
    if (style == 1 && random_below(r, 2)) p[c] = 0;
    if (style == 2) p[c] *= 1024; /* far from normalised */
  }
  if (style == 0) put(r, n, p, 1);
}

void fill_probabilities(struct random *r, enum family family, size_t rows, size_t classes, float *p) {
  for (size_t i = 0; i < rows; i++, p += classes) {
    probability_row(r, classes, p);
    for (size_t c = 0; family == TINY && c < classes; c++) p[c] = fabsf(any_with_exponent(r, 0, 40));
    if (family == CUT_OFF) put(r, classes, p, 0x1p-126f * (0.5f + random_unit(r)));
    if (family == WITH_NAN && random_below(r, 2)) put(r, classes, p, any_nan(r));
  }
}

void fill_log_probabilities(struct random *r, enum family family, size_t rows, size_t classes, float *x) {
  for (size_t i = 0; i < rows; i++, x += classes) {
    for (size_t c = 0; c < classes; c++) {
      x[c] = -fabsf(any_bell(r) * 2);
      if (family == MASKED && random_below(r, 4) == 0) x[c] = mask(r);
      if (family == CUT_OFF) x[c] = -0x1.5d58ap+6f + (float)((int)random_below(r, 9) - 4) * 0x1p-17f;
      if (family == CUT_OFF && random_below(r, 2)) x[c] -= random_unit(r) * 30; /* exp is denormal, its products not */
      if (family == HUGE_RANGE) x[c] = -fabsf(any_with_exponent(r, 127, 254));
      if (family == TINY) x[c] = -fabsf(any_with_exponent(r, 0, 20));
    }
    if (family == WITH_NAN && random_below(r, 2)) put(r, classes, x, any_nan(r));
    if (family == ALL_MASKED && random_below(r, 2))
      for (size_t c = 0; c < classes; c++) x[c] = -INFINITY;
  }
}

void fill_weights(struct random *r, bool with_signs, size_t n, float *w) {
  for (size_t c = 0; c < n; c++) {
    w[c] = random_below(r, 8) ? 0x1p-8f + random_unit(r) * 4 : 0;
    if (with_signs) w[c] = either_sign(r, w[c]);
  }
}

void fill_upstream(struct random *r, size_t n, float *h) {
  for (size_t i = 0; i < n; i++) h[i] = random_below(r, 16) ? any_with_exponent(r, 117, 137) : 0;
}

void fill_one_hot(struct random *r, size_t n, float *h) {
  for (size_t c = 0; c < n; c++) h[c] = 0;
  put(r, n, h, -0x1p16f);
}

void fill_scales(struct random *r, bool alone, size_t n, float *h) {
  fill_upstream(r, n, h);
  for (size_t i = 0; i < n; i++)
    if (random_below(r, 4) == 0) h[i] = any_with_exponent(r, 0, alone ? 254 : 127 + 115);
}
