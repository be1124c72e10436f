/* Perplexity of a real text under a real 72,547-word trigram model.
 *
 * The model gives rows of log-probabilities, one row a word of the text; vloss gives the loss. As the rows are
 * log-probabilities already, the loss must be the model's own -log P(word | history), but for the log-sum-exp of the
 * row, which is 0 up to the model's rounding: so the run checks itself. Every ISA that can run here scores every row,
 * to the same bits; reads from it the word's log-probability and rank and the row's entropy; and compares some rows
 * with those of the model's bigrams. With --type the rows are first rounded to that type, as an engine may hold them.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "elements.h"
#include "trigrams.h"

static const char usage[] =
    "usage: perplexity [--tokens N] [--type f32|bf16|f16|f64] [--text FILE] [--model FILE]\n"
    "  --tokens N    words to score (default 500; a row of the model takes about 7 ms)\n"
    "  --type T      what the rows are rounded to (default f32, as the model has them)\n"
    "  --text FILE   the text to score instead of the King James Bible\n"
    "  --model FILE  the language model, in the binary format of sphinxbase\n";

enum { TURNS = 3 };

/* ---- Scoring ---------------------------------------------------------------------------------------------------- */

/* The rows of a batch in some type. */
struct rows {
  vloss_type type;
  void *logits;
};

/* Floats, or doubles for f64: both exactly as doubles. */
struct score {
  double loss[BATCH], lse[BATCH], logprob[BATCH], entropy[BATCH], mean;
  int64_t predicted[BATCH], rank[BATCH];
};

struct isa {
  const char *name;
  double seconds, best; /* in all; of the batch */
  bool same_bits;
};

/* Where vloss puts its results, of whichever type. */
static struct { double loss[BATCH], lse[BATCH], logprob[BATCH], entropy[BATCH], mean; } results;

/* The call that gives everything per word. */
static vloss_cross_entropy_args per_word(const struct batch *batch, const struct rows *rows, struct score *score) {
  return (vloss_cross_entropy_args){
      .rows = batch->rows,
      .classes = batch->classes,
      .type = rows->type,
      .logits = rows->logits,
      .labels = batch->words,
      .reduction = VLOSS_NONE,
      .loss = results.loss,
      .lse = results.lse,
      .predicted = score->predicted,
  };
}

/* Everything per word, and the mean, for the checks. */
static void score_batch(const struct batch *batch, const struct rows *rows, struct score *score) {
  const vloss_type type = row_type(rows->type);
  vloss_cross_entropy_args args = per_word(batch, rows, score);
  require(vloss_cross_entropy(&args));
  args.reduction = VLOSS_MEAN;
  args.loss = &results.mean;
  args.lse = args.predicted = NULL;
  require(vloss_cross_entropy(&args));
  require(vloss_log_probs(&(vloss_log_probs_args){.rows = batch->rows,
                                                  .classes = batch->classes,
                                                  .type = rows->type,
                                                  .logits = rows->logits,
                                                  .ids = batch->words,
                                                  .ids_per_row = 1,
                                                  .logprob = results.logprob,
                                                  .rank = score->rank,
                                                  .entropy = results.entropy}));
  for (size_t r = 0; r < batch->rows; r++) {
    score->logprob[r] = element(type, results.logprob, r);
    score->entropy[r] = element(type, results.entropy, r);
    score->loss[r] = element(type, results.loss, r);
    score->lse[r] = element(type, results.lse, r);
  }
  score->mean = element(type, &results.mean, 0);
}

/* The time of that call on every ISA: the best of a few, in turn, so that none pays for rows that are not in the cache
 * yet, for its own code's first run, or for what else goes on in the machine. */
static void time_batch(const struct batch *batch, const struct rows *rows, struct isa *isas, size_t isa_count) {
  static struct score score;
  for (int turn = 0; turn < 1 + TURNS; turn++)
    for (size_t i = 0; i < isa_count; i++) {
      require(vloss_isa_force(isas[i].name));
      const vloss_cross_entropy_args args = per_word(batch, rows, &score);
      double start = seconds();
      require(vloss_cross_entropy(&args));
      double time = seconds() - start;
      if (turn <= 1 || time < isas[i].best) isas[i].best = time; /* the first turn is for warmth */
    }
  for (size_t i = 0; i < isa_count; i++) isas[i].seconds += isas[i].best;
}

