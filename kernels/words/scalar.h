/* The vector words in C with the vectors of GCC and Clang, which every CPU has, in one way or another: a vector is some
 * parts of 16 bytes. This is the fallback ISA, and the definition of what every word means: the headers of the other
 * ISAs give the same bits for every input, NaN payloads aside. Longer than others, as it is one list: each word stands
 * here with its meaning, and nothing else does. Arrays of 16 and loops would be plainer, and twice the code and the
 * compile time: each vector would be copied wherever it is an operand.
 *
 *   vf 16 floats    vi 16 int32    vd 16 doubles    vm, dm 16 truth values, for floats and for doubles: 0 or -1
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
#define VFN static inline __attribute__((always_inline))
/* What is a few calls of the C library unless the CPU has an instruction: inlined wherever it is used, these calls were
 * half of the library's compile time. */
#if defined(__FP_FAST_FMAF) && defined(__FP_FAST_FMA)
#define VFN_CALLS VFN
#else
#define VFN_CALLS static __attribute__((noinline, unused))
#endif
/* A statement for each part i of a vector, as in neon.h. */
#define WITH_I(number, ...) \
  {                         \
    enum { i = number };    \
    __VA_ARGS__;            \
  }
#define EACH4(...) WITH_I(0, __VA_ARGS__) WITH_I(1, __VA_ARGS__) WITH_I(2, __VA_ARGS__) WITH_I(3, __VA_ARGS__)
#define EACH8(...)   \
  EACH4(__VA_ARGS__) \
  WITH_I(4, __VA_ARGS__) WITH_I(5, __VA_ARGS__) WITH_I(6, __VA_ARGS__) WITH_I(7, __VA_ARGS__)

/* 1 where products with denormals are slow and the CPU's flags tell that there were any (avx512.h); here, nobody
 * looks. */
#define DENORMALS_ARE_SLOW 0
VFN int vmet_denormal(void) { return 0; }

typedef float two_floats __attribute__((vector_size(8)));
typedef float four_floats __attribute__((vector_size(16)));
typedef int32_t four_ints __attribute__((vector_size(16)));
typedef uint32_t four_words __attribute__((vector_size(16)));
typedef double two_doubles __attribute__((vector_size(16)));
typedef int64_t two_ints __attribute__((vector_size(16)));
typedef uint64_t two_words __attribute__((vector_size(16)));
typedef struct {
  four_floats r[4];
} vf;
typedef struct {
  four_ints r[4];
} vi, vm;
typedef struct {
  two_doubles r[8];
} vd;
typedef struct {
  two_ints r[8];
} dm;

/* Parts as the bits of others; m ? a : b of each element. */
#define FLOATS(x) ((four_floats)(x))
#define INTS(x) ((four_ints)(x))
#define WORDS(x) ((four_words)(x))
#define DOUBLES(x) ((two_doubles)(x))
#define INTS64(x) ((two_ints)(x))
#define WORDS64(x) ((two_words)(x))
#define SELECT_F(m, a, b) FLOATS((INTS(a) & INTS(m)) | (INTS(b) & ~INTS(m)))
#define SELECT_D(m, a, b) DOUBLES((INTS64(a) & INTS64(m)) | (INTS64(b) & ~INTS64(m)))
/* The elements of a greater than b, and else those of b: x86 has instructions for just that. */
#ifdef __SSE2__
#define GREATER_F(a, b) __builtin_ia32_maxps(a, b)
#define LESS_F(a, b) __builtin_ia32_minps(a, b)
#define GREATER_D(a, b) __builtin_ia32_maxpd(a, b)
#define LESS_D(a, b) __builtin_ia32_minpd(a, b)
#else
#define GREATER_F(a, b) SELECT_F((a) > (b), a, b)
#define LESS_F(a, b) SELECT_F((a) < (b), a, b)
#define GREATER_D(a, b) SELECT_D((a) > (b), a, b)
#define LESS_D(a, b) SELECT_D((a) < (b), a, b)
#endif

/* A word by what part i of its result is. */
#define WORD(type, EACH, name, parameters, expression) \
  VFN type name parameters {                           \
    type v;                                            \
    EACH(v.r[i] = expression)                          \
    return v;                                          \
  }

