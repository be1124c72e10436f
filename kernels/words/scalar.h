/* The vector words in plain C: a vector is an array of 16. This is the fallback ISA, and the definition of what every
 * word means: the headers of the other ISAs give the same bits for every input, NaN payloads aside. Longer than others,
 * as it is one list: each word stands here with its meaning, and nothing else does.
 *
 *   vf 16 floats    vi 16 int32    vd 16 doubles    vm, dm 16 truth values, for floats and for doubles
 */
#ifndef VLOSS_KERNELS_VEC_SCALAR_H
#define VLOSS_KERNELS_VEC_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The build says VLOSS_OWN_FMA where the C library's fma cannot be trusted to round once; an instruction always can. */
#ifdef VLOSS_OWN_FMA
#include "own_fma.h"
#endif
#if defined(VLOSS_OWN_FMA) && !defined(__FP_FAST_FMAF)
#define FMAF own_fmaf
#else
#define FMAF fmaf
#endif
#if defined(VLOSS_OWN_FMA) && !defined(__FP_FAST_FMA)
#define FMA own_fma
#else
#define FMA fma
#endif

/* Independent chains of vector operations that the registers have room for. */
#define INTERLEAVE 1
#define VFN static inline
/* Words that are 16 calls of the C library unless the CPU has an instruction: inlined wherever they are used, these
 * calls were half of the library's compile time. */
#if defined(__FP_FAST_FMAF) && defined(__FP_FAST_FMA)
#define VFN_CALLS VFN
#else
#define VFN_CALLS static __attribute__((noinline, unused))
#endif
#define EACH for (int i_ = 0; i_ < 16; i_++)

/* 1 where products with denormals are slow and the CPU's flags tell that there were any (avx512.h); here, nobody
 * looks. */
#define DENORMALS_ARE_SLOW 0
VFN int vmet_denormal(void) { return 0; }

typedef struct {
  float a[16];
} vf;
typedef struct {
  int32_t a[16];
} vi;
typedef struct {
  double a[16];
} vd;
typedef struct {
  uint8_t a[16];
} vm;
typedef struct {
  uint8_t a[16];
} dm;

/* Memory. A tail reads or writes the first n elements, 0 <= n <= 16, and touches nothing beyond; the lanes from n on
 * are `fill`. vstream is a store past the cache to a 64-byte aligned address; vstream_end orders what it stored. */
VFN vf vset1(float x) {
  vf r;
  EACH r.a[i_] = x;
  return r;
}
VFN vf vload(const float *p) {
  vf r;
  memcpy(r.a, p, sizeof r.a);
  return r;
}
VFN vf vtail(const float *p, size_t n, float fill) {
  vf r = vset1(fill);
  memcpy(r.a, p, n * sizeof *p);
  return r;
}
VFN void vstore(float *p, vf x) { memcpy(p, x.a, sizeof x.a); }
VFN void vstore_tail(float *p, vf x, size_t n) { memcpy(p, x.a, n * sizeof *p); }
VFN void vstream(float *p, vf x) { vstore(p, x); }
VFN void vstream_end(void) {}
VFN vi viset1(int32_t x) {
  vi r;
  EACH r.a[i_] = x;
  return r;
}
VFN vi viload(const int32_t *p) {
  vi r;
  memcpy(r.a, p, sizeof r.a);
  return r;
}
VFN void vistore(int32_t *p, vi x) { memcpy(p, x.a, sizeof x.a); }
/* 64-bit values as unsigned 32-bit ones; what does not fit becomes 0xffffffff. */
VFN vi viload_narrow(const int64_t *p) {
  vi r;
  EACH r.a[i_] = p[i_] < 0 || p[i_] > UINT32_MAX ? -1 : (int32_t)(uint32_t)p[i_];
  return r;
}
VFN vd dset1(double x) {
  vd r;
  EACH r.a[i_] = x;
  return r;
}
VFN vd dload(const double *p) {
  vd r;
  memcpy(r.a, p, sizeof r.a);
  return r;
}
VFN void dstore(double *p, vd x) { memcpy(p, x.a, sizeof x.a); }

/* Float arithmetic, each rounded once; vfma is a*b + c and vnfma c - a*b, fused. vmax and vmin give the second operand
 * unless the first is strictly greater (less): so NaN passes from the second operand and is dropped from the first. */
