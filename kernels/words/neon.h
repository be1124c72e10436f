/* The vector words (defined in scalar.h) for NEON on AArch64: a vector of floats is four registers, of doubles
 * eight. */
#ifndef VLOSS_KERNELS_VEC_NEON_H
#define VLOSS_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Independent chains of vector operations that the registers have room for. */
#define INTERLEAVE 1
#define VFN static inline __attribute__((always_inline))
/* A statement for each register i, here and in half.h. No loop, which GCC would take four times as long to unroll and
 * to see through. */
#define WITH_I(number, ...) \
  {                         \
    enum { i = number };    \
    __VA_ARGS__;            \
  }
#define EACH4(...) WITH_I(0, __VA_ARGS__) WITH_I(1, __VA_ARGS__) WITH_I(2, __VA_ARGS__) WITH_I(3, __VA_ARGS__)
#define EACH8(...)   \
  EACH4(__VA_ARGS__) \
  WITH_I(4, __VA_ARGS__) WITH_I(5, __VA_ARGS__) WITH_I(6, __VA_ARGS__) WITH_I(7, __VA_ARGS__)

/* Denormals are as fast as other numbers. */
#define DENORMALS_ARE_SLOW 0
VFN int vmet_denormal(void) { return 0; }

typedef struct {
  float32x4_t r[4];
} vf;
typedef struct {
  int32x4_t r[4];
} vi;
typedef struct {
  uint32x4_t r[4];
} vm;
typedef struct {
  float64x2_t r[8];
} vd;
typedef struct {
  uint64x2_t r[8];
} dm;

VFN vf vset1(float x) {
  vf v;
  EACH4(v.r[i] = vdupq_n_f32(x));
  return v;
}
VFN vf vload(const float *p) {
  vf v;
  EACH4(v.r[i] = vld1q_f32(p + 4 * i));
  return v;
}
VFN void vstore(float *p, vf x) { EACH4(vst1q_f32(p + 4 * i, x.r[i])); }
VFN vf vtail(const float *p, size_t n, float fill) {
  float t[16];
  vstore(t, vset1(fill));
  memcpy(t, p, n * sizeof *p);
  return vload(t);
}
VFN void vstore_tail(float *p, vf x, size_t n) {
  float t[16];
  vstore(t, x);
  memcpy(p, t, n * sizeof *p);
}
VFN void vstream(float *p, vf x) { vstore(p, x); }
VFN void vstream_end(void) {}
VFN vi viset1(int32_t x) {
  vi v;
  EACH4(v.r[i] = vdupq_n_s32(x));
  return v;
}
VFN vi viload(const int32_t *p) {
  vi v;
  EACH4(v.r[i] = vld1q_s32(p + 4 * i));
  return v;
}
VFN void vistore(int32_t *p, vi x) { EACH4(vst1q_s32(p + 4 * i, x.r[i])); }
VFN vi viload_narrow(const int64_t *p) {
  vi v;
  const uint64_t *u = (const uint64_t *)p;
  EACH4(v.r[i] = vreinterpretq_s32_u32(
            vcombine_u32(vqmovn_u64(vld1q_u64(u + 4 * i)), vqmovn_u64(vld1q_u64(u + 4 * i + 2)))));
  return v;
}
VFN vd dset1(double x) {
  vd v;
  EACH8(v.r[i] = vdupq_n_f64(x));
  return v;
}
VFN vd dload(const double *p) {
  vd v;
  EACH8(v.r[i] = vld1q_f64(p + 2 * i));
  return v;
}
VFN void dstore(double *p, vd x) { EACH8(vst1q_f64(p + 2 * i, x.r[i])); }

/* The instruction for max returns NaN if either operand is NaN and orders the zeros; the word's rule is a select. */
#define WORD(type, EACH, name, parameters, expression) \
  VFN type name parameters {                           \
    type v;                                            \
    EACH(v.r[i] = expression);                         \
    return v;                                          \
  }
