/* The loop around the elementwise losses. A call is cut into blocks of BLOCK_ELEMENTS elements, numbered row by row. A
 * block's operands are contiguous: in place, or gathered into buffers where they are strided or spread; its results,
 * too, are scattered from buffers where they are strided, lie over an input, or go past the cache. So the arithmetic
 * (elementwise.h) sees flat arrays only, and the layout cannot change a bit. The losses of TOTAL_ELEMENTS elements are
 * added up in that order, and these sums exactly.
 */
#include "block_places.h"

/* The lanes plus n floats, each widened before it is added. */
static vd widened_sum(vd lanes, const float *p, size_t n) {
  for (size_t i = 0; i < n; i += 16) lanes = dadd(lanes, dwiden(n - i < 16 ? vtail(p + i, n - i, 0.0f) : vload(p + i)));
  return lanes;
}

/* How much of a block to take so that no row is cut but where a whole block lies in it: a row's sum then is the same
 * wherever the row starts. */
static size_t rows_block(size_t columns, size_t column, size_t block) {
  if (columns <= BLOCK_ELEMENTS) return block / columns * columns;
  return columns - column < block ? columns - column : block;
}

static int is_finite(vd lanes) { return !vany(vnan(dnarrow(dsub(lanes, lanes)))); }

/* What a fast function has done already of a call, and the lanes of the losses there. */
struct begun {
  size_t done; /* a multiple of FAST_ELEMENTS, or all */
  vd lanes;
};

/* A total of losses: what is finite, and the blocks in which something is not, apart from it: so a NaN or an infinity
 * costs its own block the fast functions, and no other. */
struct running_total {
  vd finite;
  size_t pairs; /* vectors of pairs in `finite` */
  int any_special, row_begun;
  vd special; /* where there is any */
  vd of_row;  /* for means of rows: what earlier blocks left of a row that is not at its end, where one has begun */
};
static void make_special(struct running_total *sum) {
  if (!sum->any_special) sum->special = dset1(0.0);
  sum->any_special = 1;
}
static void add_block(struct running_total *sum, vd lanes, const float *losses, size_t n) {
  if (is_finite(lanes)) {
    sum->finite = lanes;
    sum->pairs += (n + 31) / 32;
    return;
  }
  lanes = widened_sum(sum->finite, losses, n); /* a pair may overflow where the sum does not */
  if (is_finite(lanes)) {
    sum->finite = lanes;
  } else {
    make_special(sum);
    sum->special = widened_sum(sum->special, losses, n);
  }
}
/* The mean of each row that ends in the block. */
static void row_means(const struct vloss_loss_job *job, struct position at, const float *losses, size_t n,
                      struct running_total *sum) {
  const size_t columns = job->columns;
  for (struct segment s = first_segment(at, columns, n); s.length; s = next_segment(s, columns, n)) {
    sum->of_row = widened_sum(sum->row_begun ? sum->of_row : dset1(0.0), losses + s.done, s.length);
    sum->row_begun = s.column + s.length < columns;
    if (sum->row_begun) continue;
    const double mean = dsum(sum->of_row) / (double)columns;
    job->loss[s.row] = mean == mean ? (float)mean : NOT_A_NUMBER;
  }
}
/* The same of a block with factors, whose losses were added from 0. */
static void add_weighted_block(struct running_total *sum, vd lanes) {
  if (is_finite(lanes)) {
    sum->finite = dadd(sum->finite, lanes);
  } else {
    make_special(sum);
    sum->special = dadd(sum->special, lanes);
  }
}
/* The sum of the lanes of a product's losses began with PAIR_START in each of so many vectors of pairs. */
static double without_start(vd lanes, size_t pairs, int product) {
  return dsum(lanes) - (product ? 16 * (double)PAIR_START * (double)pairs : 0.0);
}
static double total_of(const struct running_total *sum, int product) {
  const double finite = without_start(sum->finite, sum->pairs, product);
  return sum->any_special ? finite + dsum(sum->special) : finite;
}

