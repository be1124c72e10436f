/* The vector words (defined in scalar.h) for AVX2 with FMA: a vector of floats is two ymm, of doubles four. */
#ifndef VLOSS_KERNELS_VEC_AVX2_H
#define VLOSS_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Independent chains of vector operations that the registers have room for. */
#define INTERLEAVE 2
#define VFN static inline __attribute__((always_inline))

/* As avx512.h has it. */
#define DENORMALS_ARE_SLOW 1
VFN int vmet_denormal(void) { return (_mm_getcsr() & (_MM_EXCEPT_DENORM | _MM_EXCEPT_UNDERFLOW)) != 0; }

typedef struct {
  __m256 lo, hi;
} vf, vm;
typedef struct {
  __m256i lo, hi;
} vi;
typedef struct {
  __m256d a, b, c, d;
} vd, dm;

/* A word from an intrinsic applied to each register. */
#define F1(op, x) ((vf){op((x).lo), op((x).hi)})
#define F2(op, x, y) ((vf){op((x).lo, (y).lo), op((x).hi, (y).hi)})
#define F3(op, x, y, z) ((vf){op((x).lo, (y).lo, (z).lo), op((x).hi, (y).hi, (z).hi)})
#define I2(op, x, y) ((vi){op((x).lo, (y).lo), op((x).hi, (y).hi)})
#define D1(op, x) ((vd){op((x).a), op((x).b), op((x).c), op((x).d)})
#define D2(op, x, y) ((vd){op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d)})
#define D3(op, x, y, z) \
  ((vd){op((x).a, (y).a, (z).a), op((x).b, (y).b, (z).b), op((x).c, (y).c, (z).c), op((x).d, (y).d, (z).d)})

VFN vf vset1(float x) { return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
VFN vf vload(const float *p) { return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
VFN void vstore(float *p, vf x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
/* Tails by whole loads and stores that overlap, and within the array: masked ones would be right, but emulators and
 * sanitizers read their masked lanes; and what goes through a small array waits for it. A window of 8 numbers names the
 * lanes that a permutation takes; negative ones are lanes of the other kind. Tails of less than 8 are out of line. */
static const int32_t windows_[16] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};
VFN __m256i window_(size_t at) { return _mm256_loadu_si256((const __m256i *)(windows_ + at)); }
static __attribute__((noinline, unused)) __m256 vtail_8_(const float *p, size_t n, float fill) {
  const __m128 none = _mm_set1_ps(fill);
  const __m128i window = _mm_loadu_si128((const __m128i *)(windows_ + 4 + (n < 4 ? 4 - n : 8 - n)));
  if (n == 0) return _mm256_set1_ps(fill);
  if (n < 4) {
    const __m128 some = _mm_setr_ps(p[0], p[n / 2], p[n - 1], fill);
    return _mm256_set_m128(none, _mm_blendv_ps(some, none, _mm_castsi128_ps(window)));
  }
  const __m128 last = _mm_permutevar_ps(_mm_loadu_ps(p + n - 4), window);
  return _mm256_set_m128(_mm_blendv_ps(last, none, _mm_castsi128_ps(window)), _mm_loadu_ps(p));
}
VFN vf vtail(const float *p, size_t n, float fill) {
  const __m256 none = _mm256_set1_ps(fill);
  if (n < 8) return (vf){vtail_8_(p, n, fill), none};
  const __m256i window = window_(16 - n);
  const __m256 last = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + n - 8), window);
  return (vf){_mm256_loadu_ps(p), _mm256_blendv_ps(last, none, _mm256_castsi256_ps(window))};
}
static __attribute__((noinline, unused)) void vstore_8_(float *p, __m256 x, size_t n) {
  const __m128 low = _mm256_castps256_ps128(x);
  if (n >= 4) {
    const __m256 last = _mm256_permutevar8x32_ps(x, window_(n - 4));
    _mm_storeu_ps(p, low);
    _mm_storeu_ps(p + n - 4, _mm256_castps256_ps128(last));
    return;
  }
  if (n & 2) _mm_storel_pi((__m64 *)p, low);
  if (n & 1) _mm_store_ss(p + n - 1, n & 2 ? _mm_movehl_ps(low, low) : low);
}
VFN void vstore_tail(float *p, vf x, size_t n) {
  if (n < 8) {
    vstore_8_(p, x.lo, n);
    return;
  }
  const __m256i window = window_(n - 8);
  const __m256 last = _mm256_blendv_ps(_mm256_permutevar8x32_ps(x.lo, window), _mm256_permutevar8x32_ps(x.hi, window),
                                       _mm256_castsi256_ps(window));
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + n - 8, last);
}
VFN void vstream(float *p, vf x) {
  _mm256_stream_ps(p, x.lo);
  _mm256_stream_ps(p + 8, x.hi);
}
VFN void vstream_end(void) { _mm_sfence(); }
VFN vi viset1(int32_t x) { return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
VFN vi viload(const int32_t *p) {
  return (vi){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 8))};
}
VFN void vistore(int32_t *p, vi x) {
  _mm256_storeu_si256((__m256i *)p, x.lo);
  _mm256_storeu_si256((__m256i *)(p + 8), x.hi);
}
/* Low halves where the high halves are 0, else all bits set; the shuffle works in 128-bit lanes, hence the permute. */
VFN __m256i viload_narrow_(const int64_t *p) {
  __m256 a = _mm256_loadu_ps((const float *)p), b = _mm256_loadu_ps((const float *)(p + 4));
  __m256i low = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)),
          high = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
  __m256i fits = _mm256_cmpeq_epi32(high, _mm256_setzero_si256());
  return _mm256_permute4x64_epi64(_mm256_or_si256(low, _mm256_xor_si256(fits, _mm256_set1_epi32(-1))), 0xd8);
}
VFN vi viload_narrow(const int64_t *p) { return (vi){viload_narrow_(p), viload_narrow_(p + 8)}; }
VFN vd dset1(double x) { return (vd){_mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x), _mm256_set1_pd(x)}; }
VFN vd dload(const double *p) {
  return (vd){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12)};
}
VFN void dstore(double *p, vd x) {
  _mm256_storeu_pd(p, x.a);
  _mm256_storeu_pd(p + 4, x.b);
  _mm256_storeu_pd(p + 8, x.c);
  _mm256_storeu_pd(p + 12, x.d);
}

