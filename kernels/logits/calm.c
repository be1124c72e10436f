/* See calm.h. */
#include "calm.h"

/* By a comparison, which raises the flag where another way might not. */
VFN vf without_denormals(vf v) { return vsel(vgt(vset1(0x1p-126f), vabs(v)), vset1(0.0f), v); }

void copy_calm(const float *x, size_t step, size_t n, float *to) {
  for (size_t i = 0; step != 1 && i < n; i++) to[i] = x[i * step];
  if (step != 1) x = to;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) vstore(to + i, without_denormals(vload(x + i)));
  if (i < n) vstore_tail(to + i, without_denormals(vtail(x + i, n - i, 0.0f)), n - i);
}
