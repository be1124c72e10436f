/* Words for 16-bit floats in memory: bf16, the upper half of a float, and IEEE's f16. Widening is exact, denormals
 * included. Narrowing rounds to nearest, ties to even, and to infinity beyond the range; NaN becomes the one quiet NaN,
 * 0x7fc0 or 0x7e00. First what each ISA has of its own; then the defaults, which are what the words mean. */
#ifndef VLOSS_KERNELS_WORDS_HALF_H
#define VLOSS_KERNELS_WORDS_HALF_H

#include <string.h>

#include "vmath.h"

/* viload_half: 16 unsigned numbers of 16 bits; viload_pairs: 32 of them, of which two are a number of 32 bits as memory
 * has it; vistore_half: the low halves; vistore_high: the high ones, _pair of 32 numbers. vistream_ writes past the
 * cache, to a 64-byte aligned address. */
#if defined(VLOSS_ISA_IS_AVX512)
VFN vi viload_half(const uint16_t *p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)); }
VFN void vistore_half(uint16_t *p, vi x) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(x)); }
VFN vi viload_pairs(const uint16_t *p) { return _mm512_loadu_si512(p); }
#define VLOSS_HAVE_HIGH
VFN __m256i vhigh(vi x) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)); }
VFN void vistore_high(uint16_t *p, vi x) { _mm256_storeu_si256((__m256i *)p, vhigh(x)); }
#define VLOSS_HAVE_HIGH_PAIR
VFN vi vhigh_pair(vi a, vi b) {
  const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25,
                                       23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return _mm512_permutex2var_epi16(a, odd, b);
}
VFN void vistore_high_pair(uint16_t *p, vi a, vi b) { _mm512_storeu_si512(p, vhigh_pair(a, b)); }
VFN void vistream_high_pair(uint16_t *p, vi a, vi b) { _mm512_stream_si512((__m512i *)p, vhigh_pair(a, b)); }
#define VLOSS_HAVE_F16
VFN vf vload_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
VFN __m256i vf16(vf x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
VFN void vstore_f16_number(uint16_t *p, vf x) { _mm256_storeu_si256((__m256i *)p, vf16(x)); }
VFN void vstream_f16_number(uint16_t *p, vf x) { _mm256_stream_si256((__m256i *)p, vf16(x)); }

#elif defined(VLOSS_ISA_IS_AVX2)
VFN vi viload_half(const uint16_t *p) {
  const __m256i h = _mm256_loadu_si256((const __m256i *)p);
  return (vi){_mm256_cvtepu16_epi32(_mm256_castsi256_si128(h)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256(h, 1))};
}
VFN void vistore_half(uint16_t *p, vi x) {
  const __m256i low = _mm256_set1_epi32(0xffff);
  const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(x.lo, low), _mm256_and_si256(x.hi, low));
  _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xd8)); /* packs in 128-bit lanes */
}
VFN vi viload_pairs(const uint16_t *p) {
  return (vi){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 16))};
}
#define VLOSS_HAVE_HIGH
VFN __m256i vhigh(vi x) {
  const __m256i packed = _mm256_packus_epi32(_mm256_srli_epi32(x.lo, 16), _mm256_srli_epi32(x.hi, 16));
  return _mm256_permute4x64_epi64(packed, 0xd8);
}
VFN void vistore_high(uint16_t *p, vi x) { _mm256_storeu_si256((__m256i *)p, vhigh(x)); }
#define VLOSS_HAVE_HIGH_PAIR
VFN void vistore_high_pair(uint16_t *p, vi a, vi b) {
  vistore_high(p, a);
  vistore_high(p + 16, b);
}
VFN void vistream_high_pair(uint16_t *p, vi a, vi b) {
  _mm256_stream_si256((__m256i *)p, vhigh(a));
  _mm256_stream_si256((__m256i *)(p + 16), vhigh(b));
}
#define VLOSS_HAVE_F16
VFN vf vload_f16(const uint16_t *p) {
  return (vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
              _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}
VFN void vstore_f16_number(uint16_t *p, vf x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.lo, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.hi, _MM_FROUND_TO_NEAREST_INT));
}
VFN void vstream_f16_number(uint16_t *p, vf x) {
  _mm_stream_si128((__m128i *)p, _mm256_cvtps_ph(x.lo, _MM_FROUND_TO_NEAREST_INT));
  _mm_stream_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.hi, _MM_FROUND_TO_NEAREST_INT));
}