VFN vf vadd(vf a, vf b) {
  EACH a.a[i_] += b.a[i_];
  return a;
}
VFN vf vsub(vf a, vf b) {
  EACH a.a[i_] -= b.a[i_];
  return a;
}
VFN vf vmul(vf a, vf b) {
  EACH a.a[i_] *= b.a[i_];
  return a;
}
VFN vf vdiv(vf a, vf b) {
  EACH a.a[i_] /= b.a[i_];
  return a;
}
VFN vf vsqrt(vf a) {
  EACH a.a[i_] = sqrtf(a.a[i_]);
  return a;
}
VFN_CALLS vf vfma(vf a, vf b, vf c) {
  EACH c.a[i_] = FMAF(a.a[i_], b.a[i_], c.a[i_]);
  return c;
}
VFN_CALLS vf vnfma(vf a, vf b, vf c) {
  EACH c.a[i_] = FMAF(-a.a[i_], b.a[i_], c.a[i_]);
  return c;
}
VFN vf vmax(vf a, vf b) {
  EACH b.a[i_] = a.a[i_] > b.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}
VFN vf vmin(vf a, vf b) {
  EACH b.a[i_] = a.a[i_] < b.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}
VFN vf vabs(vf a) {
  EACH a.a[i_] = fabsf(a.a[i_]);
  return a;
}
/* a between -limit and limit, limit > 0; where a is NaN it is any number or NaN. */
VFN vf vclamp(vf a, vf limit) {
  EACH a.a[i_] = copysignf(fabsf(a.a[i_]) < limit.a[i_] ? fabsf(a.a[i_]) : limit.a[i_], a.a[i_]);
  return a;
}

/* Comparisons are false where an operand is NaN; vnan is true there. vsel is m ? a : b. */
VFN vm vgt(vf a, vf b) {
  vm m;
  EACH m.a[i_] = a.a[i_] > b.a[i_];
  return m;
}
VFN vm vge(vf a, vf b) {
  vm m;
  EACH m.a[i_] = a.a[i_] >= b.a[i_];
  return m;
}
VFN vm veq(vf a, vf b) {
  vm m;
  EACH m.a[i_] = a.a[i_] == b.a[i_];
  return m;
}
VFN vm vnan(vf a) {
  vm m;
  EACH m.a[i_] = a.a[i_] != a.a[i_];
  return m;
}
VFN vm vigt(vi a, vi b) {
  vm m;
  EACH m.a[i_] = a.a[i_] > b.a[i_];
  return m;
}
VFN vm vieq(vi a, vi b) {
  vm m;
  EACH m.a[i_] = a.a[i_] == b.a[i_];
  return m;
}
VFN vm vmand(vm a, vm b) {
  EACH a.a[i_] &= b.a[i_];
  return a;
}
VFN vm vmor(vm a, vm b) {
  EACH a.a[i_] |= b.a[i_];
  return a;
}
VFN int vany(vm m) {
  int r = 0;
  EACH r |= m.a[i_];
  return r;
}
/* Lane i as bit i. */
VFN uint32_t vlanes(vm m) {
  uint32_t r = 0;
  EACH r |= (uint32_t)m.a[i_] << i_;
  return r;
}
VFN vf vsel(vm m, vf a, vf b) {
  EACH b.a[i_] = m.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}
VFN vi visel(vm m, vi a, vi b) {
  EACH b.a[i_] = m.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}

/* One more in the lanes of m. */
VFN vi vicount(vi count, vm m) {
  EACH count.a[i_] += m.a[i_];
  return count;
}

/* Lane i of the result is lane lanes[i] of a; 0 <= lanes[i] < 16. */
VFN vf vpermute(vf a, vi order) {
  vf r;
  EACH r.a[i_] = a.a[order.a[i_]];
  return r;
}

/* The bits of floats as int32 and back; integer arithmetic modulo 2^32; visra is the shift that keeps the sign.
 * vitof rounds to nearest. */
