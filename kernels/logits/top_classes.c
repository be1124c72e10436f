/* See top_classes.h. A class costs an eighth of a comparison where it does not belong to the list. Where many do, as in
 * the first block and in rows that rise, the list's bar is raised first: of 64 groups of classes the k-th greatest
 * maximum is reached by k classes at least. */
#include "top_classes.h"

#include "row_sums.h"

enum { GROUPS = BLOCK, STRIDE = 2 * BLOCK };

/* The maxima of the groups c mod 64; NaN passes or not. */
struct group_maxima {
  vf m[4];
};
static void group_maxima(const float *y, size_t n, struct group_maxima *maxima) {
  vf m[8]; /* two chains of each: a maximum takes four cycles */
  for (size_t j = 0; j < 8; j++) m[j] = vset1(-INF);
  size_t c = 0;
  for (; c + STRIDE <= n; c += STRIDE) UNROLL for (size_t j = 0; j < 8; j++) m[j] = vmax(vload(y + c + 16 * j), m[j]);
  for (; c < n; c += BLOCK)
    for (size_t j = 0; j < 4; j++) m[j] = vmax(row_load(y, c + 16 * j, n, NO_CLASS), m[j]);
  for (size_t j = 0; j < 4; j++) maxima->m[j] = vmax(m[j + 4], m[j]);
}
float block_maximum(const float *y, size_t n) {
  struct group_maxima maxima;
  group_maxima(y, n, &maxima);
  return vhmax(vmax(vmax(maxima.m[0], maxima.m[1]), vmax(maxima.m[2], maxima.m[3])));
}

static void insert(struct top_list *list, uint64_t key) {
  uint64_t *const keys = list->key;
  if (key >= list->bound) return;
  size_t before = 0; /* without a branch: where a class belongs, nothing foretells */
  for (size_t i = 0; i < list->count; i++) before += keys[i] > key;
  if (before == list->room) return;
  if (list->count < list->room) list->count++;
  memmove(keys + before + 1, keys + before, (list->count - 1 - before) * sizeof *keys);
  keys[before] = key;
}

VFN size_t count_of(vi lanes) {
  ALIGNED int32_t count[16];
  size_t all = 0;
  vistore(count, lanes);
  for (size_t i = 0; i < 16; i++) all += (uint32_t)count[i];
  return all;
}

/* A number that at least `room` classes of the block reach, or `bar`. */
static float raised_bar(const struct group_maxima *g, size_t room, float bar) {
  vi above = viset1(0);
  for (size_t j = 0; j < 4; j++) above = vicount(above, vgt(g->m[j], vset1(bar)));
  if (room > GROUPS || count_of(above) < room) return bar;
  ALIGNED float group[GROUPS];
  vi greater[4] = {viset1(0), viset1(0), viset1(0), viset1(0)}; /* than each of the maxima */
  for (size_t j = 0; j < 4; j++) vstore(group + 16 * j, g->m[j]);
  for (size_t i = 0; i < GROUPS; i++)
    UNROLL for (size_t j = 0; j < 4; j++) greater[j] = vicount(greater[j], vgt(vset1(group[i]), g->m[j]));
  vf least = vset1(-INF); /* of the first `room` maxima, its negative */
  for (size_t j = 0; j < 4; j++)
    least = vmax(vsel(vigt(viset1((int32_t)room), greater[j]), vsub(vset1(0.0f), g->m[j]), vset1(-INF)), least);
  const float found = -vhmax(least);
  return found > bar ? found : bar;
}

/* What a class must exceed, or reach, to belong to the list. */
struct bar {
  float y;
  int reach;
};
static struct bar bar_of(const struct top_list *list, float raised) {
  const int full = list->count == list->room;
  const float last = full ? top_value(list->key[list->count - 1]) : -INF;
  return full && last >= raised ? (struct bar){last, 0} : (struct bar){raised, 1};
}
VFN int any_over(vf y, struct bar bar) {
  const vf limit = vset1(bar.y);
  return bar.reach ? vany(vge(y, limit)) : vany(vgt(y, limit));
}

/* n <= 16 classes, one of which is over the bar. */
static __attribute__((noinline)) struct bar add_some(struct top_list *list, const float *y, size_t n, size_t first,
                                                     float raised, struct bar bar) {
  for (size_t i = 0; i < n; i++) {
    if (bar.reach ? !(y[i] >= bar.y) : !(y[i] > bar.y)) continue;
    insert(list, top_key(y[i], (uint32_t)(first + i)));
    list->added++;
    bar = bar_of(list, raised);
  }
  return bar;
}

void top_add(struct top_list *list, const float *y, size_t n, size_t first) {
  float raised = -INF;
  struct bar bar = bar_of(list, raised);
  const int busy = bar.reach || 2 * list->added > list->room; /* many classes of the block before belonged to it */
  if (busy && n >= STRIDE && list->bound == UINT64_MAX) {
    struct group_maxima maxima;
    group_maxima(y, n, &maxima);
    bar = bar_of(list, raised = raised_bar(&maxima, list->room, bar.y));
  }
  list->added = 0;
  size_t c = 0;
  for (; c + STRIDE <= n; c += STRIDE) {
    vf v[8];
    UNROLL for (size_t j = 0; j < 8; j++) v[j] = vload(y + c + 16 * j);
    const vf low = vmax(vmax(v[0], v[1]), vmax(v[2], v[3])), high = vmax(vmax(v[4], v[5]), vmax(v[6], v[7]));
    if (__builtin_expect(!any_over(vmax(low, high), bar), 1)) continue;
    for (size_t i = c; i < c + STRIDE; i += 16)
      if (any_over(vload(y + i), bar)) bar = add_some(list, y + i, 16, first + i, raised, bar);
  }
  for (; c < n; c += 16)
    if (any_over(row_load(y, c, n, NO_CLASS), bar))
      bar = add_some(list, y + c, n - c < 16 ? n - c : 16, first + c, raised, bar);
}

size_t count_greater(const float *y, size_t n, float v, int or_equal) {
  const vf wide = vset1(v);
  vi count[4];
  for (size_t j = 0; j < 4; j++) count[j] = viset1(0);
  size_t c = 0, rest = 0;
  if (or_equal)
    for (; c + BLOCK <= n; c += BLOCK)
      UNROLL for (size_t j = 0; j < 4; j++) count[j] = vicount(count[j], vge(vload(y + c + 16 * j), wide));
  else
    for (; c + BLOCK <= n; c += BLOCK)
      UNROLL for (size_t j = 0; j < 4; j++) count[j] = vicount(count[j], vgt(vload(y + c + 16 * j), wide));
  for (; c < n; c++) rest += or_equal ? y[c] >= v : y[c] > v;
  return rest + count_of(viadd(viadd(count[0], count[1]), viadd(count[2], count[3])));
}
