/* See top_classes.h. Of a block, first the steps of 64 classes are found that have one over the list's bar, then these
 * classes, and then they are put into the list: all that without a branch on what nothing foretells. Where many classes
 * would pass, as in the first block and in rows that rise, the bar is raised first: of groups of classes the k-th
 * greatest maximum is reached by k classes at least. */
#include "top_classes.h"

#include "row_sums.h"

enum { STRIDE = 2 * BLOCK, STEPS = CLASS_BLOCK / BLOCK, FOUND = 256 };

/* ---- Maxima ------------------------------------------------------------------------------------------------------ */

float block_maximum(const float *y, size_t n) {
  vf m[8]; /* a maximum takes four cycles */
  for (size_t j = 0; j < 8; j++) m[j] = vset1(-INF);
  size_t c = 0;
  for (; c + STRIDE <= n; c += STRIDE) UNROLL for (size_t j = 0; j < 8; j++) m[j] = vmax(vload(y + c + 16 * j), m[j]);
  for (; c < n; c += 16) m[0] = vmax(row_load(y, c, n, NO_CLASS), m[0]);
  return vhmax(vmax(vmax(vmax(m[0], m[1]), vmax(m[2], m[3])), vmax(vmax(m[4], m[5]), vmax(m[6], m[7]))));
}
void block_maxima(const float *y, size_t n, float *maxima) {
  for (size_t c = 0; c < n; c += BLOCK) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = row_load(y, c + 16 * j, n, NO_CLASS);
    vstore(maxima + c / 4, vmax(vmax(v[0], v[1]), vmax(v[2], v[3])));
  }
}

