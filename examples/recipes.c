/* What servers, evaluations and trainers do with logits, as calls of vloss: docs/recipes.md quotes the functions
 * between the marks, and a test holds it to that. Each result is checked against double arithmetic. */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "example.h"

/* clang-format off */

/* recipe: Perplexity */
/* exp of the mean cross-entropy of the tokens that were said; tokens labelled -100 do not count. */
static double perplexity(const float *logits, const int64_t *said, size_t tokens, size_t vocabulary) {
  float loss;
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = tokens, .classes = vocabulary, .logits = logits, .labels = said, .loss = &loss}));
  return exp((double)loss);
}
/* end */

/* recipe: prompt_logprobs, with the five likeliest tokens */
/* Of each token of a prompt its log-probability and rank (0: the likeliest), and the top five beside it. */
static void prompt_logprobs(const float *logits, const int64_t *said, size_t tokens, size_t vocabulary,
                            float *logprob, int64_t *rank, int64_t *top_id, float *top_logprob) {
  require(vloss_log_probs(&(vloss_log_probs_args){
      .rows = tokens, .classes = vocabulary, .logits = logits,
      .ids = said, .ids_per_row = 1, .logprob = logprob, .rank = rank,
      .top = 5, .top_id = top_id, .top_logprob = top_logprob}));
}
/* end */

/* recipe: prompt_logprobs of a vocabulary in shards */
/* Each rank holds the logits of some blocks of 4,096 words. What it knows of a token is a state of about a kilobyte;
 * another call of this function, or all_reduce over ranks with vloss_log_probs_merge, adds the next rank's. */
static void shard_logprobs(const float *shard, size_t first, size_t words, size_t vocabulary, const int64_t *said,
                           size_t tokens, void *states, void *own_states) {
  require(vloss_log_probs_partial(&(vloss_log_probs_args){
      .rows = tokens, .classes = words, .class_offset = first, .total_classes = vocabulary, .logits = shard,
      .ids = said, .ids_per_row = 1, .top = 5, .states = own_states}));
  require(vloss_log_probs_merge(states, own_states, tokens, vloss_log_probs_state_bytes(vocabulary, 1, 5)));
}
static void finish_logprobs(size_t vocabulary, const int64_t *said, size_t tokens, void *states, float *logprob,
                            int64_t *top_id, float *top_logprob) {
  require(vloss_log_probs_finish(&(vloss_log_probs_args){
      .rows = tokens, .total_classes = vocabulary, .ids = said, .ids_per_row = 1, .top = 5, .states = states,
      .logprob = logprob, .top_id = top_id, .top_logprob = top_logprob}));
}
/* end */

/* recipe: A policy gradient (GRPO, PPO, REINFORCE), with an entropy bonus */
/* The objective is sum_t advantage_t lp_t + bonus sum_t H_t; its gradient takes the place of the logits. DPO: the same
 * call with the factor of the token's sequence, +-beta sigmoid(-margin), in place of the advantage. */
static void policy_gradient(float *logits, const int64_t *said, const float *advantage, const float *bonus,
                            size_t tokens, size_t vocabulary, float *logprob, float *entropy) {
  require(vloss_log_probs(&(vloss_log_probs_args){
      .rows = tokens, .classes = vocabulary, .logits = logits,
      .ids = said, .ids_per_row = 1, .logprob = logprob, .entropy = entropy,
      .upstream = advantage, .entropy_upstream = bonus, .grad = logits}));
}
/* end */

/* recipe: Speculative decoding: whether a drafted token is accepted */
/* With probability min(1, p / q): p the model's probability of the token, q that of the draft's model. */
static double acceptance(const float *model, const float *draft, int64_t token, size_t vocabulary, double temperature) {
  float p, q;
  vloss_log_probs_args row = {.rows = 1, .classes = vocabulary, .scale = 1 / temperature,
                              .ids = &token, .ids_per_row = 1};
  row.logits = model, row.logprob = &p;
  require(vloss_log_probs(&row));
  row.logits = draft, row.logprob = &q;
  require(vloss_log_probs(&row));
  return exp(fmin(0, (double)p - (double)q));
}
/* end */

/* recipe: Distillation with soft targets */
/* Cross-entropy against the teacher's probabilities, which take the place of the teacher's logits. */
static float distil(float *teacher, const float *student, size_t rows, size_t classes, float *grad) {
  float loss;
  require(vloss_softmax(&(vloss_softmax_args){
      .rows = rows, .classes = classes, .input = teacher, .output = teacher}));
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = rows, .classes = classes, .logits = student, .targets = teacher, .loss = &loss, .grad = grad}));
  return loss;
}
/* end */