static bool same_bits(const struct score *a, const struct score *b, size_t rows) {
  return memcmp(a->loss, b->loss, rows * sizeof a->loss[0]) == 0 &&
         memcmp(a->lse, b->lse, rows * sizeof a->lse[0]) == 0 &&
         memcmp(a->predicted, b->predicted, rows * sizeof a->predicted[0]) == 0 &&
         memcmp(a->logprob, b->logprob, rows * sizeof a->logprob[0]) == 0 &&
         memcmp(a->entropy, b->entropy, rows * sizeof a->entropy[0]) == 0 &&
         memcmp(a->rank, b->rank, rows * sizeof a->rank[0]) == 0 && memcmp(&a->mean, &b->mean, sizeof a->mean) == 0;
}

/* The spacing of numbers of that type at |x|. */
static double ulp(vloss_type type, double x) {
  const int digits = type == VLOSS_F64 ? 52 : 23;
  return x == 0 ? 0x1p-149 : ldexp(1, (int)fmax(ilogb(x), -126) - digits);
}

/* What is read from row r without a loss, against the same arithmetic. */
static void check_log_probs(const struct batch *batch, const struct rows *rows, const struct score *score, size_t r,
                            long double lse) {
  const vloss_type type = row_type(rows->type);
  const size_t first = r * batch->classes, word = (size_t)batch->words[r];
  const double own = element(rows->type, rows->logits, first + word);
  const long double logprob = (long double)own - lse;
  long double entropy = 0;
  int64_t rank = 0;
  for (size_t c = 0; c < batch->classes; c++) {
    const double x = element(rows->type, rows->logits, first + c);
    const long double lp = (long double)x - lse;
    entropy -= (rows->type == VLOSS_F64 ? expl(lp) : (long double)exp((double)lp)) * lp;
    rank += x > own || (x == own && c < word);
  }
  if (!(fabsl((long double)score->logprob[r] - logprob) <=
        (long double)((rows->type == VLOSS_F64 ? 4 : 2) * ulp(type, (double)logprob))))
    fail("log-probability of word %zu: vloss says %.17g, plain arithmetic %.17g", word, score->logprob[r],
         (double)logprob);
  if (!(fabsl((long double)score->entropy[r] - entropy) <= (long double)(4 * ulp(type, (double)entropy))))
    fail("entropy of a row: vloss says %.17g, plain arithmetic %.17g", score->entropy[r], (double)entropy);
  if (score->rank[r] != rank)
    fail("rank of word %zu: vloss says %lld, it is %lld", word, (long long)score->rank[r], (long long)rank);
}

/* Checks a score against plain arithmetic of more digits, and in f32 and f64 against the model; returns the worst error
 * of a loss in ulp. */
static double check_batch(const struct batch *batch, const struct rows *rows, const struct score *score) {
  const vloss_type type = row_type(rows->type);
  const bool is_model = rows->type == VLOSS_F32 || rows->type == VLOSS_F64;
  const double promised = rows->type == VLOSS_F64 ? 4 : 2;
  double worst = 0;
  long double sum = 0;
  for (size_t r = 0; r < batch->rows; r++) {
    const size_t first = r * batch->classes, word = (size_t)batch->words[r];
    size_t best = 0;
    long double total = 0;
    for (size_t c = 0; c < batch->classes; c++) {
      const double x = element(rows->type, rows->logits, first + c);
      total += rows->type == VLOSS_F64 ? expl((long double)x) : (long double)exp(x);
      if (x > element(rows->type, rows->logits, first + best)) best = c;
    }
    const long double lse = logl(total), loss = lse - (long double)element(rows->type, rows->logits, first + word);
    const double error = (double)fabsl((long double)score->loss[r] - loss);
    if (!(error <= promised * ulp(type, (double)loss)))
      fail("word %zu: vloss says %.17g, plain arithmetic %.17g", word, score->loss[r], (double)loss);
    /* What the word's own logit lost when it was rounded to float. */
    const double of_model = (double)lse - batch->log_p[r];
    if (is_model &&
        !(fabs(score->loss[r] - of_model) <= 2 * ulp(VLOSS_F32, of_model) + 0.5 * ulp(VLOSS_F32, batch->log_p[r])))
      fail("word %zu: vloss says %.9g, the model %.9g", word, score->loss[r], of_model);
    if (!((double)fabsl((long double)score->lse[r] - lse) <= promised * ulp(type, fmax(fabs((double)lse), 1))))
      fail("log-sum-exp of a row: vloss says %.17g, plain arithmetic %.17g", score->lse[r], (double)lse);
    if (score->predicted[r] != (int64_t)best)
      fail("best word of a row: vloss says %lld, it is %zu", (long long)score->predicted[r], best);
    check_log_probs(batch, rows, score, r, lse);
    worst = fmax(worst, error / ulp(type, (double)loss));
    sum += loss;
  }
  const double mean = (double)(sum / (long double)batch->rows);
  if (!(fabs(score->mean - mean) <= 2 * ulp(type, mean)))
    fail("mean of %zu words: vloss says %.17g, plain arithmetic %.17g", batch->rows, score->mean, mean);
  return worst;
}

