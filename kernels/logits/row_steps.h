/* The steps of a row's sum: 64 classes each, in order. */
#ifndef VLOSS_KERNELS_ROW_STEPS_H
#define VLOSS_KERNELS_ROW_STEPS_H

#include "exp_terms.h"

struct row_state {
  vf max;
  vd sum;
  struct reference ref;
};

VFN void stash_store(float *stash, vf e, size_t c, size_t classes) {
  if (c + 16 <= classes)
    vstore(stash + c, e);
  else if (c < classes)
    vstore_tail(stash + c, e, classes - c);
}

/* Adds classes c..c+63. With a stash, it keeps the terms for the gradient: stash[c] = exp(x_c) / 2^N. */
VFN void row_block(struct row_state *s, const vf *v, float *stash, size_t c, size_t classes, const int exact) {
  vf max = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
  if (__builtin_expect(vany(vgt(max, s->ref.limit)), 0)) {
    struct reference raised = reference_for(vset1(vhmax(max)));
    vf difference = vsub(s->ref.n, raised.n);
    s->sum = dmul(s->sum, dpower_of_two(dwiden(difference)));
    s->ref = raised;
    if (stash) {
      /* In two steps: a single power of two of less than 2^-126 is 0, but times a term of 2^80 it is not. */
      const vf half = vmax(vset1(-127.0f), vmul(difference, vset1(0.5f))), n = vset1(0x1.8p23f);
      const vf whole = vsub(vadd(half, n), n), scale1 = power_of_two(whole),
               scale2 = power_of_two(vsub(difference, whole));
      /* What would be denormal is 0. */
      const vf power = vmin(vset1(127.0f), vsub(vset1(-125.0f), difference));
      const vf least = vfloat(vishl(vbits(vadd(power, vset1(VLOSS_ROUND))), 23));
      for (size_t i = 0; i < c; i += 16) {
        const vf e = vload(stash + i);
        vstore(stash + i, vmul(vmul(vsel(vgt(least, e), vset1(0.0f), e), scale1), scale2));
      }
    }
  }
  s->max = vmax(max, s->max);
  vf e[4];
  terms(e, v, 4, &s->ref);
  s->sum = dadd(s->sum, exact ? combine4_exactly(e) : dwiden(combine4(e)));
  if (stash)
    for (size_t j = 0; j < 4; j++) stash_store(stash, e[j], c + 16 * j, classes);
}

/* Behind the last row this names an address that nothing is read from. */
VFN void row_fetch_ahead(const void *x, size_t bytes) {
  for (uintptr_t line = 0; line < bytes; line += 64)
    __builtin_prefetch((const void *)((uintptr_t)x + ROW_AHEAD_BYTES + line), 0, 3);
}

#endif