/* Memory. A tail reads or writes the first n elements, 0 <= n <= 16, and touches nothing beyond; the lanes from n on
 * are `fill`. vstream is a store past the cache to a 64-byte aligned address; vstream_end orders what it stored. */
WORD(vf, EACH4, vset1, (float x), ((four_floats){x, x, x, x}))
VFN vf vload(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
VFN void vstore(float *p, vf x) { memcpy(p, &x, sizeof x); }
VFN vf vtail(const float *p, size_t n, float fill) {
  vf v = vset1(fill);
  memcpy(&v, p, n * sizeof *p);
  return v;
}
VFN void vstore_tail(float *p, vf x, size_t n) { memcpy(p, &x, n * sizeof *p); }
VFN void vstream(float *p, vf x) { vstore(p, x); }
VFN void vstream_end(void) {}
WORD(vi, EACH4, viset1, (int32_t x), ((four_ints){x, x, x, x}))
VFN vi viload(const int32_t *p) {
  vi v;
  memcpy(&v, p, sizeof v);
  return v;
}
VFN void vistore(int32_t *p, vi x) { memcpy(p, &x, sizeof x); }
/* 64-bit values as unsigned 32-bit ones; what does not fit becomes 0xffffffff. */
VFN vi viload_narrow(const int64_t *p) {
  int32_t t[16];
  for (int k = 0; k < 16; k++) t[k] = p[k] < 0 || p[k] > UINT32_MAX ? -1 : (int32_t)(uint32_t)p[k];
  return viload(t);
}
WORD(vd, EACH8, dset1, (double x), ((two_doubles){x, x}))
VFN vd dload(const double *p) {
  vd v;
  memcpy(&v, p, sizeof v);
  return v;
}
VFN void dstore(double *p, vd x) { memcpy(p, &x, sizeof x); }

/* Float arithmetic, each rounded once; vfma is a*b + c and vnfma c - a*b, fused. vmax and vmin give the second operand
 * unless the first is strictly greater (less): so NaN passes from the second operand and is dropped from the first. */
WORD(vf, EACH4, vadd, (vf a, vf b), a.r[i] + b.r[i])
WORD(vf, EACH4, vsub, (vf a, vf b), a.r[i] - b.r[i])
WORD(vf, EACH4, vmul, (vf a, vf b), a.r[i] * b.r[i])
WORD(vf, EACH4, vdiv, (vf a, vf b), a.r[i] / b.r[i])
VFN four_floats roots_of_four(four_floats a) {
  return (four_floats){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])};
}
WORD(vf, EACH4, vsqrt, (vf a), roots_of_four(a.r[i]))
VFN_CALLS four_floats fma_of_four(four_floats a, four_floats b, four_floats c) {
  return (four_floats){FMAF(a[0], b[0], c[0]), FMAF(a[1], b[1], c[1]), FMAF(a[2], b[2], c[2]), FMAF(a[3], b[3], c[3])};
}
WORD(vf, EACH4, vfma, (vf a, vf b, vf c), fma_of_four(a.r[i], b.r[i], c.r[i]))
WORD(vf, EACH4, vnfma, (vf a, vf b, vf c), fma_of_four(-a.r[i], b.r[i], c.r[i]))
WORD(vf, EACH4, vmax, (vf a, vf b), GREATER_F(a.r[i], b.r[i]))
WORD(vf, EACH4, vmin, (vf a, vf b), LESS_F(a.r[i], b.r[i]))
WORD(vf, EACH4, vabs, (vf a), FLOATS(INTS(a.r[i]) & INT32_MAX))
/* a between -limit and limit, limit > 0; where a is NaN it is any number or NaN. */
WORD(vf, EACH4, vclamp, (vf a, vf limit),
     FLOATS(INTS(LESS_F(FLOATS(INTS(a.r[i]) & INT32_MAX), limit.r[i])) | (INTS(a.r[i]) & INT32_MIN)))