/* recipe: Distillation with KL, from logits to logits */
/* KL(teacher || student) at a temperature, times its square as usual; the student may have another type. */
static float distil_by_kl(const float *teacher, const float *student, size_t rows, size_t classes, double temperature,
                          float *grad) {
  float loss;
  const float square = (float)(temperature * temperature);
  require(vloss_divergence(&(vloss_divergence_args){
      .kind = VLOSS_FORWARD_KL, .rows = rows, .classes = classes, .student = student, .teacher = teacher,
      .scale = 1 / temperature, .upstream = &square, .loss = &loss, .grad = grad}));
  return square * loss;
}
/* end */

/* recipe: How often a draft's tokens will be accepted, and whether two models agree */
/* A draft's token is accepted with probability 1 - TV; same is how many rows have the same likeliest token. */
static double agreement(const float *model, const float *draft, size_t rows, size_t vocabulary, int32_t *same_top,
                        size_t *same) {
  float distance;
  require(vloss_divergence(&(vloss_divergence_args){
      .kind = VLOSS_TOTAL_VARIATION, .rows = rows, .classes = vocabulary, .student = draft, .teacher = model,
      .loss = &distance, .same_top = same_top}));
  *same = 0;
  for (size_t r = 0; r < rows; r++) *same += (size_t)same_top[r];
  return 1 - (double)distance;
}
/* end */

/* recipe: Training a language model: the next token, a softcap, a z-loss */
/* Sequences of tokens, each scored against the next one, with a softcap and a z-loss; -100 marks what does not count.
 * How many tokens were right, of those that counted. */
static size_t language_model(float *logits, const int64_t *tokens, size_t sequences, size_t length, size_t vocabulary,
                             float *loss, float *z_part, int32_t *correct) {
  size_t right = 0;
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = sequences * length, .classes = vocabulary, .logits = logits, .labels = tokens,
      .shift = 1, .sequence = length, .softcap = 30, .z_loss = 1e-4,
      .loss = loss, .z_loss_part = z_part, .correct = correct, .grad = logits})); /* over the logits */
  for (size_t i = 0; i < sequences * length; i++) right += (size_t)correct[i];
  return right;
}
/* end */

/* recipe: InfoNCE (CLIP): both directions of one matrix, without a transpose */
/* Pair i is at [i][i]. Rows are images against texts; with the class axis first, columns are texts against images. */
static float info_nce(const float *similarity, const int64_t *diagonal, size_t n) {
  float images, texts;
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = n, .classes = n, .logits = similarity, .labels = diagonal, .loss = &images}));
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = 1, .classes = n, .inner = n, .logits = similarity, .labels = diagonal, .loss = &texts}));
  return (images + texts) / 2;
}
/* end */

/* recipe: The mean over a batch that threads or ranks share */
/* Sums and counts are added, here those of two halves; the gradient of the mean by the upstream 1 / count. */
static double shared_mean(const float *logits, const int64_t *labels, size_t rows, size_t classes, float *grad) {
  const float share = 1 / (float)rows;
  double sum = 0;
  for (size_t half = 0; half < 2; half++) {
    const size_t first = half * (rows / 2), count = half ? rows - first : rows / 2;
    float part;
    require(vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = count, .classes = classes, .logits = logits + first * classes, .labels = labels + first,
        .reduction = VLOSS_SUM, .upstream = &share, .loss = &part, .grad = grad + first * classes}));
    sum += (double)part;
  }
  return sum / (double)rows;
}
/* end */

/* recipe: A router of experts (MoE): softmax, and the z-loss */
/* z mean lse^2, and its gradient: what multiplies dlse/dx is 2 z lse / rows. */
static double router(const float *logits, size_t tokens, size_t experts, double z, float *weights, float *lse,
                     float *upstream, float *grad) {
  double loss = 0;
  require(vloss_softmax(&(vloss_softmax_args){
      .rows = tokens, .classes = experts, .input = logits, .output = weights}));
  require(vloss_log_sum_exp(&(vloss_softmax_args){
      .rows = tokens, .classes = experts, .input = logits, .output = lse}));
  for (size_t t = 0; t < tokens; t++) {
    loss += z * (double)lse[t] * (double)lse[t] / (double)tokens;
    upstream[t] = (float)(2 * z * (double)lse[t] / (double)tokens);
  }
  require(vloss_log_probs(&(vloss_log_probs_args){
      .rows = tokens, .classes = experts, .logits = logits, .lse_upstream = upstream, .grad = grad}));
  return loss;
}
/* end */

