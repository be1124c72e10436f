/* exp, logarithms, tanh and powers of doubles: SLEEF's, under the names of one ISA that use FMA. They give the same
 * bits on every ISA (NaN's payload aside), to about 1 ulp; tests/words/sleef_test.c holds that. Never the names without
 * an ISA, which choose at run time, nor finz_ and cinz_, which are other functions. */
#ifndef VLOSS_KERNELS_SLEEF_H
#define VLOSS_KERNELS_SLEEF_H

#include "vmath.h"

#ifdef VLOSS_ISA_IS_SCALAR
/* sleef.h declares these to files alone that are compiled for FMA, which this is not: dispatch has looked for it. */
#define SLEEF_WORD(name)                                                    \
  double Sleef_##name##d1_u10purecfma(double);                              \
  VFN vd sleef_##name##_bare(vd x) {                                        \
    double v[16];                                                           \
    dstore(v, x);                                                           \
    for (int i = 0; i < 16; i++) v[i] = Sleef_##name##d1_u10purecfma(v[i]); \
    return dload(v);                                                        \
  }
double Sleef_powd1_u10purecfma(double, double);
VFN vd sleef_pow_bare(vd x, vd y) {
  double v[16], w[16];
  dstore(v, x);
  dstore(w, y);
  for (int i = 0; i < 16; i++) v[i] = Sleef_powd1_u10purecfma(v[i], w[i]);
  return dload(v);
}
#else
#include <sleef.h>
#if defined(VLOSS_ISA_IS_AVX512)
#define SLEEF_WORD(name)                                                               \
  VFN vd sleef_##name##_bare(vd x) {                                                   \
    return (vd){Sleef_##name##d8_u10avx512f(x.lo), Sleef_##name##d8_u10avx512f(x.hi)}; \
  }
VFN vd sleef_pow_bare(vd x, vd y) {
  return (vd){Sleef_powd8_u10avx512f(x.lo, y.lo), Sleef_powd8_u10avx512f(x.hi, y.hi)};
}
#elif defined(VLOSS_ISA_IS_AVX2)
#define SLEEF_WORD(name)                                                                                     \
  VFN vd sleef_##name##_bare(vd x) {                                                                         \
    return (vd){Sleef_##name##d4_u10avx2(x.a), Sleef_##name##d4_u10avx2(x.b), Sleef_##name##d4_u10avx2(x.c), \
                Sleef_##name##d4_u10avx2(x.d)};                                                              \
  }
VFN vd sleef_pow_bare(vd x, vd y) {
  return (vd){Sleef_powd4_u10avx2(x.a, y.a), Sleef_powd4_u10avx2(x.b, y.b), Sleef_powd4_u10avx2(x.c, y.c),
              Sleef_powd4_u10avx2(x.d, y.d)};
}
#elif defined(VLOSS_ISA_IS_NEON)
#define SLEEF_WORD(name)                                                             \
  VFN vd sleef_##name##_bare(vd x) {                                                 \
    UNROLL for (int i = 0; i < 8; i++) x.r[i] = Sleef_##name##d2_u10advsimd(x.r[i]); \
    return x;                                                                        \
  }
VFN vd sleef_pow_bare(vd x, vd y) {
  UNROLL for (int i = 0; i < 8; i++) x.r[i] = Sleef_powd2_u10advsimd(x.r[i], y.r[i]);
  return x;
}
#endif
#endif
SLEEF_WORD(exp)
SLEEF_WORD(log)
SLEEF_WORD(log1p)
SLEEF_WORD(expm1)
SLEEF_WORD(tanh)

VFN vd sleef_exp(vd x) { return sleef_exp_bare(x); }
VFN vd sleef_log(vd x) { return sleef_log_bare(x); }
VFN vd sleef_expm1(vd x) { return sleef_expm1_bare(x); }
VFN vd sleef_pow(vd x, vd y) { return sleef_pow_bare(x, y); }
/* SLEEF's is infinite from 1e307 on. Beyond 2^1000, where 1 + x is x, that is log(x / 2^64) + 64 ln 2. */
VFN vd sleef_log1p(vd x) {
  const dm large = dgt(x, dset1(0x1p1000));
  const vd log = sleef_log1p_bare(dsel(large, dmul(x, dset1(0x1p-64)), x));
  return dsel(large, dadd(log, dset1(64 * VLOSS_D_LN2_HI)), log);
}
/* SLEEF's is 1.0005 ulp off near 2^-53; below 2^-28 it is x to half an ulp. */
VFN vd sleef_tanh(vd x) { return dsel(dgt(dset1(0x1p-28), dabs(x)), x, sleef_tanh_bare(x)); }

#endif