/* Comparisons are false where an operand is NaN; vnan is true there. vsel is m ? a : b. */
WORD(vm, EACH4, vgt, (vf a, vf b), INTS(a.r[i] > b.r[i]))
WORD(vm, EACH4, vge, (vf a, vf b), INTS(a.r[i] >= b.r[i]))
WORD(vm, EACH4, veq, (vf a, vf b), INTS(a.r[i] == b.r[i]))
WORD(vm, EACH4, vnan, (vf a), INTS(a.r[i] != a.r[i]))
WORD(vm, EACH4, vigt, (vi a, vi b), INTS(a.r[i] > b.r[i]))
WORD(vm, EACH4, vieq, (vi a, vi b), INTS(a.r[i] == b.r[i]))
WORD(vm, EACH4, vmand, (vm a, vm b), a.r[i] & b.r[i])
WORD(vm, EACH4, vmor, (vm a, vm b), a.r[i] | b.r[i])
VFN int vany(vm m) {
  const two_ints any = INTS64(m.r[0] | m.r[1] | m.r[2] | m.r[3]);
  return (any[0] | any[1]) != 0;
}
/* Lane i as bit i. */
VFN uint32_t vlanes(vm m) {
  const four_ints bit = {1, 2, 4, 8};
  const four_ints r = (m.r[0] & bit) | (m.r[1] & bit << 4) | (m.r[2] & bit << 8) | (m.r[3] & bit << 12);
  return (uint32_t)(r[0] | r[1] | r[2] | r[3]);
}
WORD(vf, EACH4, vsel, (vm m, vf a, vf b), SELECT_F(m.r[i], a.r[i], b.r[i]))
WORD(vi, EACH4, visel, (vm m, vi a, vi b), (a.r[i] & m.r[i]) | (b.r[i] & ~m.r[i]))

/* One more in the lanes of m. */
WORD(vi, EACH4, vicount, (vi count, vm m), count.r[i] - m.r[i])

/* Lane i of the result is lane lanes[i] of a; 0 <= lanes[i] < 16. */
VFN vf vpermute(vf a, vi order) {
  float from[16], to[16];
  int32_t lane[16];
  vstore(from, a);
  vistore(lane, order);
  for (int k = 0; k < 16; k++) to[k] = from[lane[k]];
  return vload(to);
}

/* The bits of floats as int32 and back; integer arithmetic modulo 2^32; visra is the shift that keeps the sign.
 * vitof rounds to nearest. */
WORD(vi, EACH4, vbits, (vf a), INTS(a.r[i]))
WORD(vf, EACH4, vfloat, (vi a), FLOATS(a.r[i]))
WORD(vi, EACH4, viadd, (vi a, vi b), INTS(WORDS(a.r[i]) + WORDS(b.r[i])))
WORD(vi, EACH4, visub, (vi a, vi b), INTS(WORDS(a.r[i]) - WORDS(b.r[i])))
WORD(vi, EACH4, vimin, (vi a, vi b), INTS(SELECT_F(a.r[i] < b.r[i], a.r[i], b.r[i])))
WORD(vi, EACH4, vimax, (vi a, vi b), INTS(SELECT_F(a.r[i] > b.r[i], a.r[i], b.r[i])))
WORD(vi, EACH4, viand, (vi a, vi b), a.r[i] & b.r[i])
WORD(vi, EACH4, vior, (vi a, vi b), a.r[i] | b.r[i])
WORD(vi, EACH4, vishl, (vi a, int k), INTS(WORDS(a.r[i]) << (uint32_t)k))
WORD(vi, EACH4, visra, (vi a, int k), a.r[i] >> k)
WORD(vf, EACH4, vitof, (vi a), __builtin_convertvector(a.r[i], four_floats))

/* x = mantissa * 2^exponent for positive x, denormals included: the mantissa in [3/4, 3/2), the exponent whole. Zeros
 * have mantissa 1 and exponent -inf, +inf has 1 and +inf. NaN and negative x have both NaN. */