VFN vf vadd(vf a, vf b) { return F2(_mm256_add_ps, a, b); }
VFN vf vsub(vf a, vf b) { return F2(_mm256_sub_ps, a, b); }
VFN vf vmul(vf a, vf b) { return F2(_mm256_mul_ps, a, b); }
VFN vf vdiv(vf a, vf b) { return F2(_mm256_div_ps, a, b); }
VFN vf vsqrt(vf a) { return F1(_mm256_sqrt_ps, a); }
VFN vf vfma(vf a, vf b, vf c) { return F3(_mm256_fmadd_ps, a, b, c); }
VFN vf vnfma(vf a, vf b, vf c) { return F3(_mm256_fnmadd_ps, a, b, c); }
VFN vf vmax(vf a, vf b) { return F2(_mm256_max_ps, a, b); }
VFN vf vmin(vf a, vf b) { return F2(_mm256_min_ps, a, b); }
VFN vf vabs(vf a) {
  return F2(
      _mm256_and_ps, a,
      ((vf){_mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)), _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))}));
}

VFN vf vclamp(vf a, vf limit) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const vf most = {_mm256_min_ps(limit.lo, a.lo), _mm256_min_ps(limit.hi, a.hi)};
  return (vf){_mm256_max_ps(_mm256_xor_ps(limit.lo, sign), most.lo),
              _mm256_max_ps(_mm256_xor_ps(limit.hi, sign), most.hi)};
}