VFN vi vbits(vf a) {
  vi r;
  memcpy(r.a, a.a, sizeof r.a);
  return r;
}
VFN vf vfloat(vi a) {
  vf r;
  memcpy(r.a, a.a, sizeof r.a);
  return r;
}
VFN vi viadd(vi a, vi b) {
  EACH a.a[i_] = (int32_t)((uint32_t)a.a[i_] + (uint32_t)b.a[i_]);
  return a;
}
VFN vi visub(vi a, vi b) {
  EACH a.a[i_] = (int32_t)((uint32_t)a.a[i_] - (uint32_t)b.a[i_]);
  return a;
}
VFN vi viand(vi a, vi b) {
  EACH a.a[i_] &= b.a[i_];
  return a;
}
VFN vi vior(vi a, vi b) {
  EACH a.a[i_] |= b.a[i_];
  return a;
}
VFN vi vishl(vi a, int k) {
  EACH a.a[i_] = (int32_t)((uint32_t)a.a[i_] << k);
  return a;
}
VFN vi visra(vi a, int k) {
  EACH a.a[i_] >>= k;
  return a;
}
VFN vf vitof(vi a) {
  vf r;
  EACH r.a[i_] = (float)a.a[i_];
  return r;
}

/* x = mantissa * 2^exponent for positive x, denormals included: the mantissa in [3/4, 3/2), the exponent whole. Zeros
 * have mantissa 1 and exponent -inf, +inf has 1 and +inf. NaN and negative x have both NaN. */
struct vparts {
  vf mantissa, exponent;
};
VFN struct vparts vsplit(vf x) {
  struct vparts r;
  EACH {
    const float a = x.a[i_], u = a < 0x1p-126f ? a * 0x1p24f : a;
    int32_t bits, k;
    memcpy(&bits, &u, sizeof bits);
    k = (int32_t)(((uint32_t)bits - 0x3f400000u) & 0xff800000u);
    bits = (int32_t)((uint32_t)bits - (uint32_t)k);
    memcpy(&r.mantissa.a[i_], &bits, sizeof bits);
    const float e = (float)k * 0x1p-23f - (a < 0x1p-126f ? 24.0f : 0.0f);
    r.exponent.a[i_] = a == 0 ? -INFINITY : a == INFINITY ? a : e;
    if (!(a >= 0)) r.mantissa.a[i_] = r.exponent.a[i_] = NAN;
  }
  return r;
}

/* +0 where |a| < 2^-126, else a; NaN stays. */
VFN vf vflush(vf a) {
  EACH a.a[i_] = fabsf(a.a[i_]) < 0x1p-126f ? 0.0f : a.a[i_];
  return a;
}

/* Lane 0. */
VFN float vfirst(vf a) { return a.a[0]; }

/* The greatest lane, by vmax over halves: lane i with i + 8, then + 4, + 2, + 1. */
VFN float vhmax(vf a) {
  for (int h = 8; h > 0; h /= 2)
    for (int i = 0; i < h; i++) a.a[i] = a.a[i] > a.a[i + h] ? a.a[i] : a.a[i + h];
  return a.a[0];
}

/* r[i] lane j <-> r[j] lane i, for 16 vectors. */
VFN void vtranspose(vf *r) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < i; j++) {
      float x = r[i].a[j];
      r[i].a[j] = r[j].a[i];
      r[j].a[i] = x;
    }
}

/* Doubles: as their float namesakes. dwiden is exact, dnarrow rounds to nearest even. */
VFN vd dwiden(vf a) {
  vd r;
  EACH r.a[i_] = (double)a.a[i_];
  return r;
}
/* dsplit: the even elements, then the odd ones, as doubles.
 *
 * dsplit_scaled: the same times SPLIT_SCALE, which is 2^-896, of elements that are at least +0; by a shift, where a
 * conversion costs several instructions. Below its sign, a float is an exponent of 8 bits and a fraction of 23; a
 * double has 11 and 52. Moved left by 52 - 23 bits, the float's fraction is the double's, and its exponent is in the
 * lower 8 bits of the double's. There the same number means another power of two: a float counts exponents from 127 on,
 * a double from 1023, so that the value is 2^(127 - 1023) times the float's, exactly, and a denormal's, too. What else
 * there is, infinities, NaN, and a sign, which becomes a bit of the exponent, comes out as 2^-768 at least: over
 * SPLIT_SCALE, that is more than any float. */