/* What is the same in all blocks of a call. A fast function has as many of them at once as the total allows. */
struct plan {
  size_t total;              /* elements */
  fast_function *fast;       /* null where more is wanted than it gives */
  results_function *results; /* instead of it where losses or other gradients are wanted; null where it will not do */
  fast_function *sum;        /* beside `results`: the total */
  careful_function *careful; /* what takes over from them, or does everything */
  int factors;               /* `careful` is the one with factors */
  int grads, losses;         /* any gradient, any loss is wanted */
  int past_cache;            /* results go past the cache */
  int staged;                /* by way of buffers, or because results lie over inputs */
  int one_run;               /* a fast function can have any run of elements at once: rows do not matter */
  int only_total;            /* nothing else is wanted: it may end at the first NaN */
  int product;               /* sums of pairs begin with PAIR_START */
};
static struct plan plan_of(const struct vloss_loss_job *job, const struct elementwise_loss *loss, int careful) {
  const int other_grads = job->grad_target.p || job->grad_other.p;
  struct plan plan = {.total = job->outer * job->columns,
                      .grads = job->grad.p || other_grads,
                      .losses = job->total_wanted || job->loss};
  plan.past_cache = plan.total * sizeof(float) > STREAM_BYTES;
  plan.staged = job->staged_results || plan.past_cache;
  plan.factors = job->weights.p || job->upstream.p || (plan.grads && !may_round_before(job->grad_scale));
  plan.careful = plan.factors ? loss->weighted : loss->everything;
  if (!plan.factors && !careful) {
    if (job->loss || other_grads)
      plan.results = loss->results, plan.sum = job->total_wanted ? loss->sum : NULL;
    else
      plan.fast = job->grad.p ? loss->sum_and_grad : loss->sum;
  }
  const int aligned = (uintptr_t)job->grad.p % 64 == 0;
  plan.one_run = plan.fast && !job->staged_results && (!plan.past_cache || aligned) && all_contiguous(job, plan.total);
  plan.only_total = !plan.grads && !job->loss;
  plan.product = (loss->traits & PRODUCT) && !plan.factors;
  return plan;
}

/* One block by the fast functions for results and totals. Returns whether they could. */
static int quick_elements(const struct plan *plan, const struct block *b, struct running_total *sum) {
  if (!plan->results || !plan->results(b)) return 0;
  if (!plan->sum) return 1;
  struct block losses = *b;
  losses.grad = NULL;
  vd lanes = sum->finite;
  if (plan->sum(&losses, &lanes) != b->n) return 0;
  sum->finite = lanes;
  sum->pairs += (b->n + 31) / 32;
  return 1;
}

/* One block by the careful function: results, losses and the sum. */
static void careful_elements(const struct plan *plan, struct block *b, float *losses, struct running_total *sum) {
  vd lanes = plan->careful(b, plan->factors ? dset1(0.0) : sum->finite);
  if (plan->factors) {
    add_weighted_block(sum, lanes);
  } else if (plan->losses) {
    if (!b->loss && !is_finite(lanes)) { /* once more, for the losses themselves */
      b->loss = losses;
      lanes = plan->careful(b, sum->finite);
    }
    add_block(sum, lanes, b->loss ? b->loss : losses, b->n);
  }
}

/* One block of which more is wanted than plan->fast gives, or that it could not do. Losses are in buffers, or in place
 * as other results are. */
static void any_block(const struct vloss_loss_job *job, const struct plan *plan, struct block *b, struct position at,
                      struct buffers *buffers, struct running_total *sum) {
  const size_t n = b->n;
  place_block(b, job, at, plan->staged, buffers);
  float *const place = job->loss ? job->loss + at.row * job->columns + at.column : NULL;
  const int in_place = place && job->form == VLOSS_FORM_ELEMENTS && !plan->staged;
  b->loss = in_place ? place : job->loss ? buffers->losses : NULL;
  if (!quick_elements(plan, b, sum)) careful_elements(plan, b, buffers->losses, sum);
  if (job->form == VLOSS_FORM_ROW_MEANS && job->loss) row_means(job, at, buffers->losses, n, sum);
  if (job->form == VLOSS_FORM_ELEMENTS && job->loss && !in_place)
    view_write(place, buffers->losses, VLOSS_F32, n, plan->past_cache);
}

/* How many of the elements from `first` on a fast function is to try: all, but those among which something is not
 * finite in ever smaller pieces, of which the careful function has the last alone. */
enum { RETRIES = 2 };
static const size_t retried_elements[RETRIES + 1] = {FAST_ELEMENTS, FAST_ELEMENTS / 8, FAST_ELEMENTS / 64};
struct retries {
  size_t end[RETRIES]; /* up to where pieces are of retried_elements[i + 1] */
};
static int retry_at(const struct retries *r, size_t first) {
  int i = RETRIES;
  while (i > 0 && first >= r->end[i - 1]) i--;
  return i;
}