struct vparts {
  vf mantissa, exponent;
};
VFN struct vparts vsplit(vf x) {
  const vm small = vgt(vset1(0x1p-126f), x), number = vge(x, vset1(0.0f));
  const vf u = vsel(small, vmul(x, vset1(0x1p24f)), x);
  const vi k = viand(visub(vbits(u), viset1(0x3f400000)), viset1((int32_t)0xff800000u));
  const vf e = vsub(vmul(vitof(k), vset1(0x1p-23f)), vsel(small, vset1(24.0f), vset1(0.0f)));
  const vf exponent = vsel(veq(x, vset1(0.0f)), vset1(-INFINITY), vsel(veq(x, vset1(INFINITY)), x, e));
  return (struct vparts){vsel(number, vfloat(visub(vbits(u), k)), vset1(NAN)), vsel(number, exponent, vset1(NAN))};
}

/* +0 where |a| < 2^-126, else a; NaN stays. */
VFN vf vflush(vf a) { return vsel(vgt(vset1(0x1p-126f), vabs(a)), vset1(0.0f), a); }

/* Lane 0. */
VFN float vfirst(vf a) { return a.r[0][0]; }

/* The greatest lane, by vmax over halves: lane i with i + 8, then + 4, + 2, + 1. */
VFN float vhmax(vf a) {
  const four_floats m = GREATER_F(GREATER_F(a.r[0], a.r[2]), GREATER_F(a.r[1], a.r[3]));
  const float even = m[0] > m[2] ? m[0] : m[2], odd = m[1] > m[3] ? m[1] : m[3];
  return even > odd ? even : odd;
}

/* r[i] lane j <-> r[j] lane i, for 16 vectors. */
VFN void vtranspose(vf *r) {
  float t[16][16];
  memcpy(t, r, sizeof t);
  for (int k = 0; k < 16; k++)
    for (int j = 0; j < k; j++) {
      const float x = t[k][j];
      t[k][j] = t[j][k];
      t[j][k] = x;
    }
  memcpy(r, t, sizeof t);
}

/* Doubles: as their float namesakes. dwiden is exact, dnarrow rounds to nearest even. */
/* Not by casts of elements: GCC 12 takes x - (double)(float)x for x - x. */
VFN two_doubles widened_two(float a, float b) { return __builtin_convertvector(((two_floats){a, b}), two_doubles); }
VFN four_floats narrowed_four(two_doubles a, two_doubles b) {
  const two_floats x = __builtin_convertvector(a, two_floats), y = __builtin_convertvector(b, two_floats);
  return (four_floats){x[0], x[1], y[0], y[1]};
}
WORD(vd, EACH8, dwiden, (vf a), widened_two(a.r[i / 2][i % 2 * 2], a.r[i / 2][i % 2 * 2 + 1]))
/* dsplit: the even elements, then the odd ones, as doubles.
 *
 * dsplit_scaled: the same times SPLIT_SCALE, which is 2^-896, of elements that are at least +0; by a shift, where a
 * conversion costs several instructions. Below its sign, a float is an exponent of 8 bits and a fraction of 23; a
 * double has 11 and 52. Moved left by 52 - 23 bits, the float's fraction is the double's, and its exponent is in the
 * lower 8 bits of the double's. There the same number means another power of two: a float counts exponents from 127 on,
 * a double from 1023, so that the value is 2^(127 - 1023) times the float's, exactly, and a denormal's, too. What else
 * there is, infinities, NaN, and a sign, which becomes a bit of the exponent, comes out as 2^-768 at least: over
 * SPLIT_SCALE, that is more than any float. */