#elif defined(VLOSS_ISA_IS_NEON)
VFN vi viload_half(const uint16_t *p) {
  vi v;
  EACH4(v.r[i] = vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p + 4 * i))));
  return v;
}
VFN vi viload_pairs(const uint16_t *p) {
  vi v;
  EACH4(v.r[i] = vreinterpretq_s32_u16(vld1q_u16(p + 8 * i)));
  return v;
}
VFN void vistore_half(uint16_t *p, vi x){EACH4(vst1_u16(p + 4 * i, vmovn_u32(vreinterpretq_u32_s32(x.r[i]))))}
#define VLOSS_HAVE_F16
VFN vf vload_f16(const uint16_t *p) {
  vf v;
  EACH4(v.r[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
  return v;
}
VFN void vstore_f16_number(uint16_t *p, vf x){EACH4(vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.r[i]))))}

#else
VFN vi viload_half(const uint16_t *p) {
  int32_t t[16];
  for (int k = 0; k < 16; k++) t[k] = p[k];
  return viload(t);
}
VFN void vistore_half(uint16_t *p, vi x) {
  int32_t t[16];
  vistore(t, x);
  for (int k = 0; k < 16; k++) p[k] = (uint16_t)t[k];
}
VFN vi viload_pairs(const uint16_t *p) {
  int32_t t[16];
  memcpy(t, p, sizeof t);
  return viload(t);
}
#endif

#ifndef VLOSS_HAVE_HIGH
VFN void vistore_high(uint16_t *p, vi x) { vistore_half(p, visra(x, 16)); }
#endif
#ifndef VLOSS_HAVE_HIGH_PAIR
VFN void vistore_high_pair(uint16_t *p, vi a, vi b) {
  vistore_high(p, a);
  vistore_high(p + 16, b);
}
VFN void vistream_high_pair(uint16_t *p, vi a, vi b) { vistore_high_pair(p, a, b); }
#endif

VFN vf vload_bf16(const uint16_t *p) { return vfloat(vishl(viload_half(p), 16)); }
/* In the upper half. */
VFN vi vround_bf16(vf x) {
  const vi bits = vbits(x), odd = viand(visra(bits, 16), viset1(1));
  return viadd(bits, viadd(odd, viset1(0x7fff)));
}
VFN void vstore_bf16(uint16_t *p, vf x) { vistore_high(p, vround_bf16(canonical(x))); }
/* Of 32 numbers, past the cache or not. */
VFN void vstore_bf16_numbers(uint16_t *p, vf a, vf b) { vistore_high_pair(p, vround_bf16(a), vround_bf16(b)); }
VFN void vstream_bf16_numbers(uint16_t *p, vf a, vf b) { vistream_high_pair(p, vround_bf16(a), vround_bf16(b)); }

/* Around stores of f16: the CPU's conversion to a number below 2^-14 raises the flag of a float below 2^-126, and what
 * is computed next would expect denormals (vmet_denormal). */
#if defined(VLOSS_ISA_IS_AVX512) || defined(VLOSS_ISA_IS_AVX2)
VFN unsigned vflags(void) { return _mm_getcsr(); }
VFN void vrestore_flags(unsigned before) {
  if (_mm_getcsr() != before) _mm_setcsr(before);
}
#else
VFN unsigned vflags(void) { return 0; }
VFN void vrestore_flags(unsigned before) { (void)before; }
#endif
#ifndef VLOSS_HAVE_F16
VFN vf vload_f16(const uint16_t *p) {
  const vi half = viload_half(p), size = viand(half, viset1(0x7fff)), sign = vishl(viand(half, viset1(0x8000)), 16);
  const vi number = viadd(vishl(size, 13), viset1(112 << 23)); /* the exponents differ by 127 - 15 */
  const vi special = viadd(number, viset1(112 << 23)), small = vbits(vmul(vitof(size), vset1(0x1p-24f)));
  const vi of_size = visel(vigt(viset1(0x400), size), small, visel(vigt(size, viset1(0x7bff)), special, number));
  return vfloat(vior(of_size, sign));
}
/* Of numbers: below 2^-14 the ulp is that of 1/2 as a float, so that adding 1/2 rounds. */
VFN void vstore_f16_number(uint16_t *p, vf x) {
  const vf size = vabs(x);
  const vi bits = vbits(size), sign = viand(visra(vbits(x), 16), viset1(0x8000));
  const vi odd = viand(visra(bits, 13), viset1(1));
  const vi number = visra(viadd(bits, viadd(odd, viset1(0xfff - (112 << 23)))), 13);
  const vi small = visub(vbits(vadd(vmax(vset1(0x1p-100f), size), vset1(0.5f))), vbits(vset1(0.5f)));
  const vi of_size =
      visel(vigt(viset1(0x38800000), bits), small, visel(vigt(bits, viset1(0x477fefff)), viset1(0x7c00), number));
  vistore_half(p, vior(of_size, sign));
}
#endif
#if !defined(VLOSS_ISA_IS_AVX512) && !defined(VLOSS_ISA_IS_AVX2)
VFN void vstream_f16_number(uint16_t *p, vf x) { vstore_f16_number(p, x); }
#endif
VFN void vstore_f16_numbers(uint16_t *p, vf a, vf b) {
  vstore_f16_number(p, a);
  vstore_f16_number(p + 16, b);
}
VFN void vstream_f16_numbers(uint16_t *p, vf a, vf b) {
  vstream_f16_number(p, a);
  vstream_f16_number(p + 16, b);
}
VFN void vstore_f16(uint16_t *p, vf x) {
  const vm nan = vnan(x);
  if (__builtin_expect(!vany(nan), 1)) {
    vstore_f16_number(p, x);
    return;
  }
  vstore_f16_number(p, vsel(nan, vset1(1.0f), x));
  float v[16];
  vstore(v, x);
  for (int i = 0; i < 16; i++)
    if (v[i] != v[i]) p[i] = 0x7e00;
}

