/* The vector words (defined in scalar.h) for AVX-512: a vector of floats is one zmm, of doubles two. */
#ifndef VLOSS_KERNELS_VEC_AVX512_H
#define VLOSS_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* Independent chains of vector operations that the registers have room for. */
#define INTERLEAVE 4
#define VFN static inline __attribute__((always_inline))

/* Whether products with denormals are slow, as on Intel's CPUs; and whether the flags of one, or of a result below
 * 2^-126, are up. */
#define DENORMALS_ARE_SLOW 1
VFN int vmet_denormal(void) { return (_mm_getcsr() & (_MM_EXCEPT_DENORM | _MM_EXCEPT_UNDERFLOW)) != 0; }

typedef __m512 vf;
typedef __m512i vi;
typedef struct {
  __m512d lo, hi;
} vd;
typedef __mmask16 vm;
typedef struct {
  __mmask8 lo, hi;
} dm;

VFN __mmask16 vfirst_(size_t n) { return (__mmask16)((1u << n) - 1u); }

VFN vf vset1(float x) { return _mm512_set1_ps(x); }
VFN vf vload(const float *p) { return _mm512_loadu_ps(p); }
VFN vf vtail(const float *p, size_t n, float fill) { return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), vfirst_(n), p); }
VFN void vstore(float *p, vf x) { _mm512_storeu_ps(p, x); }
VFN void vstore_tail(float *p, vf x, size_t n) { _mm512_mask_storeu_ps(p, vfirst_(n), x); }
VFN void vstream(float *p, vf x) { _mm512_stream_ps(p, x); }
VFN void vstream_end(void) { _mm_sfence(); }
VFN vi viset1(int32_t x) { return _mm512_set1_epi32(x); }
VFN vi viload(const int32_t *p) { return _mm512_loadu_si512(p); }
VFN void vistore(int32_t *p, vi x) { _mm512_storeu_si512(p, x); }
VFN vi viload_narrow(const int64_t *p) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtusepi64_epi32(_mm512_loadu_si512(p))),
                            _mm512_cvtusepi64_epi32(_mm512_loadu_si512(p + 8)), 1);
}
VFN vd dset1(double x) { return (vd){_mm512_set1_pd(x), _mm512_set1_pd(x)}; }
VFN vd dload(const double *p) { return (vd){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
VFN void dstore(double *p, vd x) {
  _mm512_storeu_pd(p, x.lo);
  _mm512_storeu_pd(p + 8, x.hi);
}

VFN vf vadd(vf a, vf b) { return _mm512_add_ps(a, b); }
VFN vf vsub(vf a, vf b) { return _mm512_sub_ps(a, b); }
VFN vf vmul(vf a, vf b) { return _mm512_mul_ps(a, b); }
VFN vf vdiv(vf a, vf b) { return _mm512_div_ps(a, b); }
VFN vf vsqrt(vf a) { return _mm512_sqrt_ps(a); }
VFN vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
VFN vf vnfma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
VFN vf vmax(vf a, vf b) { return _mm512_max_ps(a, b); }
VFN vf vmin(vf a, vf b) { return _mm512_min_ps(a, b); }
VFN vf vabs(vf a) { return _mm512_abs_ps(a); }
/* By the control byte the smaller absolute value, with the sign of a. */
VFN vf vclamp(vf a, vf limit) { return _mm512_range_ps(a, limit, 2); }

VFN vm vgt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
VFN vm vge(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
VFN vm veq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
VFN vm vnan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
VFN vm vigt(vi a, vi b) { return _mm512_cmpgt_epi32_mask(a, b); }
VFN vm vieq(vi a, vi b) { return _mm512_cmpeq_epi32_mask(a, b); }
VFN vm vmand(vm a, vm b) { return _kand_mask16(a, b); }
VFN vm vmor(vm a, vm b) { return _kor_mask16(a, b); }
VFN int vany(vm m) { return m != 0; }
VFN uint32_t vlanes(vm m) { return m; }
VFN vf vsel(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
VFN vi visel(vm m, vi a, vi b) { return _mm512_mask_blend_epi32(m, b, a); }

VFN vi vicount(vi count, vm m) { return _mm512_mask_sub_epi32(count, m, count, _mm512_set1_epi32(-1)); }

VFN vf vpermute(vf a, vi order) { return _mm512_permutexvar_ps(order, a); }

VFN vi vbits(vf a) { return _mm512_castps_si512(a); }
VFN vf vfloat(vi a) { return _mm512_castsi512_ps(a); }
VFN vi viadd(vi a, vi b) { return _mm512_add_epi32(a, b); }
VFN vi visub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
VFN vi vimin(vi a, vi b) { return _mm512_min_epi32(a, b); }
VFN vi vimax(vi a, vi b) { return _mm512_max_epi32(a, b); }
VFN vi viand(vi a, vi b) { return _mm512_and_si512(a, b); }
VFN vi vior(vi a, vi b) { return _mm512_or_si512(a, b); }
#define vishl(a, k) _mm512_slli_epi32(a, k)
#define visra(a, k) _mm512_srai_epi32(a, k)
VFN vf vitof(vi a) { return _mm512_cvtepi32_ps(a); }

/* The signs by both bits of the operand: negative numbers are NaN, and -0 is as 0. The exponent instruction gives
 * floor(log2 |x|), that is -1 or 0 of the mantissa. */
#define MANTISSA_SIGN ((_MM_MANTISSA_SIGN_ENUM)(_MM_MANT_SIGN_zero | _MM_MANT_SIGN_nan))
struct vparts {
  vf mantissa, exponent;
};
VFN struct vparts vsplit(vf x) {
  const vf mantissa = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, MANTISSA_SIGN);
  return (struct vparts){mantissa, _mm512_sub_ps(_mm512_getexp_ps(x), _mm512_getexp_ps(mantissa))};
}
#undef MANTISSA_SIGN

/* Denormals and zeros of either sign, by class: one instruction, where a comparison would need the absolute value. */
VFN vf vflush(vf a) { return _mm512_maskz_mov_ps(_knot_mask16(_mm512_fpclass_ps_mask(a, 0x02 | 0x04 | 0x20)), a); }

VFN float vfirst(vf a) { return _mm512_cvtss_f32(a); }
VFN float vhmax(vf a) {
  __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* Pairs of floats, pairs of pairs, then quarters of registers, twice. */
VFN void vtranspose(vf *r) {
  vf t[16];
  UNROLL for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) UNROLL for (int k = 0; k < 2; k++) {
    __m512d a = _mm512_castps_pd(t[i + k]), b = _mm512_castps_pd(t[i + k + 2]);
    r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
  }
  UNROLL for (int k = 0; k < 4; k++) {
    vf a = _mm512_shuffle_f32x4(r[k], r[k + 4], 0x88), b = _mm512_shuffle_f32x4(r[k + 8], r[k + 12], 0x88);
    vf c = _mm512_shuffle_f32x4(r[k], r[k + 4], 0xdd), d = _mm512_shuffle_f32x4(r[k + 8], r[k + 12], 0xdd);
    r[k] = _mm512_shuffle_f32x4(a, b, 0x88);
    r[k + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
    r[k + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
    r[k + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
  }
}

VFN vd dwiden(vf a) {
  return (vd){_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}
VFN vd dsplit(vf a) {
  const __m512i pairs = _mm512_castps_si512(a);
  return (vd){_mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_cvtepi64_epi32(pairs))),
              _mm512_cvtps_pd(_mm256_castsi256_ps(_mm512_cvtepi64_epi32(_mm512_srli_epi64(pairs, 32))))};
}
/* A product with 2^29 shifts the even elements alone. */
VFN vd dsplit_scaled(vf a) {
  const __m512i pairs = _mm512_castps_si512(a), even = _mm512_mul_epu32(pairs, _mm512_set1_epi64(1 << 29));
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi64(pairs, 3), _mm512_set1_epi64(-(1 << 29)));
  return (vd){_mm512_castsi512_pd(even), _mm512_castsi512_pd(odd)};
}
VFN vf dnarrow(vd a) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.lo)), _mm512_cvtpd_ps(a.hi), 1);
}
VFN vd dadd(vd a, vd b) { return (vd){_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)}; }
VFN vd dsub(vd a, vd b) { return (vd){_mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi)}; }
VFN vd dmul(vd a, vd b) { return (vd){_mm512_mul_pd(a.lo, b.lo), _mm512_mul_pd(a.hi, b.hi)}; }
VFN vd ddiv(vd a, vd b) { return (vd){_mm512_div_pd(a.lo, b.lo), _mm512_div_pd(a.hi, b.hi)}; }
VFN vd dfma(vd a, vd b, vd c) { return (vd){_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)}; }
VFN vd dnfma(vd a, vd b, vd c) { return (vd){_mm512_fnmadd_pd(a.lo, b.lo, c.lo), _mm512_fnmadd_pd(a.hi, b.hi, c.hi)}; }
VFN vd dmagnitude(vd a) { return (vd){_mm512_abs_pd(a.lo), _mm512_abs_pd(a.hi)}; }
VFN vd dmax(vd a, vd b) { return (vd){_mm512_max_pd(a.lo, b.lo), _mm512_max_pd(a.hi, b.hi)}; }
VFN vd dmin(vd a, vd b) { return (vd){_mm512_min_pd(a.lo, b.lo), _mm512_min_pd(a.hi, b.hi)}; }
VFN dm dgt(vd a, vd b) {
  return (dm){_mm512_cmp_pd_mask(a.lo, b.lo, _CMP_GT_OQ), _mm512_cmp_pd_mask(a.hi, b.hi, _CMP_GT_OQ)};
}
VFN dm deq(vd a, vd b) {
  return (dm){_mm512_cmp_pd_mask(a.lo, b.lo, _CMP_EQ_OQ), _mm512_cmp_pd_mask(a.hi, b.hi, _CMP_EQ_OQ)};
}
VFN dm dnan(vd a) {
  return (dm){_mm512_cmp_pd_mask(a.lo, a.lo, _CMP_UNORD_Q), _mm512_cmp_pd_mask(a.hi, a.hi, _CMP_UNORD_Q)};
}
VFN dm dmand(dm a, dm b) { return (dm){_kand_mask8(a.lo, b.lo), _kand_mask8(a.hi, b.hi)}; }
VFN dm dmor(dm a, dm b) { return (dm){_kor_mask8(a.lo, b.lo), _kor_mask8(a.hi, b.hi)}; }
VFN int dany(dm m) { return (m.lo | m.hi) != 0; }
VFN vd dsel(dm m, vd a, vd b) {
  return (vd){_mm512_mask_blend_pd(m.lo, b.lo, a.lo), _mm512_mask_blend_pd(m.hi, b.hi, a.hi)};
}