WORD(vd, EACH8, dsplit, (vf a), widened_two(a.r[i % 4][i / 4], a.r[i % 4][i / 4 + 2]))
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOWER_ARE_EVEN 0
#else
#define LOWER_ARE_EVEN 1
#endif
/* The lower halves of 64 bits, moved left; the upper halves. */
VFN two_doubles moved_two(two_words x, int lower) { return DOUBLES((lower ? x << 32 >> 32 : x >> 32) << 29); }
WORD(vd, EACH8, dsplit_scaled, (vf a), moved_two(WORDS64(a.r[i % 4]), (i < 4) == LOWER_ARE_EVEN))
WORD(vf, EACH4, dnarrow, (vd a), narrowed_four(a.r[2 * i], a.r[2 * i + 1]))
WORD(vd, EACH8, dadd, (vd a, vd b), a.r[i] + b.r[i])
WORD(vd, EACH8, dsub, (vd a, vd b), a.r[i] - b.r[i])
WORD(vd, EACH8, dmul, (vd a, vd b), a.r[i] * b.r[i])
WORD(vd, EACH8, ddiv, (vd a, vd b), a.r[i] / b.r[i])
VFN_CALLS two_doubles fma_of_two(two_doubles a, two_doubles b, two_doubles c) {
  return (two_doubles){FMA(a[0], b[0], c[0]), FMA(a[1], b[1], c[1])};
}
WORD(vd, EACH8, dfma, (vd a, vd b, vd c), fma_of_two(a.r[i], b.r[i], c.r[i]))
WORD(vd, EACH8, dnfma, (vd a, vd b, vd c), fma_of_two(-a.r[i], b.r[i], c.r[i]))
WORD(vd, EACH8, dmagnitude, (vd a), DOUBLES(WORDS64(a.r[i]) & INT64_MAX))
WORD(vd, EACH8, dmax, (vd a, vd b), GREATER_D(a.r[i], b.r[i]))
WORD(vd, EACH8, dmin, (vd a, vd b), LESS_D(a.r[i], b.r[i]))
WORD(dm, EACH8, dgt, (vd a, vd b), INTS64(a.r[i] > b.r[i]))
WORD(dm, EACH8, deq, (vd a, vd b), INTS64(a.r[i] == b.r[i]))
WORD(dm, EACH8, dnan, (vd a), INTS64(a.r[i] != a.r[i]))
WORD(dm, EACH8, dmand, (dm a, dm b), a.r[i] & b.r[i])
WORD(dm, EACH8, dmor, (dm a, dm b), a.r[i] | b.r[i])
VFN int dany(dm m) {
  const two_ints any = m.r[0] | m.r[1] | m.r[2] | m.r[3] | m.r[4] | m.r[5] | m.r[6] | m.r[7];
  return (any[0] | any[1]) != 0;
}
WORD(vd, EACH8, dsel, (dm m, vd a, vd b), SELECT_D(m.r[i], a.r[i], b.r[i]))

/* dshl52: the bits of a shifted left by 52, as a double. With a = 1.5*2^52 + 1023 + n, n a whole number from -1022 to
 * 1023, that is 2^n (and 0 for n = -1023). dexponent: the exponent field of a minus 1023, floor(log2|a|) for normal a.
 * dmantissa: a with the exponent field of 1, so 1 <= |result| < 2 with the sign of a. */
WORD(vd, EACH8, dshl52, (vd a), DOUBLES(WORDS64(a.r[i]) << 52))
WORD(vd, EACH8, dexponent, (vd a),
     DOUBLES((WORDS64(a.r[i]) >> 52 & 0x7ff) | 0x4330000000000000u) - (0x1p52 + 1023)) /* the bits of 2^52 + exponent */
WORD(vd, EACH8, dmantissa, (vd a), DOUBLES((WORDS64(a.r[i]) & 0x800fffffffffffffu) | 0x3ff0000000000000u))

/* The sum of the lanes: lane i with i + 8, then + 4, + 2, + 1. */
VFN double dsum(vd a) {
  const two_doubles even = (a.r[0] + a.r[4]) + (a.r[2] + a.r[6]), odd = (a.r[1] + a.r[5]) + (a.r[3] + a.r[7]);
  const two_doubles sum = even + odd;
  return sum[0] + sum[1];
}

#undef WITH_I
#undef EACH4
#undef EACH8
#undef WORD
#undef FLOATS
#undef INTS
#undef WORDS
#undef DOUBLES
#undef INTS64
#undef WORDS64
#undef SELECT_F
#undef SELECT_D
#undef GREATER_F
#undef LESS_F
#undef GREATER_D
#undef LESS_D
#undef LOWER_ARE_EVEN
/* What is made of these words may be a function: it takes its vectors by memory, where they are anyway. */
#undef VFN
#define VFN static inline
#endif