/* recipe: Masked classes */
/* A class at -inf has probability 0, log-probability -inf and gradient 0, and costs nothing unless it is the label. */
static void sample_allowed(float *logits, const int *allowed, size_t vocabulary, int64_t *best, float *best_logprob) {
  for (size_t c = 0; c < vocabulary; c++)
    if (!allowed[c]) logits[c] = -INFINITY;
  require(vloss_log_probs(&(vloss_log_probs_args){
      .rows = 1, .classes = vocabulary, .logits = logits, .top = 1, .top_id = best, .top_logprob = best_logprob}));
}
/* end */

/* clang-format on */

enum { ROWS = 6, CLASSES = 9 };

static float logits[ROWS * CLASSES], other[ROWS * CLASSES];
static int64_t labels[ROWS];

static void make_data(void) {
  uint32_t state = 12345;
  for (size_t i = 0; i < ROWS * CLASSES; i++) {
    state = state * 1664525u + 1013904223u;
    logits[i] = (float)(state >> 8) * 0x1p-21f - 4;
    state = state * 1664525u + 1013904223u;
    other[i] = (float)(state >> 8) * 0x1p-21f - 4;
  }
  for (size_t r = 0; r < ROWS; r++) labels[r] = (int64_t)(r * 4 % CLASSES);
}

static void expect(const char *what, double got, double expected) {
  if (!(fabs(got - expected) <= 2e-6 * (1 + fabs(expected)))) fail("%s is %.9g, expected %.9g", what, got, expected);
}
/* Of class c of a row with a step between classes. */
static double log_prob(const float *x, size_t step, size_t classes, size_t c) {
  double sum = 0;
  for (size_t k = 0; k < classes; k++) sum += exp((double)x[k * step]);
  return (double)x[c * step] - log(sum);
}

static void evaluations(void) {
  double mean = 0;
  float logprob[ROWS], top_logprob[ROWS * 5];
  int64_t rank[ROWS], top_id[ROWS * 5];
  prompt_logprobs(logits, labels, ROWS, CLASSES, logprob, rank, top_id, top_logprob);
  for (size_t r = 0; r < ROWS; r++) {
    const float *x = logits + r * CLASSES;
    const double lp = log_prob(x, 1, CLASSES, (size_t)labels[r]);
    int64_t above = 0;
    for (size_t c = 0; c < CLASSES; c++) above += x[c] > x[labels[r]];
    mean -= lp / ROWS;
    expect("a log-probability", (double)logprob[r], lp);
    expect("a rank", (double)rank[r], (double)above);
    for (size_t j = 0; j < 5; j++)
      expect("a log-probability of the top", (double)top_logprob[r * 5 + j],
             log_prob(x, 1, CLASSES, (size_t)top_id[r * 5 + j]));
  }
  expect("the perplexity", perplexity(logits, labels, ROWS, CLASSES), exp(mean));
}

static void policies(void) {
  float work[ROWS * CLASSES], logprob[ROWS], entropy[ROWS];
  const float advantage[ROWS] = {1, -0.5f, 2, 0.25f, -1, 0.75f}, bonus[ROWS] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
  memcpy(work, logits, sizeof work);
  policy_gradient(work, labels, advantage, bonus, ROWS, CLASSES, logprob, entropy);
  for (size_t r = 0; r < ROWS; r++) {
    double h = 0;
    for (size_t c = 0; c < CLASSES; c++) {
      const double lp = log_prob(logits + r * CLASSES, 1, CLASSES, c);
      h -= exp(lp) * lp;
    }
    expect("an entropy", (double)entropy[r], h);
    for (size_t c = 0; c < CLASSES; c++) {
      const double lp = log_prob(logits + r * CLASSES, 1, CLASSES, c), p = exp(lp);
      const double slope = (double)advantage[r] * ((c == (size_t)labels[r]) - p) - (double)bonus[r] * p * (lp + h);
      expect("a slope of the objective", (double)work[r * CLASSES + c], slope);
    }
  }
  float cold[2][CLASSES];
  for (size_t c = 0; c < CLASSES; c++) cold[0][c] = logits[c] / 0.5f, cold[1][c] = other[c] / 0.5f;
  const double p = log_prob(cold[0], 1, CLASSES, 3), q = log_prob(cold[1], 1, CLASSES, 3);
  expect("the acceptance", acceptance(logits, other, 3, CLASSES, 0.5), exp(fmin(0, p - q)));
}