/* The results of the elements first .. last - 1 but for those that are done, and the total of all their losses. */
static double total_of_elements(const struct vloss_loss_job *job, const struct plan *plan, struct block *b,
                                size_t first, size_t last, const struct begun *begun, struct buffers *buffers) {
  const size_t columns = job->columns;
  struct running_total sum;
  sum.finite = begun->lanes;
  sum.pairs = (begun->done + 31) / 32;
  sum.any_special = sum.row_begun = 0;
  struct retries retries = {{0}};
  first += begun->done;
  for (size_t done; first < last; first += done) {
    const struct position at =
        plan->one_run ? (struct position){0, first} : (struct position){first / columns, first % columns};
    const int retry = plan->fast ? retry_at(&retries, first) : 0;
    size_t left = last - first;
    if (retry && left > retried_elements[retry]) left = retried_elements[retry];
    size_t block = left < BLOCK_ELEMENTS ? left : BLOCK_ELEMENTS;
    /* Where no loss is wanted, a fast function does not care about rows, and may have less than one. */
    if (job->form == VLOSS_FORM_ROW_MEANS && !plan->fast) block = rows_block(columns, at.column, block);
    done = 0;
    if (plan->fast) {
      if (plan->one_run)
        place_run(b, job, first, left);
      else
        b->n = block, place_block(b, job, at, plan->staged, buffers);
      done = plan->fast(b, &sum.finite);
      sum.pairs += (done + 31) / 32;
      if (!done && retry < RETRIES) {
        retries.end[retry] = first + retried_elements[retry];
        continue;
      }
    }
    if (!done) {
      done = b->n = block;
      any_block(job, plan, b, at, buffers, &sum);
    }
    if (b->grad == buffers->grad) put_back(&job->grad, columns, at, done, buffers->grad, plan->past_cache);
    if (b->grad_target == buffers->grad_target)
      put_back(&job->grad_target, columns, at, done, buffers->grad_target, plan->past_cache);
    if (b->grad_other == buffers->grad_other)
      put_back(&job->grad_other, columns, at, done, buffers->grad_other, plan->past_cache);
    /* NaN stays NaN. */
    if (sum.any_special && plan->only_total && dsum(sum.special) != dsum(sum.special)) break;
  }
  return total_of(&sum, plan->product);
}

static __attribute__((noinline)) void any_elements(const struct vloss_loss_job *job,
                                                   const struct elementwise_loss *loss, const struct call *constants,
                                                   struct vloss_range range, struct begun *begun,
                                                   struct vloss_partial *partial) {
  struct buffers buffers;
  const struct plan plan = plan_of(job, loss, constants->careful);
  struct block b = {
      .grad_scale = job->grad_scale, .constants = constants, .past_cache = plan.past_cache && plan.one_run};
  /* Means of rows have no total, and a row may be longer than a block. */
  const size_t length = job->form == VLOSS_FORM_TOTAL ? TOTAL_ELEMENTS : plan.total;
  for (size_t first = range.first, n; first < range.last; first += n) {
    n = range.last - first < length ? range.last - first : length;
    const double total = total_of_elements(job, &plan, &b, first, first + n, begun, &buffers);
    begun->done = 0;
    begun->lanes = dset1(0.0);
    vloss_exact_add(&partial->sum, total);
    if (total != total && plan.only_total) break;
  }
  if (plan.past_cache) vstream_end();
}

/* What a fast function can do at once: of few elements, of which a total or a gradient is wanted, and no more. */
static void begin_few(const struct vloss_loss_job *job, const struct elementwise_loss *loss,
                      const struct call *constants, size_t first, size_t n, struct begun *begun) {
  float *const grad = job->grad.p;
  begun->done = 0;
  begun->lanes = dset1(0.0);
  if (constants->careful || (grad && !may_round_before(job->grad_scale)) ||
      (!job->few && (!job->plain || job->form != VLOSS_FORM_TOTAL || n > TOTAL_ELEMENTS ||
                     (grad && job->outer * job->columns * sizeof(float) > STREAM_BYTES))))
    return;
  const struct block b = {.n = n,
                          .p = (const float *)job->prediction.p + first,
                          .t = (const float *)job->target.p + first,
                          .grad = grad ? grad + first : NULL,
                          .grad_scale = job->grad_scale,
                          .constants = constants};
  if (n < 32 && !(DENORMALS_ARE_SLOW && first_denormals(&b)))
    begun->done = loss->rest(&b, 0, &begun->lanes);
  else
    begun->done = (grad ? loss->sum_and_grad : loss->sum)(&b, &begun->lanes);
}

void KERNEL(elementwise)(const struct vloss_loss_job *job, const struct elementwise_loss *loss,
                         const struct call *constants, struct vloss_range range, struct vloss_partial *partial) {
  const size_t n = range.last - range.first;
  struct begun begun;
  begin_few(job, loss, constants, range.first, n, &begun);
  if (begun.done == n && n)
    vloss_exact_add(&partial->sum, without_start(begun.lanes, (n + 31) / 32, loss->traits & PRODUCT));
  else if (!job->few)
    any_elements(job, loss, constants, range, &begun, partial);
}