WORD(vf, EACH4, vadd, (vf a, vf b), vaddq_f32(a.r[i], b.r[i]))
WORD(vf, EACH4, vsub, (vf a, vf b), vsubq_f32(a.r[i], b.r[i]))
WORD(vf, EACH4, vmul, (vf a, vf b), vmulq_f32(a.r[i], b.r[i]))
WORD(vf, EACH4, vdiv, (vf a, vf b), vdivq_f32(a.r[i], b.r[i]))
WORD(vf, EACH4, vsqrt, (vf a), vsqrtq_f32(a.r[i]))
WORD(vf, EACH4, vfma, (vf a, vf b, vf c), vfmaq_f32(c.r[i], a.r[i], b.r[i]))
WORD(vf, EACH4, vnfma, (vf a, vf b, vf c), vfmsq_f32(c.r[i], a.r[i], b.r[i]))
WORD(vf, EACH4, vmax, (vf a, vf b), vbslq_f32(vcgtq_f32(a.r[i], b.r[i]), a.r[i], b.r[i]))
WORD(vf, EACH4, vmin, (vf a, vf b), vbslq_f32(vcltq_f32(a.r[i], b.r[i]), a.r[i], b.r[i]))
WORD(vf, EACH4, vabs, (vf a), vabsq_f32(a.r[i]))
WORD(vf, EACH4, vclamp, (vf a, vf limit),
     vbslq_f32(vdupq_n_u32(0x80000000u), a.r[i], vminq_f32(vabsq_f32(a.r[i]), limit.r[i])))

WORD(vm, EACH4, vgt, (vf a, vf b), vcgtq_f32(a.r[i], b.r[i]))
WORD(vm, EACH4, vge, (vf a, vf b), vcgeq_f32(a.r[i], b.r[i]))
WORD(vm, EACH4, veq, (vf a, vf b), vceqq_f32(a.r[i], b.r[i]))
WORD(vm, EACH4, vnan, (vf a), vmvnq_u32(vceqq_f32(a.r[i], a.r[i])))
WORD(vm, EACH4, vigt, (vi a, vi b), vcgtq_s32(a.r[i], b.r[i]))
WORD(vm, EACH4, vieq, (vi a, vi b), vceqq_s32(a.r[i], b.r[i]))
WORD(vm, EACH4, vmand, (vm a, vm b), vandq_u32(a.r[i], b.r[i]))
WORD(vm, EACH4, vmor, (vm a, vm b), vorrq_u32(a.r[i], b.r[i]))
VFN int vany(vm m) { return vmaxvq_u32(vorrq_u32(vorrq_u32(m.r[0], m.r[1]), vorrq_u32(m.r[2], m.r[3]))) != 0; }
/* Each lane with its bit, then the sum of all. */
VFN uint32_t vlanes(vm m) {
  static const uint32_t bits[16] = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                    1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
  vm r;
  EACH4(r.r[i] = vandq_u32(m.r[i], vld1q_u32(bits + 4 * i)));
  return vaddvq_u32(vaddq_u32(vaddq_u32(r.r[0], r.r[1]), vaddq_u32(r.r[2], r.r[3])));
}
WORD(vf, EACH4, vsel, (vm m, vf a, vf b), vbslq_f32(m.r[i], a.r[i], b.r[i]))
WORD(vi, EACH4, vicount, (vi count, vm m), vsubq_s32(count.r[i], vreinterpretq_s32_u32(m.r[i])))
WORD(vi, EACH4, visel, (vm m, vi a, vi b), vbslq_s32(m.r[i], a.r[i], b.r[i]))

/* The bytes of number i are 4 i .. 4 i + 3. */
VFN vf vpermute(vf a, vi order) {
  uint8x16x4_t table;
  EACH4(table.val[i] = vreinterpretq_u8_f32(a.r[i]));
  vf v;
  EACH4(v.r[i] = vreinterpretq_f32_u8(
            vqtbl4q_u8(table, vreinterpretq_u8_s32(vmlaq_n_s32(vdupq_n_s32(0x03020100), order.r[i], 0x04040404)))));
  return v;
}

WORD(vi, EACH4, vbits, (vf a), vreinterpretq_s32_f32(a.r[i]))
WORD(vf, EACH4, vfloat, (vi a), vreinterpretq_f32_s32(a.r[i]))
WORD(vi, EACH4, viadd, (vi a, vi b), vaddq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, visub, (vi a, vi b), vsubq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, vimin, (vi a, vi b), vminq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, vimax, (vi a, vi b), vmaxq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, viand, (vi a, vi b), vandq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, vior, (vi a, vi b), vorrq_s32(a.r[i], b.r[i]))
WORD(vi, EACH4, vishl, (vi a, int k), vshlq_s32(a.r[i], vdupq_n_s32(k)))
WORD(vi, EACH4, visra, (vi a, int k), vshlq_s32(a.r[i], vdupq_n_s32(-k)))
WORD(vf, EACH4, vitof, (vi a), vcvtq_f32_s32(a.r[i]))