static void compare_models(void) {
  float grad[ROWS * CLASSES], warm[2][CLASSES];
  int32_t same_top[ROWS];
  const double temperature = 2;
  const float got = distil_by_kl(other, logits, ROWS, CLASSES, temperature, grad);
  double kl = 0, distance = 0;
  size_t same, alike = 0;
  for (size_t r = 0; r < ROWS; r++) {
    const float *const x = logits + r * CLASSES, *const z = other + r * CLASSES;
    size_t best_x = 0, best_z = 0;
    for (size_t c = 0; c < CLASSES; c++) warm[0][c] = x[c] / 2, warm[1][c] = z[c] / 2;
    for (size_t c = 0; c < CLASSES; c++) {
      const double lq = log_prob(warm[0], 1, CLASSES, c), lp = log_prob(warm[1], 1, CLASSES, c);
      kl += exp(lp) * (lp - lq) / ROWS;
      expect("a slope of the KL", (double)grad[r * CLASSES + c], temperature * (exp(lq) - exp(lp)) / ROWS);
      distance += fabs(exp(log_prob(x, 1, CLASSES, c)) - exp(log_prob(z, 1, CLASSES, c))) / (2 * ROWS);
      if (x[c] > x[best_x]) best_x = c;
      if (z[c] > z[best_z]) best_z = c;
    }
    alike += best_x == best_z;
  }
  expect("the distillation by KL", (double)got, temperature * temperature * kl);
  expect("the share of accepted tokens", agreement(other, logits, ROWS, CLASSES, same_top, &same), 1 - distance);
  expect("the rows with the same top", (double)same, (double)alike);
}

static void training(void) {
  float teacher[ROWS * CLASSES], grad[ROWS * CLASSES];
  double loss = 0;
  memcpy(teacher, other, sizeof teacher);
  const float distilled = distil(teacher, logits, ROWS, CLASSES, grad);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t c = 0; c < CLASSES; c++) {
      const double lp = log_prob(logits + r * CLASSES, 1, CLASSES, c), p = exp(lp);
      const double t = exp(log_prob(other + r * CLASSES, 1, CLASSES, c));
      loss -= t * lp / ROWS;
      expect("a slope of the distillation", (double)grad[r * CLASSES + c], (p - t) / ROWS);
    }
  expect("the distillation", (double)distilled, loss);
  compare_models();

  const int64_t diagonal[ROWS] = {0, 1, 2, 3, 4, 5};
  double both = 0, mean = 0;
  for (size_t i = 0; i < ROWS; i++) {
    both -= (log_prob(logits + i * ROWS, 1, ROWS, i) + log_prob(logits + i, ROWS, ROWS, i)) / (2 * ROWS);
    mean -= log_prob(logits + i * CLASSES, 1, CLASSES, (size_t)labels[i]) / ROWS;
  }
  expect("InfoNCE", (double)info_nce(logits, diagonal, ROWS), both);

  expect("the shared mean", shared_mean(logits, labels, ROWS, CLASSES, grad), mean);
  for (size_t i = 0; i < ROWS * CLASSES; i++) {
    const size_t r = i / CLASSES, c = i % CLASSES;
    const double p = exp(log_prob(logits + r * CLASSES, 1, CLASSES, c));
    expect("a slope of the shared mean", (double)grad[i], (p - (c == (size_t)labels[r])) / ROWS);
  }
}

