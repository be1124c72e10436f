/* The words of one ISA as functions on memory: compiled once per ISA. */
#include "words.h"

#include <fenv.h>

#include "words/isa.h"

#define LOAD_f vload
#define LOAD_i viload
#define LOAD_d dload
#define LOAD_l (const int64_t *)
#define STORE_f vstore
#define STORE_i vistore
#define STORE_d dstore
#define VECTOR_f vf
#define VECTOR_i vi
#define VECTOR_d vd
#define VECTOR_l int64_t *

#define WORD(in, out, name, vector, scalar)                                              \
  static void run_##name(const void *pa, const void *pb, const void *pc, void *result) { \
    const VECTOR_##in a = LOAD_##in(pa);                                                 \
    const VECTOR_##in b = LOAD_##in(pb);                                                 \
    const VECTOR_##in c = LOAD_##in(pc);                                                 \
    (void)a, (void)b, (void)c;                                                           \
    STORE_##out(result, vector);                                                         \
  }
#include "words.def"
#undef WORD

static lanes *const lane_wise[] = {
#define WORD(in, out, name, vector, scalar) run_##name,
#include "words.def"
#undef WORD
};

static void copy(const float *from, float *to) { vstore(to, vload(from)); }
static void load_tail(const float *from, size_t n, float fill, float *to) { vstore(to, vtail(from, n, fill)); }
static void store_tail(const float *from, size_t n, float *to) { vstore_tail(to, vload(from), n); }
static void stream(const float *from, float *to) {
  vstream(to, vload(from));
  vstream_end();
}
static void set(float f, int32_t i, double d, float *f16, int32_t *i16, double *d16) {
  vstore(f16, vset1(f));
  vistore(i16, viset1(i));
  dstore(d16, dset1(d));
}
static int any_greater(const float *a, const float *b) { return vany(vgt(vload(a), vload(b))); }
static int any_double_greater(const double *a, const double *b) { return dany(dgt(dload(a), dload(b))); }
static uint32_t lanes_greater(const float *a, const float *b) { return vlanes(vgt(vload(a), vload(b))); }
static float first(const float *a) { return vfirst(vload(a)); }
static float greatest(const float *a) { return vhmax(vload(a)); }
static double sum(const double *a) { return dsum(dload(a)); }
static void split(const float *a, double *any, double *positive) {
  dstore(any, dsplit(vload(a)));
  dstore(positive, dsplit_scaled(vload(a)));
}
static void transpose(float *rows) {
  vf r[16];
  for (int i = 0; i < 16; i++) r[i] = vload(rows + 16 * i);
  vtranspose(r);
  for (int i = 0; i < 16; i++) vstore(rows + 16 * i, r[i]);
}

static void permute(const float *a, const int32_t *order, float *permuted) {
  vstore(permuted, vpermute(vload(a), viload(order)));
}
static int met_denormal(const float *a, const float *b, float *product) {
  fenv_t kept;
  feholdexcept(&kept);
#if defined(VLOSS_ISA_IS_AVX2) || defined(VLOSS_ISA_IS_AVX512)
  _mm_setcsr(_mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK); /* feholdexcept leaves the flag of denormal operands */
  const int before = vmet_denormal();
  vstore(product, vmul(vload(a), vload(b)));
  const int met = before ? 2 : vmet_denormal();
#else
  vstore(product, vmul(vload(a), vload(b)));
  const int met = vmet_denormal() ? 2 : -1;
#endif
  fesetenv(&kept);
  return met;
}

const struct words VLOSS_ISA_SYMBOL(words) = {
    VLOSS_ISA_NAME, lane_wise, copy, load_tail, store_tail, stream,  set,          any_greater,       lanes_greater,
    first,          greatest,  sum,  split,     transpose,  permute, met_denormal, any_double_greater};