struct vparts {
  vf mantissa, exponent;
};
/* Of one register. Denormals times 2^24 are normal. All bits set is a NaN. */
VFN float32x4x2_t vsplit_(float32x4_t a) {
  const float32x4_t inf = vdupq_n_f32(__builtin_inff()), zero = vdupq_n_f32(0);
  const uint32x4_t small = vcltq_f32(a, vdupq_n_f32(0x1p-126f)), invalid = vmvnq_u32(vcgeq_f32(a, zero));
  const int32x4_t u = vreinterpretq_s32_f32(vbslq_f32(small, vmulq_f32(a, vdupq_n_f32(0x1p24f)), a));
  const int32x4_t k = vandq_s32(vsubq_s32(u, vdupq_n_s32(0x3f400000)), vdupq_n_s32((int32_t)0xff800000u));
  float32x4_t e = vfmaq_f32(vbslq_f32(small, vdupq_n_f32(-24), zero), vcvtq_f32_s32(k), vdupq_n_f32(0x1p-23f));
  e = vbslq_f32(vceqq_f32(a, zero), vdupq_n_f32(-__builtin_inff()), e);
  e = vbslq_f32(vceqq_f32(a, inf), inf, e);
  return (float32x4x2_t){{vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_s32(vsubq_s32(u, k)), invalid)),
                          vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(e), invalid))}};
}
VFN struct vparts vsplit(vf x) {
  struct vparts v;
  EACH4(const float32x4x2_t parts = vsplit_(x.r[i]); v.mantissa.r[i] = parts.val[0]; v.exponent.r[i] = parts.val[1]);
  return v;
}

/* +0 where |a| < 2^-126: bits are cleared, not compared into a zero, so that NaN stays. */
WORD(vf, EACH4, vflush, (vf a),
     vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a.r[i]), vcaltq_f32(a.r[i], vdupq_n_f32(0x1p-126f)))))

VFN float vfirst(vf a) { return vgetq_lane_f32(a.r[0], 0); }
VFN float32x4_t vmax_(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
VFN float vhmax(vf a) {
  const float32x4_t four = vmax_(vmax_(a.r[0], a.r[2]), vmax_(a.r[1], a.r[3]));
  const float32x4_t two = vmax_(four, vextq_f32(four, four, 2));
  return vgetq_lane_f32(vmax_(two, vextq_f32(two, two, 1)), 0);
}

VFN void vtranspose(vf *r) {
  vf t[16];
  UNROLL for (int i = 0; i < 16; i += 4) UNROLL for (int k = 0; k < 4; k++) {
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[i].r[k], r[i + 1].r[k]));
    float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[i].r[k], r[i + 1].r[k]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[i + 2].r[k], r[i + 3].r[k]));
    float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[i + 2].r[k], r[i + 3].r[k]));
    t[4 * k].r[i / 4] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    t[4 * k + 1].r[i / 4] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    t[4 * k + 2].r[i / 4] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    t[4 * k + 3].r[i / 4] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
  }
  UNROLL for (int i = 0; i < 16; i++) r[i] = t[i];
}

