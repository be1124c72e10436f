/* Exit status 0: the C library's fma and fmaf round once. Cases where rounding the product, or the sum in a wider or
 * the same type, gives another result: halfway cases that a far smaller operand decides, results in the denormal range,
 * and products beyond the range that the third operand brings back. */
#include <math.h>

static volatile double cases[][4] = {
    {0x1.0000000000001p0, 0x1.0000000000001p0, -0x1.0000000000002p0, 0x1p-104},
    {0x1p-53, 1, 1, 1},
    {0x1.0000000000001p-53, 1, 1, 0x1.0000000000001p0},
    {0x1.0000002p-500, 0x1.0000002p-553, 0x1p-1000, 0x1.0000000000001p-1000},
    {0x1.fffffffffffffp-1, 0x1p-53, 0x1.0000000000001p0, 0x1.0000000000001p0},
    {0x1.8p-537, 0x1.0000000000001p-538, 0, 0x1p-1074},
    {0x1.0000000000001p-537, 0x1p-538, 0, 0x1p-1074},
    {0x1p-537, 0x1p-538, 0, 0},
    {0x1p600, 0x1p424, -0x1.fffffffffffffp1023, 0x1p971},
    {0x1.0000000000001p-1000, 0x1p-80, 0x1p-1022, 0x1p-1022},
};
static volatile float float_cases[][4] = {
    {0x1.000002p0f, 0x1.000002p0f, -0x1.000004p0f, 0x1p-46f}, {0x1.000002p-12f, 0x1.000002p-12f, 1, 0x1.000002p0f},
    {0x1.fffffep-1f, 0x1.000002p-24f, 0x1p0f, 0x1.000002p0f}, {0x1p-80f, 0x1p-80f, 0x1.000002p0f, 0x1.000002p0f},
    {0x1.8p0f, 0x1.555556p-25f, 0x1p0f, 0x1.000002p0f},       {0x1p100f, 0x1p28f, -0x1.fffffep127f, 0x1p104f},
};

int main(void) {
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
    if (fma(cases[i][0], cases[i][1], cases[i][2]) != cases[i][3]) return 1;
  for (unsigned i = 0; i < sizeof float_cases / sizeof *float_cases; i++)
    if (fmaf(float_cases[i][0], float_cases[i][1], float_cases[i][2]) != float_cases[i][3]) return 1;
  return 0;
}