/* The loss without a shift of its own: of all tokens but the last of each sequence. */
static void next_tokens(void) {
  enum { LENGTH = 3 };
  float work[ROWS * CLASSES], loss, z_part;
  int32_t correct[ROWS];
  double expected = 0, z = 0;
  size_t right = 0;
  memcpy(work, logits, sizeof work);
  const size_t got = language_model(work, labels, ROWS / LENGTH, LENGTH, CLASSES, &loss, &z_part, correct);
  for (size_t r = 0; r < ROWS; r++) {
    float y[CLASSES];
    size_t best = 0;
    for (size_t c = 0; c < CLASSES; c++) {
      y[c] = 30 * tanhf(logits[r * CLASSES + c] / 30);
      if (y[c] > y[best]) best = c;
    }
    if (r % LENGTH == LENGTH - 1) continue;
    const size_t next = (size_t)labels[r + 1];
    const double lse = (double)y[0] - log_prob(y, 1, CLASSES, 0);
    expected -= log_prob(y, 1, CLASSES, next) / (ROWS - ROWS / LENGTH);
    z += 1e-4 * lse * lse / (ROWS - ROWS / LENGTH);
    right += best == next;
  }
  expect("the loss of the next tokens", (double)loss, expected + z);
  expect("its z-loss", (double)z_part, z);
  expect("right tokens", (double)got, (double)right);
  expect("a slope of a last token", (double)work[(LENGTH - 1) * CLASSES], 0);
}

static void routing(void) {
  float weights[ROWS * CLASSES], lse[ROWS], upstream[ROWS], grad[ROWS * CLASSES];
  double loss = 0;
  const double got = router(logits, ROWS, CLASSES, 1e-2, weights, lse, upstream, grad);
  for (size_t r = 0; r < ROWS; r++) {
    const float *x = logits + r * CLASSES;
    const double all = (double)x[0] - log_prob(x, 1, CLASSES, 0);
    loss += 1e-2 * all * all / ROWS;
    for (size_t c = 0; c < CLASSES; c++) {
      const double p = exp(log_prob(x, 1, CLASSES, c));
      expect("a weight of an expert", (double)weights[r * CLASSES + c], p);
      expect("a slope of the z-loss", (double)grad[r * CLASSES + c], 2e-2 * all * p / ROWS);
    }
  }
  expect("the z-loss", got, loss);

  const int allowed[CLASSES] = {0, 1, 0, 1, 1, 0, 0, 1, 0};
  float work[CLASSES], best_logprob;
  int64_t best;
  size_t expected = 1;
  memcpy(work, logits, sizeof work);
  sample_allowed(work, allowed, CLASSES, &best, &best_logprob);
  for (size_t c = 0; c < CLASSES; c++)
    if (allowed[c] && logits[c] > logits[expected]) expected = c;
  expect("the best allowed class", (double)best, (double)expected);
  expect("its log-probability", (double)best_logprob, log_prob(work, 1, CLASSES, expected));
}

/* 9,000 words in shards of one block, beside a call on the whole rows: the same bits. */
static void shards(void) {
  enum { TOKENS = 2, WORDS = 9000 };
  static float wide[TOKENS * WORDS], part[TOKENS * VLOSS_CLASS_BLOCK];
  static uint64_t states[TOKENS * 64], own[TOKENS * 64];
  const int64_t said[TOKENS] = {8123, 17};
  int64_t rank[TOKENS], top[2][TOKENS * 5];
  float logprob[2][TOKENS], top_logprob[2][TOKENS * 5];
  if (TOKENS * vloss_log_probs_state_bytes(WORDS, 1, 5) > sizeof states) exit(1);
  for (size_t i = 0; i < TOKENS * WORDS; i++) wide[i] = (float)sin((double)(i * i % 10007)) * 5;
  prompt_logprobs(wide, said, TOKENS, WORDS, logprob[0], rank, top[0], top_logprob[0]);
  for (size_t first = 0; first < WORDS; first += VLOSS_CLASS_BLOCK) {
    const size_t words = WORDS - first < VLOSS_CLASS_BLOCK ? WORDS - first : VLOSS_CLASS_BLOCK;
    for (size_t t = 0; t < TOKENS; t++) memcpy(part + t * words, wide + t * WORDS + first, words * sizeof *part);
    shard_logprobs(part, first, words, WORDS, said, TOKENS, states, own);
  }
  finish_logprobs(WORDS, said, TOKENS, states, logprob[1], top[1], top_logprob[1]);
  const int same = !memcmp(logprob[0], logprob[1], sizeof *logprob) && !memcmp(top[0], top[1], sizeof *top) &&
                   !memcmp(top_logprob[0], top_logprob[1], sizeof *top_logprob);
  expect("shards with the bits of whole rows", (double)same, 1);
  expect("a log-probability of shards", (double)logprob[1][0], log_prob(wide, 1, WORDS, 8123));
}

int main(void) {
  make_data();
  evaluations();
  shards();
  policies();
  training();
  next_tokens();
  routing();
  puts("all recipes give what double arithmetic gives");
  return 0;
}