VFN vd dwiden(vf a) {
  vd v;
  EACH4(v.r[2 * i] = vcvt_f64_f32(vget_low_f32(a.r[i])); v.r[2 * i + 1] = vcvt_high_f64_f32(a.r[i]));
  return v;
}
VFN vd dsplit(vf a) {
  vd v;
  EACH4(const float32x4_t split = vuzp1q_f32(a.r[i], a.r[i]), odd = vuzp2q_f32(a.r[i], a.r[i]);
        v.r[i] = vcvt_f64_f32(vget_low_f32(split)); v.r[i + 4] = vcvt_f64_f32(vget_low_f32(odd)));
  return v;
}
VFN vd dsplit_scaled(vf a) {
  vd v;
  EACH4(const uint64x2_t pairs = vreinterpretq_u64_f32(a.r[i]), low = vdupq_n_u64(0xffffffff);
        v.r[i] = vreinterpretq_f64_u64(vshlq_n_u64(vandq_u64(pairs, low), 29));
        v.r[i + 4] = vreinterpretq_f64_u64(vbicq_u64(vshrq_n_u64(pairs, 3), vshrq_n_u64(low, 3))));
  return v;
}
WORD(vf, EACH4, dnarrow, (vd a), vcombine_f32(vcvt_f32_f64(a.r[2 * i]), vcvt_f32_f64(a.r[2 * i + 1])))
WORD(vd, EACH8, dadd, (vd a, vd b), vaddq_f64(a.r[i], b.r[i]))
WORD(vd, EACH8, dsub, (vd a, vd b), vsubq_f64(a.r[i], b.r[i]))
WORD(vd, EACH8, dmul, (vd a, vd b), vmulq_f64(a.r[i], b.r[i]))
WORD(vd, EACH8, ddiv, (vd a, vd b), vdivq_f64(a.r[i], b.r[i]))
WORD(vd, EACH8, dfma, (vd a, vd b, vd c), vfmaq_f64(c.r[i], a.r[i], b.r[i]))
WORD(vd, EACH8, dnfma, (vd a, vd b, vd c), vfmsq_f64(c.r[i], a.r[i], b.r[i]))
WORD(vd, EACH8, dmagnitude, (vd a), vabsq_f64(a.r[i]))
WORD(vd, EACH8, dmax, (vd a, vd b), vbslq_f64(vcgtq_f64(a.r[i], b.r[i]), a.r[i], b.r[i]))
WORD(vd, EACH8, dmin, (vd a, vd b), vbslq_f64(vcltq_f64(a.r[i], b.r[i]), a.r[i], b.r[i]))
WORD(dm, EACH8, dgt, (vd a, vd b), vcgtq_f64(a.r[i], b.r[i]))
WORD(dm, EACH8, deq, (vd a, vd b), vceqq_f64(a.r[i], b.r[i]))
WORD(dm, EACH8, dnan, (vd a), veorq_u64(vceqq_f64(a.r[i], a.r[i]), vdupq_n_u64(~0ull)))
WORD(dm, EACH8, dmand, (dm a, dm b), vandq_u64(a.r[i], b.r[i]))
WORD(dm, EACH8, dmor, (dm a, dm b), vorrq_u64(a.r[i], b.r[i]))
VFN int dany(dm m) {
  const uint64x2_t low = vorrq_u64(vorrq_u64(m.r[0], m.r[1]), vorrq_u64(m.r[2], m.r[3]));
  const uint64x2_t high = vorrq_u64(vorrq_u64(m.r[4], m.r[5]), vorrq_u64(m.r[6], m.r[7]));
  return vmaxvq_u32(vreinterpretq_u32_u64(vorrq_u64(low, high))) != 0;
}
WORD(vd, EACH8, dsel, (dm m, vd a, vd b), vbslq_f64(m.r[i], a.r[i], b.r[i]))

WORD(vd, EACH8, dshl52, (vd a), vreinterpretq_f64_s64(vshlq_n_s64(vreinterpretq_s64_f64(a.r[i]), 52)))
WORD(vd, EACH8, dexponent, (vd a),
     vsubq_f64(vcvtq_f64_u64(vshrq_n_u64(vshlq_n_u64(vreinterpretq_u64_f64(a.r[i]), 1), 53)), vdupq_n_f64(1023)))
WORD(vd, EACH8, dmantissa, (vd a),
     vreinterpretq_f64_u64(vorrq_u64(vandq_u64(vreinterpretq_u64_f64(a.r[i]), vdupq_n_u64(0x800fffffffffffff)),
                                     vdupq_n_u64(0x3ff0000000000000))))

VFN double dsum(vd a) {
  const float64x2_t even = vaddq_f64(vaddq_f64(a.r[0], a.r[4]), vaddq_f64(a.r[2], a.r[6]));
  const float64x2_t odd = vaddq_f64(vaddq_f64(a.r[1], a.r[5]), vaddq_f64(a.r[3], a.r[7]));
  const float64x2_t two = vaddq_f64(even, odd);
  return vgetq_lane_f64(two, 0) + vgetq_lane_f64(two, 1);
}

#undef WORD
#undef EACH8
#endif