#define CMP_GT(x, y) _mm256_cmp_ps(x, y, _CMP_GT_OQ)
#define CMP_GE(x, y) _mm256_cmp_ps(x, y, _CMP_GE_OQ)
#define CMP_EQ(x, y) _mm256_cmp_ps(x, y, _CMP_EQ_OQ)
#define CMP_NAN(x) _mm256_cmp_ps(x, x, _CMP_UNORD_Q)
VFN vm vgt(vf a, vf b) { return F2(CMP_GT, a, b); }
VFN vm vge(vf a, vf b) { return F2(CMP_GE, a, b); }
VFN vm veq(vf a, vf b) { return F2(CMP_EQ, a, b); }
VFN vm vnan(vf a) { return F1(CMP_NAN, a); }
VFN vm vigt(vi a, vi b) {
  return (vm){_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.lo, b.lo)), _mm256_castsi256_ps(_mm256_cmpgt_epi32(a.hi, b.hi))};
}
VFN vm vieq(vi a, vi b) {
  return (vm){_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.lo, b.lo)), _mm256_castsi256_ps(_mm256_cmpeq_epi32(a.hi, b.hi))};
}
VFN vm vmand(vm a, vm b) { return F2(_mm256_and_ps, a, b); }
VFN vm vmor(vm a, vm b) { return F2(_mm256_or_ps, a, b); }
VFN int vany(vm m) { return _mm256_movemask_ps(_mm256_or_ps(m.lo, m.hi)); }
VFN uint32_t vlanes(vm m) { return (uint32_t)(_mm256_movemask_ps(m.lo) | _mm256_movemask_ps(m.hi) << 8); }
/* A choice between a number and a constant 0 is one operation, where a blend is two: a mask has all bits set or none,
 * which compilers do not know. */
VFN int known_zero_(__m256i v) {
  const long long bits = v[0] | v[1] | v[2] | v[3];
  return __builtin_constant_p(bits) && bits == 0;
}
VFN __m256 sel_(__m256 m, __m256 a, __m256 b) {
  if (known_zero_(_mm256_castps_si256(a))) return _mm256_andnot_ps(m, b);
  if (known_zero_(_mm256_castps_si256(b))) return _mm256_and_ps(m, a);
  return _mm256_blendv_ps(b, a, m);
}
VFN __m256d dsel_(__m256d m, __m256d a, __m256d b) {
  if (known_zero_(_mm256_castpd_si256(a))) return _mm256_andnot_pd(m, b);
  if (known_zero_(_mm256_castpd_si256(b))) return _mm256_and_pd(m, a);
  return _mm256_blendv_pd(b, a, m);
}
VFN vf vsel(vm m, vf a, vf b) { return F3(sel_, m, a, b); }

/* From both halves; bit 3 of a number, as a sign, says from which. */
VFN __m256 vpermute_(vf a, __m256i order) {
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a.lo, order), _mm256_permutevar8x32_ps(a.hi, order),
                          _mm256_castsi256_ps(_mm256_slli_epi32(order, 28)));
}
VFN vf vpermute(vf a, vi order) { return (vf){vpermute_(a, order.lo), vpermute_(a, order.hi)}; }

