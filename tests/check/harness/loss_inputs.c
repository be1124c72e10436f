/* See loss_inputs.h: numbers of a domain, in each of the families. */
#include "loss_inputs.h"

#include <math.h>
#include <string.h>

/* A value of the domain for any x, which says where in it. */
static float into_domain(struct random *r, const struct draw *d, float x) {
  const bool stray = random_below(r, 16) == 0 && fabsf(x) < 8;
  switch (d->domain) {
    case DOMAIN_PROBABILITY:
    case DOMAIN_STRICT_PROBABILITY:
    case DOMAIN_WEIGHED:
    case DOMAIN_UNIT:
      if (stray && (d->domain == DOMAIN_PROBABILITY || d->domain == DOMAIN_WEIGHED || d->unchecked)) return x;
      x = fabsf(x);
      return x > 1 ? 1 / x : isnan(x) ? 0.5f : x;
    case DOMAIN_LOG_PROBABILITY:
      return -fabsf(x);
    case DOMAIN_POSITIVE:
      return stray ? x : fabsf(x);
    case DOMAIN_VARIANCE:
    case DOMAIN_RATE:
      return stray && d->unchecked ? x : fabsf(x);
    case DOMAIN_FACTOR:
      return stray                                                     ? x
             : fabsf(x) < (d->family == HUGE_RANGE ? 0x1p7f : 0x1p64f) ? fabsf(x)
                                                                       : 1; /* the header: to 2^64 */
    case DOMAIN_COUNT:
      x = fabsf(x);
      return stray || x >= 0x1p24f ? fminf(x, 0x1p100f) : (float)(int32_t)x;
    default:
      return x;
  }
}

/* Smooth, and away from the ends of the domain. */
static float plain(struct random *r, const struct draw *d) {
  float x = any_bell(r);
  switch (d->domain) {
    case DOMAIN_PROBABILITY:
    case DOMAIN_WEIGHED:
    case DOMAIN_STRICT_PROBABILITY:
    case DOMAIN_UNIT:
    case DOMAIN_ROW_PROBABILITY:
      return 0x1p-4f + (float)random_below(r, 7 << 17) * 0x1p-20f;
    case DOMAIN_LOG_PROBABILITY:
      return -0x1p-4f - fabsf(x);
    case DOMAIN_POSITIVE:
    case DOMAIN_FACTOR:
    case DOMAIN_VARIANCE:
    case DOMAIN_RATE:
      return 0x1p-3f + fabsf(x);
    default:
      return into_domain(r, d, x);
  }
}

static float at_kink(struct random *r, const struct draw *d, const float *near) {
  float x = d->kinks[random_below(r, d->kink_count)];
  if (random_below(r, 2)) x = -x;
  if (near && random_below(r, 2)) x += *near;
  const size_t beside = random_below(r, 8);
  if (beside == 0) x = nextafterf(x, INFINITY);
  if (beside == 1) x = nextafterf(x, -INFINITY);
  return into_domain(r, d, x);
}

/* Signs and labels have few values, whatever the family. */
static float label(struct random *r, enum vloss_domain domain, size_t style) {
  static const float signs[] = {-1, 1}, bits[] = {0, 1}, others[] = {0, -1, 1, 0.5f, 2, -0.0f};
  if (domain == DOMAIN_SIGN) return random_below(r, 16) ? signs[random_below(r, 2)] : others[random_below(r, 6)];
  return style == 0 ? bits[random_below(r, 2)] : style == 1 ? signs[random_below(r, 2)] : others[random_below(r, 6)];
}

static float element(struct random *r, const struct draw *d, const float *near) {
  const bool special = random_below(r, d->rarity) == 0;
  float x;
  switch (d->family) {
    case SHIFTED:
      return into_domain(r, d, any_bell(r) * 4 + 1e8f);
    case CONFIDENT:
      x = any_bell(r) * 8;
      return into_domain(r, d, special && d->domain == DOMAIN_STRICT_PROBABILITY ? 1 - 1 / (1 + x * x) : x);
    case MASKED:
    case CUT_OFF:
      return random_below(r, 4) == 0 ? at_kink(r, d, near) : plain(r, d);
    case ALL_MASKED:
      return at_kink(r, d, near);
    case WITH_NAN:
      if (special && (d->unchecked || d->domain != DOMAIN_STRICT_PROBABILITY)) return any_nan(r);
      return plain(r, d);
    case WITH_INFINITY:
      return special ? into_domain(r, d, random_below(r, 2) ? INFINITY : -INFINITY) : plain(r, d);
    case HUGE_RANGE:
      return into_domain(r, d, any_with_exponent(r, random_below(r, 2) ? 1 : 240, 246));
    case TINY:
      return into_domain(r, d, any_with_exponent(r, 0, random_below(r, 2) ? 0 : 60));
    case RISING:
      return into_domain(r, d, any_with_exponent(r, 127 - 30, 127 + 30));
    case WIDE:
      x = near ? *near : plain(r, d);
      for (size_t steps = random_below(r, 4); near && steps > 0; steps--) x = nextafterf(x, INFINITY);
      return into_domain(r, d, x);
    default:
      return plain(r, d);
  }
}

void fill_operand(struct random *r, const struct draw *d, size_t rows, size_t columns, float *x) {
  const size_t n = rows * columns, style = random_below(r, 3);
  if (d->domain == DOMAIN_ROW_PROBABILITY && d->family != PLAIN) {
    fill_probabilities(r, d->family, rows, columns, x);
    for (size_t i = 0; i < n; i++)
      if ((d->family == ALL_MASKED || d->family == MASKED) && random_below(r, 4) == 0) x[i] = at_kink(r, d, NULL);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    if (d->domain == DOMAIN_SIGN || d->domain == DOMAIN_HINGE_LABEL)
      x[i] = label(r, d->domain, style);
    else
      x[i] = element(r, d, d->near ? &d->near[i] : NULL);
    if ((d->domain == DOMAIN_FACTOR || d->domain == DOMAIN_WEIGHED) && fabsf(x[i]) < 0x1p-60f) x[i] = 0;
    if (d->family == EQUAL) x[i] = x[0];
    if (d->domain == DOMAIN_SIGN && d->family == WITH_NAN && random_below(r, d->rarity) == 0) x[i] = any_nan(r);
  }
}