VFN vd dsplit(vf a) {
  vd r;
  EACH r.a[i_] = (double)a.a[i_ < 8 ? 2 * i_ : 2 * i_ - 15];
  return r;
}
VFN vd dsplit_scaled(vf a) {
  vd r;
  EACH {
    uint32_t bits;
    memcpy(&bits, &a.a[i_ < 8 ? 2 * i_ : 2 * i_ - 15], sizeof bits);
    const uint64_t moved = (uint64_t)bits << 29;
    memcpy(&r.a[i_], &moved, sizeof moved);
  }
  return r;
}
VFN vf dnarrow(vd a) {
  vf r;
  EACH r.a[i_] = (float)a.a[i_];
  return r;
}
VFN vd dadd(vd a, vd b) {
  EACH a.a[i_] += b.a[i_];
  return a;
}
VFN vd dsub(vd a, vd b) {
  EACH a.a[i_] -= b.a[i_];
  return a;
}
VFN vd dmul(vd a, vd b) {
  EACH a.a[i_] *= b.a[i_];
  return a;
}
VFN vd ddiv(vd a, vd b) {
  EACH a.a[i_] /= b.a[i_];
  return a;
}
VFN_CALLS vd dfma(vd a, vd b, vd c) {
  EACH c.a[i_] = FMA(a.a[i_], b.a[i_], c.a[i_]);
  return c;
}
VFN_CALLS vd dnfma(vd a, vd b, vd c) {
  EACH c.a[i_] = FMA(-a.a[i_], b.a[i_], c.a[i_]);
  return c;
}
VFN vd dmax(vd a, vd b) {
  EACH b.a[i_] = a.a[i_] > b.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}
VFN vd dmin(vd a, vd b) {
  EACH b.a[i_] = a.a[i_] < b.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}
VFN dm dgt(vd a, vd b) {
  dm m;
  EACH m.a[i_] = a.a[i_] > b.a[i_];
  return m;
}
VFN dm deq(vd a, vd b) {
  dm m;
  EACH m.a[i_] = a.a[i_] == b.a[i_];
  return m;
}
VFN dm dnan(vd a) {
  dm m;
  EACH m.a[i_] = a.a[i_] != a.a[i_];
  return m;
}
VFN dm dmand(dm a, dm b) {
  EACH a.a[i_] &= b.a[i_];
  return a;
}
VFN dm dmor(dm a, dm b) {
  EACH a.a[i_] |= b.a[i_];
  return a;
}
VFN int dany(dm m) {
  int r = 0;
  EACH r |= m.a[i_] != 0;
  return r;
}
VFN vd dsel(dm m, vd a, vd b) {
  EACH b.a[i_] = m.a[i_] ? a.a[i_] : b.a[i_];
  return b;
}

/* dshl52: the bits of a shifted left by 52, as a double. With a = 1.5*2^52 + 1023 + n, n a whole number from -1022 to
 * 1023, that is 2^n (and 0 for n = -1023). dexponent: the exponent field of a minus 1023, floor(log2|a|) for normal a.
 * dmantissa: a with the exponent field of 1, so 1 <= |result| < 2 with the sign of a. */
VFN vd dshl52(vd a) {
  EACH {
    uint64_t u;
    memcpy(&u, &a.a[i_], 8);
    u <<= 52;
    memcpy(&a.a[i_], &u, 8);
  }
  return a;
}
VFN vd dexponent(vd a) {
  EACH {
    uint64_t u;
    memcpy(&u, &a.a[i_], 8);
    a.a[i_] = (double)((int)(u >> 52 & 0x7ff) - 1023);
  }
  return a;
}
VFN vd dmantissa(vd a) {
  EACH {
    uint64_t u;
    memcpy(&u, &a.a[i_], 8);
    u = (u & 0x800fffffffffffffu) | 0x3ff0000000000000u;
    memcpy(&a.a[i_], &u, 8);
  }
  return a;
}

/* The sum of the lanes: lane i with i + 8, then + 4, + 2, + 1. */
VFN double dsum(vd a) {
  for (int h = 8; h > 0; h /= 2)
    for (int i = 0; i < h; i++) a.a[i] += a.a[i + h];
  return a.a[0];
}

#undef EACH
#endif