VFN vi vbits(vf a) { return (vi){_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
VFN vf vfloat(vi a) { return (vf){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
VFN vi visel(vm m, vi a, vi b) { return vbits(vsel(m, vfloat(a), vfloat(b))); }
VFN vi vicount(vi count, vm m) { return I2(_mm256_sub_epi32, count, vbits(m)); }
VFN vi viadd(vi a, vi b) { return I2(_mm256_add_epi32, a, b); }
VFN vi visub(vi a, vi b) { return I2(_mm256_sub_epi32, a, b); }
VFN vi vimin(vi a, vi b) { return I2(_mm256_min_epi32, a, b); }
VFN vi vimax(vi a, vi b) { return I2(_mm256_max_epi32, a, b); }
VFN vi viand(vi a, vi b) { return I2(_mm256_and_si256, a, b); }
VFN vi vior(vi a, vi b) { return I2(_mm256_or_si256, a, b); }
#define vishl(x, k) ((vi){_mm256_slli_epi32((x).lo, k), _mm256_slli_epi32((x).hi, k)})
#define visra(x, k) ((vi){_mm256_srai_epi32((x).lo, k), _mm256_srai_epi32((x).hi, k)})
VFN vf vitof(vi a) { return (vf){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }

struct vparts {
  vf mantissa, exponent;
};
/* The bits of a denormal are a whole number, of 2^-149: so nothing is multiplied with one. All bits set is a NaN. */
VFN __m256 vsplit_(__m256 x, __m256 *exponent) {
  const __m256 inf = _mm256_set1_ps(__builtin_inff()), small = _mm256_cmp_ps(x, _mm256_set1_ps(0x1p-126f), _CMP_LT_OQ);
  const __m256 invalid = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NGE_UQ);
  const __m256i u = _mm256_castps_si256(_mm256_blendv_ps(x, _mm256_cvtepi32_ps(_mm256_castps_si256(x)), small));
  const __m256i k =
      _mm256_and_si256(_mm256_sub_epi32(u, _mm256_set1_epi32(0x3f400000)), _mm256_set1_epi32((int)0xff800000u));
  const __m256 scaled = _mm256_and_ps(small, _mm256_set1_ps(-149));
  __m256 e = _mm256_fmadd_ps(_mm256_cvtepi32_ps(k), _mm256_set1_ps(0x1p-23f), scaled);
  e = _mm256_blendv_ps(e, _mm256_set1_ps(-__builtin_inff()), _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_EQ_OQ));
  e = _mm256_blendv_ps(e, inf, _mm256_cmp_ps(x, inf, _CMP_EQ_OQ));
  *exponent = _mm256_or_ps(e, invalid);
  return _mm256_or_ps(_mm256_castsi256_ps(_mm256_sub_epi32(u, k)), invalid);
}
VFN struct vparts vsplit(vf x) {
  struct vparts r;
  r.mantissa.lo = vsplit_(x.lo, &r.exponent.lo);
  r.mantissa.hi = vsplit_(x.hi, &r.exponent.hi);
  return r;
}

/* "Not less than" is true for NaN, so that NaN stays. */
VFN __m256 vflush_(__m256 a, __m256 magnitude) {
  return _mm256_and_ps(a, _mm256_cmp_ps(magnitude, _mm256_set1_ps(0x1p-126f), _CMP_NLT_UQ));
}
VFN vf vflush(vf a) { return F2(vflush_, a, vabs(a)); }

VFN float vfirst(vf a) { return _mm256_cvtss_f32(a.lo); }
VFN float vhmax(vf a) {
  __m256 h = _mm256_max_ps(a.lo, a.hi);
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* 8 x 8: pairs of floats, pairs of pairs, halves. */
VFN void vtranspose_(__m256 *r) {
  __m256 t[8];
  UNROLL for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  UNROLL for (int i = 0; i < 8; i += 4) UNROLL for (int k = 0; k < 2; k++) {
    r[i + 2 * k] = _mm256_shuffle_ps(t[i + k], t[i + k + 2], 0x44);
    r[i + 2 * k + 1] = _mm256_shuffle_ps(t[i + k], t[i + k + 2], 0xee);
  }
  UNROLL for (int k = 0; k < 4; k++) {
    __m256 a = r[k], b = r[k + 4];
    r[k] = _mm256_permute2f128_ps(a, b, 0x20);
    r[k + 4] = _mm256_permute2f128_ps(a, b, 0x31);
  }
}
VFN void vtranspose(vf *r) {
  __m256 q[4][8];
  UNROLL for (int i = 0; i < 8; i++) {
    q[0][i] = r[i].lo;
    q[1][i] = r[i + 8].lo;
    q[2][i] = r[i].hi;
    q[3][i] = r[i + 8].hi;
  }
  UNROLL for (int k = 0; k < 4; k++) vtranspose_(q[k]);
  UNROLL for (int i = 0; i < 8; i++) {
    r[i] = (vf){q[0][i], q[1][i]};
    r[i + 8] = (vf){q[2][i], q[3][i]};
  }
}

VFN vd dwiden(vf x) {
  return (vd){_mm256_cvtps_pd(_mm256_castps256_ps128(x.lo)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.lo, 1)),
              _mm256_cvtps_pd(_mm256_castps256_ps128(x.hi)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.hi, 1))};
}
/* The even elements of a register, then the odd ones. */
VFN __m256 deinterleaved_(__m256 a) { return _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)); }
VFN vd dsplit(vf x) {
  const vd r = dwiden((vf){deinterleaved_(x.lo), deinterleaved_(x.hi)});
  return (vd){r.a, r.c, r.b, r.d};
}
/* A product with 2^29 shifts the even elements alone. */
VFN __m256d even_positive_(__m256 a) {
  return _mm256_castsi256_pd(_mm256_mul_epu32(_mm256_castps_si256(a), _mm256_set1_epi64x(1 << 29)));
}
VFN __m256d odd_positive_(__m256 a) {
  const __m256i moved = _mm256_srli_epi64(_mm256_castps_si256(a), 3);
  return _mm256_castsi256_pd(_mm256_and_si256(moved, _mm256_set1_epi64x(-(1 << 29))));
}
VFN vd dsplit_scaled(vf x) {
  return (vd){even_positive_(x.lo), even_positive_(x.hi), odd_positive_(x.lo), odd_positive_(x.hi)};
}
VFN vf dnarrow(vd x) {
  return (vf){_mm256_set_m128(_mm256_cvtpd_ps(x.b), _mm256_cvtpd_ps(x.a)),
              _mm256_set_m128(_mm256_cvtpd_ps(x.d), _mm256_cvtpd_ps(x.c))};
}
VFN vd dadd(vd a, vd b) { return D2(_mm256_add_pd, a, b); }
VFN vd dsub(vd a, vd b) { return D2(_mm256_sub_pd, a, b); }
VFN vd dmul(vd a, vd b) { return D2(_mm256_mul_pd, a, b); }
VFN vd ddiv(vd a, vd b) { return D2(_mm256_div_pd, a, b); }
VFN vd dfma(vd a, vd b, vd c) { return D3(_mm256_fmadd_pd, a, b, c); }
VFN vd dnfma(vd a, vd b, vd c) { return D3(_mm256_fnmadd_pd, a, b, c); }
VFN vd dmagnitude(vd a) { return D2(_mm256_andnot_pd, dset1(-0.0), a); }
VFN vd dmax(vd a, vd b) { return D2(_mm256_max_pd, a, b); }
VFN vd dmin(vd a, vd b) { return D2(_mm256_min_pd, a, b); }
#define DCMP_GT(x, y) _mm256_cmp_pd(x, y, _CMP_GT_OQ)
#define DCMP_EQ(x, y) _mm256_cmp_pd(x, y, _CMP_EQ_OQ)
#define DCMP_NAN(x) _mm256_cmp_pd(x, x, _CMP_UNORD_Q)
VFN dm dgt(vd a, vd b) { return D2(DCMP_GT, a, b); }
VFN dm deq(vd a, vd b) { return D2(DCMP_EQ, a, b); }
VFN dm dnan(vd a) { return D1(DCMP_NAN, a); }
VFN dm dmand(dm a, dm b) { return D2(_mm256_and_pd, a, b); }
VFN dm dmor(dm a, dm b) { return D2(_mm256_or_pd, a, b); }
VFN int dany(dm m) { return _mm256_movemask_pd(_mm256_or_pd(_mm256_or_pd(m.a, m.b), _mm256_or_pd(m.c, m.d))); }
VFN vd dsel(dm m, vd a, vd b) { return D3(dsel_, m, a, b); }