/* 8 elements as they are; vhload_low and vhstore_low of the first four, others read as 0. vturn_halves turns 8 x 8 of
 * them, by pairs, pairs of pairs, and halves. */
#if defined(VLOSS_ISA_IS_AVX2) || defined(VLOSS_ISA_IS_AVX512)
typedef __m128i vh;
VFN vh vhload(const uint16_t *p) { return _mm_loadu_si128((const __m128i *)p); }
VFN vh vhload_low(const uint16_t *p) { return _mm_loadl_epi64((const __m128i *)p); }
VFN void vhstore(uint16_t *p, vh v) { _mm_storeu_si128((__m128i *)p, v); }
VFN void vhstore_low(uint16_t *p, vh v) { _mm_storel_epi64((__m128i *)p, v); }
#define VH_LOW(bits, a, b) _mm_unpacklo_epi##bits(a, b)
#define VH_HIGH(bits, a, b) _mm_unpackhi_epi##bits(a, b)
#elif defined(VLOSS_ISA_IS_NEON)
typedef uint16x8_t vh;
VFN vh vhload(const uint16_t *p) { return vld1q_u16(p); }
VFN vh vhload_low(const uint16_t *p) { return vcombine_u16(vld1_u16(p), vdup_n_u16(0)); }
VFN void vhstore(uint16_t *p, vh v) { vst1q_u16(p, v); }
VFN void vhstore_low(uint16_t *p, vh v) { vst1_u16(p, vget_low_u16(v)); }
#define VH_OF_16(v) (v)
#define VH_OF_32(v) vreinterpretq_u32_u16(v)
#define VH_OF_64(v) vreinterpretq_u64_u16(v)
#define VH_FROM_16(v) (v)
#define VH_FROM_32(v) vreinterpretq_u16_u32(v)
#define VH_FROM_64(v) vreinterpretq_u16_u64(v)
#define VH_LOW(bits, a, b) VH_FROM_##bits(vzip1q_u##bits(VH_OF_##bits(a), VH_OF_##bits(b)))
#define VH_HIGH(bits, a, b) VH_FROM_##bits(vzip2q_u##bits(VH_OF_##bits(a), VH_OF_##bits(b)))
#else
typedef struct {
  uint16_t a[8];
} vh;
VFN vh vhload(const uint16_t *p) {
  vh v;
  for (int i = 0; i < 8; i++) v.a[i] = p[i];
  return v;
}
VFN vh vhload_low(const uint16_t *p) {
  vh v = {{0}};
  for (int i = 0; i < 4; i++) v.a[i] = p[i];
  return v;
}
VFN void vhstore(uint16_t *p, vh v) {
  for (int i = 0; i < 8; i++) p[i] = v.a[i];
}
VFN void vhstore_low(uint16_t *p, vh v) {
  for (int i = 0; i < 4; i++) p[i] = v.a[i];
}
#endif
#ifdef VH_LOW
VFN void vturn_halves(vh *r) {
  vh t[8], u[8];
  UNROLL for (int i = 0; i < 8; i += 2) t[i] = VH_LOW(16, r[i], r[i + 1]), t[i + 1] = VH_HIGH(16, r[i], r[i + 1]);
  UNROLL for (int i = 0; i < 8; i += 4) UNROLL for (int k = 0; k < 2; k++) {
    u[i + 2 * k] = VH_LOW(32, t[i + k], t[i + k + 2]);
    u[i + 2 * k + 1] = VH_HIGH(32, t[i + k], t[i + k + 2]);
  }
  UNROLL for (int i = 0; i < 4; i++) r[2 * i] = VH_LOW(64, u[i], u[i + 4]), r[2 * i + 1] = VH_HIGH(64, u[i], u[i + 4]);
}
#else
VFN void vturn_halves(vh *r) {
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < i; k++) {
      const uint16_t v = r[i].a[k];
      r[i].a[k] = r[k].a[i];
      r[k].a[i] = v;
    }
}
#endif

#endif