/* ---- The trigrams against the bigrams of the same model --------------------------------------------------------- */

enum { COMPARED = 2 * BATCH }; /* words: a row of bigrams takes as long as one of trigrams */

struct comparison {
  size_t rows, same_top;
  double kl, worst; /* the sum; the worst error in ulp */
};
static void compare_bigrams(const struct batch *batch, const struct rows *rows, struct comparison *sum) {
  static double kl[BATCH];
  int32_t same_top[BATCH];
  const vloss_type type = row_type(rows->type);
  void *const bigrams = allocate(batch->rows * batch->classes, element_size(rows->type));
  elements_of_floats(rows->type, bigrams, batch->bigrams, batch->rows * batch->classes);
  require(vloss_divergence(&(vloss_divergence_args){.rows = batch->rows,
                                                    .classes = batch->classes,
                                                    .student = bigrams,
                                                    .student_type = rows->type,
                                                    .teacher = rows->logits,
                                                    .teacher_type = rows->type,
                                                    .reduction = VLOSS_NONE,
                                                    .loss = kl,
                                                    .same_top = same_top}));
  for (size_t r = 0; r < batch->rows; r++) {
    const size_t first = r * batch->classes;
    size_t top[2] = {0, 0};
    long double total[2] = {0, 0}, expected = 0;
    for (size_t c = 0; c < batch->classes; c++) {
      const double z = element(rows->type, rows->logits, first + c), x = element(rows->type, bigrams, first + c);
      total[0] += expl((long double)z);
      total[1] += expl((long double)x);
      if (z > element(rows->type, rows->logits, first + top[0])) top[0] = c;
      if (x > element(rows->type, bigrams, first + top[1])) top[1] = c;
    }
    const long double lse[2] = {logl(total[0]), logl(total[1])};
    for (size_t c = 0; c < batch->classes; c++) {
      const long double lp = (long double)element(rows->type, rows->logits, first + c) - lse[0];
      const long double lq = (long double)element(rows->type, bigrams, first + c) - lse[1];
      expected += expl(lp) * (lp - lq - 1) + expl(lq); /* the sum is that of p (lp - lq), as both add up to 1 */
    }
    const double got = element(type, kl, r), error = fabs(got - (double)expected);
    const double allowed = (rows->type == VLOSS_F64 ? 8 : 4) * ulp(type, fmax((double)expected, 1e-3));
    if (!(error <= allowed)) fail("KL of a row: vloss says %.17g, plain arithmetic %.17g", got, (double)expected);
    if (same_top[r] != (top[0] == top[1])) fail("whether a row's tops are the same: vloss says %d", (int)same_top[r]);
    sum->worst = fmax(sum->worst, error / ulp(type, fmax((double)expected, 1e-3)));
    sum->kl += got;
    sum->same_top += (size_t)same_top[r];
  }
  sum->rows += batch->rows;
  free(bigrams);
}

/* ---- The run ---------------------------------------------------------------------------------------------------- */

/* The ISAs that can run here, the one that vloss chose (or VLOSS_ISA names) first. */
static size_t list_isas(struct isa *isas) {
  const char *chosen;
  require(vloss_isa_current(&chosen));
  size_t count = 0;
  isas[count++] = (struct isa){.name = chosen, .same_bits = true};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i);
    if (strcmp(name, chosen) != 0 && vloss_isa_unsupported_reason(name) == NULL)
      isas[count++] = (struct isa){.name = name, .same_bits = true};
  }
  return count;
}

static void print_table(const struct isa *isas, size_t count, double words, double model_seconds) {
  printf("%-8s %16s %16s %16s  %s\n", "ISA", "tokens/s", "tokens/s, vloss", "time in vloss", "bits");
  for (size_t i = 0; i < count; i++) {
    double all = model_seconds + isas[i].seconds;
    const char *bits = i == 0 ? "chosen" : isas[i].same_bits ? "same" : "DIFFERENT";
    printf("%-8s %16.0f %16.0f %15.2f%%  %s\n", isas[i].name, words / all, words / isas[i].seconds,
           100 * isas[i].seconds / all, bits);
  }
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *reason = vloss_isa_unsupported_reason(vloss_isa_name(i));
    if (reason != NULL) printf("%-8s %s\n", vloss_isa_name(i), reason);
  }
}