VFN __m256d dshl52_(__m256d a) { return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a), 52)); }
VFN vd dshl52(vd a) { return D1(dshl52_, a); }
/* The exponent field under the bits of 2^52 is the double 2^52 + field: AVX2 has no conversion from 64-bit integers. */
VFN __m256d dexponent_(__m256d a) {
  __m256i e = _mm256_srli_epi64(_mm256_slli_epi64(_mm256_castpd_si256(a), 1), 53);
  __m256d biased = _mm256_castsi256_pd(_mm256_or_si256(e, _mm256_set1_epi64x(0x4330000000000000)));
  return _mm256_sub_pd(biased, _mm256_set1_pd(0x1p52 + 1023));
}
VFN vd dexponent(vd a) { return D1(dexponent_, a); }
VFN __m256d dmantissa_(__m256d a) {
  __m256i u = _mm256_and_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x((int64_t)0x800fffffffffffff));
  return _mm256_castsi256_pd(_mm256_or_si256(u, _mm256_set1_epi64x(0x3ff0000000000000)));
}
VFN vd dmantissa(vd a) { return D1(dmantissa_, a); }

VFN double dsum(vd a) {
  __m256d h = _mm256_add_pd(_mm256_add_pd(a.a, a.c), _mm256_add_pd(a.b, a.d));
  __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
  return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}

#undef F1
#undef F2
#undef F3
#undef I2
#undef D1
#undef D2
#undef D3
#endif
