/* See cases.h: the sizes, and which options each is tried with. */
#include "cases.h"

/* 1 to 67: every tail of one to four vectors. Then multiples of 16 (a vector), 64 (a block), 256 (the end of
 * short rows) and what lies one beside them; real vocabularies; a power of two beyond all. */
static const size_t normal[] = {
    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,    13,    14,    15,  16,   17,   18,   19,
    20,   21,   22,   23,   24,   25,   26,   27,   28,   29,   30,   31,    32,    33,    34,  35,   36,   37,   38,
    39,   40,   41,   42,   43,   44,   45,   46,   47,   48,   49,   50,    51,    52,    53,  54,   55,   56,   57,
    58,   59,   60,   61,   62,   63,   64,   65,   66,   67,   79,   80,    81,    95,    96,  97,   111,  112,  113,
    127,  128,  129,  143,  144,  145,  191,  192,  193,  240,  255,  256,   257,   271,   272, 273,  319,  320,  321,
    383,  384,  385,  511,  512,  513,  575,  576,  577,  639,  640,  641,   767,   768,   769, 1000, 1023, 1024, 1025,
    1279, 1280, 1281, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 8193, 32000, 50257, 262144};
static const size_t quick[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 67, 129, 255, 256, 257, 321, 1000};

const size_t *case_classes(enum level level, size_t *count) {
  if (level == QUICK) {
    *count = sizeof quick / sizeof *quick;
    return quick;
  }
  *count = sizeof normal / sizeof *normal;
  return normal;
}

bool case_turn(const struct function *function, size_t o, size_t i, size_t sizes, size_t others) {
  size_t turns = function->loss ? function->option_count : function->option_count > 1 ? others : 1;
  if (turns > sizes) turns = sizes;
  return i % turns == o % turns;
}

struct case_rows case_rows(struct random *r, size_t classes, size_t limit) {
  static const size_t outers[] = {1, 1, 2, 3, 5, 15, 16, 17, 33}, inners[] = {1, 1, 1, 1, 2, 3, 15, 16, 17, 50};
  size_t outer = outers[random_below(r, 9)], inner = inners[random_below(r, 10)];
  if (outer * inner * classes > limit) outer = 1;
  if (outer * inner * classes > limit) inner = random_below(r, 2) ? 1 : 2;
  return (struct case_rows){outer * inner, inner};
}