/* Floats as numbers of the same order, but for NaN, and back. */
VFN uint32_t order_of(float y) {
  uint32_t bits;
  y += 0.0f; /* of -0 and 0 the same */
  memcpy(&bits, &y, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
VFN float float_of(uint32_t order) {
  const uint32_t bits = order >> 31 ? order & 0x7fffffff : ~order;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}
/* The middle, as such a number; that of 0 where the float would be denormal. */
VFN uint32_t middle_of(uint32_t low, uint32_t high) {
  const uint32_t zero = order_of(0), middle = low + (high - low) / 2, least = 0x00800000;
  return middle < zero + least && middle >= zero - least ? zero : middle;
}
static size_t count_reaching(const vf *max, size_t vectors, float y) {
  size_t count = 0;
  for (size_t j = 0; j < vectors; j++) count += (size_t)__builtin_popcount(vlanes(vge(max[j], vset1(y))));
  return count;
}
/* A number that at least `room` of the maxima reach, and not many more, or `bar`. */
static float reached(const vf *max, size_t vectors, size_t room, float bar) {
  if (16 * vectors < room) return bar;
  vf least = vset1(INF);
  for (size_t j = 0; j < vectors; j++) least = vmin(max[j], least);
  const float all = -vhmax(vsub(vset1(0.0f), least));
  if (all < bar && count_reaching(max, vectors, bar) < room) return bar;
  uint32_t low = order_of(all > bar ? all : bar), high = order_of(INF);
  while (high - low > 1) {
    const uint32_t middle = middle_of(low, high);
    if (middle <= low || middle >= high) break;
    const size_t count = count_reaching(max, vectors, float_of(middle));
    if (count < room) {
      high = middle;
    } else {
      low = middle;
      if (count <= room + room / 8) break;
    }
  }
  return float_of(low);
}
/* Of the groups of four classes; or, which serves for a short list, of sixteen times as many. */
static SMALL float raised_bar(const float *maxima, size_t steps, size_t room, float bar) {
  vf max[STEPS];
  const size_t vectors = room <= FEW_TOP && steps > 4 ? 4 : steps;
  for (size_t j = 0; j < vectors; j++) {
    max[j] = vload(maxima + 16 * j);
    for (size_t s = j + vectors; s < steps; s += vectors) max[j] = vmax(vload(maxima + 16 * s), max[j]);
  }
  return reached(max, vectors, room, bar);
}

/* ---- The list ---------------------------------------------------------------------------------------------------- */

void top_begin(struct top_list *list, size_t room, int behind) {
  list->behind = behind;
  if (behind) {
    list->bound_y = list->y[list->count - 1];
    list->bound_c = list->c[list->count - 1];
  }
  list->room = room;
  list->count = 0;
  for (size_t j = 0; j < room; j += 16) vstore(list->y + j, vset1(NOT_A_NUMBER));
  if (room <= FEW_TOP) vstore(list->y + 16, vset1(NOT_A_NUMBER));
}

/* Classes for the list, in the order of their numbers. */
struct found {
  size_t n;
  float y[FOUND + BLOCK];
  uint32_t c[FOUND + BLOCK];
};

/* Two vectors, and the elements in front of theirs; `front` in front of the first. */
struct few {
  vf v[2];
};
VFN struct few moved(const struct few *x, float front) {
  static const int32_t before[16] = {15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  const vm first = vieq(lane_numbers(), viset1(0));
  const vf a = vpermute(x->v[0], viload(before)), b = vpermute(x->v[1], viload(before));
  return (struct few){{vsel(first, vset1(front), a), vsel(first, a, b)}};
}
/* Into a list of up to 32, which stays in registers: each class goes behind those that are not less. */
static void take_few(struct top_list *list, const struct found *found) {
  struct few y = {{vload(list->y), vload(list->y + 16)}}, c;
  UNROLL for (size_t j = 0; j < 2; j++) c.v[j] = vfloat(viload((const int32_t *)list->c + 16 * j));
  for (size_t i = 0; i < found->n; i++) {
    const vf new_y = vset1(found->y[i]), new_c = vfloat(viset1((int32_t)found->c[i]));
    const struct few y_before = moved(&y, INF), c_before = moved(&c, 0);
    UNROLL for (size_t j = 0; j < 2; j++) {
      const vm stays = vge(y.v[j], new_y), here = vge(y_before.v[j], new_y);
      y.v[j] = vsel(stays, y.v[j], vsel(here, new_y, y_before.v[j]));
      c.v[j] = vsel(stays, c.v[j], vsel(here, new_c, c_before.v[j]));
    }
  }
  UNROLL for (size_t j = 0; j < 2; j++) {
    vstore(list->y + 16 * j, y.v[j]);
    vistore((int32_t *)list->c + 16 * j, vbits(c.v[j]));
  }
}

/* A class as a number: the greater, the earlier it comes. */
VFN uint64_t key_of(float y, uint32_t c) { return (uint64_t)order_of(y) << 32 | (uint32_t)~c; }
/* Of a and b, each in falling order, the first; and one step further there. */
struct keys {
  const uint64_t *next, *end;
};
VFN uint64_t first_of(struct keys *a, struct keys *b) {
  const int from_a = b->next == b->end || (a->next != a->end && *a->next > *b->next);
  return from_a ? *a->next++ : *b->next++;
}
/* Into a longer list: sorted by themselves first, and merged. */
static SMALL void take_many(struct top_list *list, const struct found *found) {
  uint64_t keys[2][FOUND + BLOCK], old[TOP_CLASSES];
  uint64_t *from = keys[0], *to = keys[1];
  const size_t n = found->n;
  for (size_t i = 0; i < n; i++) from[i] = key_of(found->y[i], found->c[i]);
  for (size_t run = 1; run < n; run *= 2) {
    for (size_t i = 0; i < n; i += 2 * run) {
      const size_t middle = n - i < run ? n : i + run, end = n - middle < run ? n : middle + run;
      struct keys a = {from + i, from + middle}, b = {from + middle, from + end};
      for (size_t j = i; j < end; j++) to[j] = first_of(&a, &b);
    }
    uint64_t *const sorted = to;
    to = from;
    from = sorted;
  }
  for (size_t i = 0; i < list->count; i++) old[i] = key_of(list->y[i], list->c[i]);
  struct keys a = {old, old + list->count}, b = {from, from + n};
  for (size_t i = 0; i < list->room && i < list->count + n; i++) {
    const uint64_t key = first_of(&a, &b);
    list->y[i] = float_of((uint32_t)(key >> 32));
    list->c[i] = ~(uint32_t)key;
  }
}
static void take(struct top_list *list, struct found *found) {
  if (list->room <= FEW_TOP)
    take_few(list, found);
  else
    take_many(list, found);
  list->count = list->room - list->count < found->n ? list->room : list->count + found->n;
  found->n = 0;
}

/* ---- A block ----------------------------------------------------------------------------------------------------- */

/* What a class must exceed, or reach, to belong to the list. */
struct bar {
  vf y;
  int reach;
};
static struct bar bar_of(const struct top_list *list, float raised) {
  const int full = list->count == list->room;
  const float last = full ? list->y[list->room - 1] : -INF;
  return full && last >= raised ? (struct bar){vset1(last), 0} : (struct bar){vset1(raised), 1};
}
VFN vm over(vf y, const struct bar *bar) { return bar->reach ? vge(y, bar->y) : vgt(y, bar->y); }

VFN int is_behind(const struct top_list *list, float y, size_t c) {
  return y < list->bound_y || (y == list->bound_y && c > list->bound_c);
}
/* The lanes of a step, of up to 64 classes, that are over the bar. */
VFN uint64_t step_lanes(const float *y, size_t n, const struct bar *bar) {
  uint64_t lanes = 0;
  UNROLL for (size_t j = 0; j < 4; j++) {
    const vf v = n >= BLOCK ? vload(y + 16 * j) : row_load(y, 16 * j, n, NO_CLASS);
    lanes |= (uint64_t)vlanes(over(v, bar)) << 16 * j;
  }
  return n >= BLOCK ? lanes : lanes & (((uint64_t)1 << n) - 1); /* what is not there reaches a bar of -inf */
}
VFN void find_classes(const struct top_list *list, struct found *found, const float *y, size_t n, size_t first,
                      const struct bar *bar) {
  size_t known = found->n;
  for (uint64_t left = step_lanes(y, n, bar); left; left &= left - 1) {
    const size_t i = (size_t)__builtin_ctzll(left);
    found->y[known] = y[i] + 0.0f;
    found->c[known] = (uint32_t)(first + i);
    known += !list->behind || is_behind(list, y[i], first + i);
  }
  found->n = known;
}
/* The steps with a class over the bar, a bit each. */
static uint64_t find_steps(const float *maxima, size_t steps, const struct bar *bar) {
  uint64_t found = 0;
  size_t s = 0;
  for (; s + 8 <= steps; s += 8) {
    uint32_t some = 0;
    UNROLL for (size_t j = 0; j < 8; j++) some |= (uint32_t)(vany(over(vload(maxima + 16 * (s + j)), bar)) != 0) << j;
    found |= (uint64_t)some << s;
  }
  for (; s < steps; s++) found |= (uint64_t)(vany(over(vload(maxima + 16 * s), bar)) != 0) << s;
  return found;
}

void top_add(struct top_list *list, const float *y, size_t n, size_t first, const float *maxima) {
  struct found found;
  float raised = -INF;
  struct bar bar = bar_of(list, raised);
  const size_t steps = (n + BLOCK - 1) / BLOCK;
  uint64_t left = find_steps(maxima, steps, &bar);
  int may_raise = !list->behind;
  if (may_raise && (size_t)__builtin_popcountll(left) > list->room + list->room / 2) {
    bar = bar_of(list, raised = raised_bar(maxima, steps, list->room, vfirst(bar.y)));
    left = find_steps(maxima, steps, &bar);
    may_raise = 0;
  }
  for (found.n = 0; left; left &= left - 1) {
    const size_t c = (size_t)__builtin_ctzll(left) * BLOCK;
    if (n - c >= BLOCK)
      find_classes(list, &found, y + c, BLOCK, first + c, &bar);
    else
      find_classes(list, &found, y + c, n - c, first + c, &bar);
    if (found.n < FOUND && found.n < 4 * list->room) continue;
    take(list, &found);
    if (may_raise) raised = raised_bar(maxima, steps, list->room, vfirst(bar.y));
    may_raise = 0;
    bar = bar_of(list, raised);
  }
  if (found.n) take(list, &found);
}

VFN vi count_if(vi count, vf x, vf v, const int or_equal) { return vicount(count, or_equal ? vge(x, v) : vgt(x, v)); }
VFN uint32_t sum_of_counts(vi count) {
  ALIGNED uint32_t lanes[16];
  uint32_t all = 0;
  vistore((int32_t *)lanes, count);
  for (size_t i = 0; i < 16; i++) all += lanes[i];
  return all;
}
VFN size_t count_in_block(const float *y, size_t n, float v, const int or_equal) {
  const vf wide = vset1(v);
  vi count[4];
  for (size_t j = 0; j < 4; j++) count[j] = viset1(0);
  size_t c = 0;
  for (; c + BLOCK <= n; c += BLOCK)
    UNROLL for (size_t j = 0; j < 4; j++) count[j] = count_if(count[j], vload(y + c + 16 * j), wide, or_equal);
  for (; c + 16 <= n; c += 16) count[0] = count_if(count[0], vload(y + c), wide, or_equal);
  if (c < n) count[1] = count_if(count[1], vtail(y + c, n - c, NOT_A_NUMBER), wide, or_equal);
  return sum_of_counts(viadd(viadd(count[0], count[1]), viadd(count[2], count[3])));
}
size_t count_greater(const float *y, size_t n, float v, int or_equal) {
  return or_equal ? count_in_block(y, n, v, 1) : count_in_block(y, n, v, 0);
}
/* In two parts only where there are ties: how long a part is, no CPU foresees. n <= CLASS_BLOCK, so two counts fit one
 * number. */
size_t count_before(const float *y, size_t n, size_t before) {
  const float v = y[before];
  const vf wide = vset1(v);
  vi greater = viset1(0), reaching = greater;
  for (size_t c = 0; c < n; c += 16) {
    const vf x = n - c < 16 ? vtail(y + c, n - c, NOT_A_NUMBER) : vload(y + c);
    greater = count_if(greater, x, wide, 0);
    reaching = count_if(reaching, x, wide, 1);
  }
  const uint32_t both = sum_of_counts(viadd(greater, vishl(reaching, 16))), above = both & 0xffff;
  if (__builtin_expect((both >> 16) - above <= 1, 1)) return above;
  return count_greater(y, before, v, 1) + count_greater(y + before, n - before, v, 0);
}