VFN __m512d dshl52_(__m512d a) { return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a), 52)); }
VFN vd dshl52(vd a) { return (vd){dshl52_(a.lo), dshl52_(a.hi)}; }
VFN __m512d dexponent_(__m512d a) {
  __m512i e = _mm512_srli_epi64(_mm512_slli_epi64(_mm512_castpd_si512(a), 1), 53);
  return _mm512_cvtepi64_pd(_mm512_sub_epi64(e, _mm512_set1_epi64(1023)));
}
VFN vd dexponent(vd a) { return (vd){dexponent_(a.lo), dexponent_(a.hi)}; }
VFN __m512d dmantissa_(__m512d a) {
  __m512i u = _mm512_and_si512(_mm512_castpd_si512(a), _mm512_set1_epi64((int64_t)0x800fffffffffffff));
  return _mm512_castsi512_pd(_mm512_or_si512(u, _mm512_set1_epi64(0x3ff0000000000000)));
}
VFN vd dmantissa(vd a) { return (vd){dmantissa_(a.lo), dmantissa_(a.hi)}; }

VFN double dsum(vd a) {
  __m512d z = _mm512_add_pd(a.lo, a.hi);
  __m256d h = _mm256_add_pd(_mm512_castpd512_pd256(z), _mm512_extractf64x4_pd(z, 1));
  __m128d q = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
  return _mm_cvtsd_f64(_mm_add_sd(q, _mm_unpackhi_pd(q, q)));
}

#endif