int main(int argc, char **argv) {
  size_t wanted = 500;
  const char *text_file = NULL, *model_file = DEFAULT_MODEL;
  struct rows rows = {.type = VLOSS_F32};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--tokens") == 0) {
      wanted = option_count(argc, argv, &i);
    } else if (strcmp(argv[i], "--type") == 0) {
      rows.type = option_type(argc, argv, &i);
    } else if (strcmp(argv[i], "--text") == 0) {
      text_file = option_value(argc, argv, &i);
    } else if (strcmp(argv[i], "--model") == 0) {
      model_file = option_value(argc, argv, &i);
    } else {
      bool help = strcmp(argv[i], "--help") == 0;
      if (!help) fprintf(stderr, "error: unknown option %s\n", argv[i]);
      fputs(usage, help ? stdout : stderr);
      return help ? EXIT_SUCCESS : EXIT_FAILURE;
    }
  }
  struct isa *isas = allocate(vloss_isa_count(), sizeof *isas);
  size_t isa_count = list_isas(isas);
  struct bytes text = text_file != NULL ? read_file(text_file) : read_bible();
  struct model model = read_model(model_file);
  struct batch batch = {.logits = allocate(BATCH * model.words, sizeof(float)), .classes = model.words};
  rows.logits = allocate(BATCH * model.words, element_size(rows.type));
  struct reader reader = {.at = text.start};
  float *const bigrams = allocate(BATCH * model.words, sizeof(float));
  struct comparison compared = {0};

  size_t scored = 0, right = 0, among_ten = 0;
  double sum = 0, entropy = 0, lse_sum = 0, of_model = 0, worst = 0, model_seconds = 0;
  while (scored < wanted) {
    double start = seconds();
    batch.bigrams = scored < COMPARED ? bigrams : NULL;
    fill_batch(&batch, &model, &reader, wanted - scored);
    model_seconds += (seconds() - start) / (batch.bigrams ? 2 : 1); /* that of the trigrams */
    if (batch.rows == 0) break;                                     /* the end of the text */
    elements_of_floats(rows.type, rows.logits, batch.logits, batch.rows * batch.classes);

    static struct score score, other;
    for (size_t i = 0; i < isa_count; i++) {
      require(vloss_isa_force(isas[i].name));
      score_batch(&batch, &rows, i == 0 ? &score : &other);
      if (i > 0 && !same_bits(&score, &other, batch.rows)) isas[i].same_bits = false;
    }
    time_batch(&batch, &rows, isas, isa_count);
    worst = fmax(worst, check_batch(&batch, &rows, &score));
    if (batch.bigrams) compare_bigrams(&batch, &rows, &compared);
    for (size_t r = 0; r < batch.rows; r++) {
      sum += score.loss[r];
      lse_sum += score.lse[r];
      of_model -= batch.log_p[r];
      right += score.predicted[r] == batch.words[r];
      among_ten += score.rank[r] < 10;
      entropy += score.entropy[r];
    }
    scored += batch.rows;
    progress("words", scored, wanted);
  }
  progress("words", 0, 0);
  if (scored == 0) fail("the text has no word that the model knows");
  double n = (double)scored;

  printf("%s under %s\n", text_file != NULL ? text_file : "King James Bible, from Genesis 1:1,", model_file);
  printf("%zu words scored, each among %zu; %zu unknown to the model, not scored; first guess right %.1f%%\n", scored,
         model.words, reader.unknown, 100 * (double)right / n);
  printf(
      "perplexity %.2f (mean loss %.6f); the word among the first ten %.1f%%, mean entropy of the rows %.4f nats\n\n",
      exp(sum / n), sum / n, 100 * (double)among_ten / n, entropy / n);
  print_table(isas, isa_count, n, model_seconds);
  printf("\nloss against plain arithmetic of more digits: worst %.2f ulp; mean log-sum-exp of the rows %.6f\n", worst,
         lse_sum / n);
  printf(
      "trigrams against bigrams of the same model, %zu rows: mean KL %.6f nats (worst %.2f ulp), same first guess "
      "%.1f%%\n",
      compared.rows, compared.kl / (double)compared.rows, compared.worst,
      100 * (double)compared.same_top / (double)compared.rows);
  printf("mean loss against the model's own -log P: %+.6f\n", (sum - of_model) / n);

  for (size_t i = 0; i < isa_count; i++)
    if (!isas[i].same_bits) fail("%s and %s do not give the same bits", isas[0].name, isas[i].name);
  /* The model's rounding gives 0.0005, that to bf16 as much again; what is not a row of log-probabilities is off by far
   * more. */
  if (!(fabs(lse_sum / n) < 0.01)) fail("the probabilities of a row do not add up to 1");
  free_model(&model);
  free(batch.logits);
  free(bigrams);
  free(rows.logits);
  free(text.start);
  free(isas);
  return EXIT_SUCCESS;
}
