/* What the examples with a language model share: the words of a text, and the rows of logits that sphinxbase's
 * 72,547-word trigram model gives for them. Include it first: it asks for POSIX. */
#ifndef VLOSS_EXAMPLE_TRIGRAMS_H
#define VLOSS_EXAMPLE_TRIGRAMS_H

#include <ctype.h>
#include <sphinxbase/err.h>
#include <sphinxbase/ngram_model.h>
#include <stdbool.h>
#include <string.h>

#include "example.h"

#define DEFAULT_MODEL "/usr/share/pocketsphinx/model/en-us/en-us.lm.bin"
#define BIBLE "echo | bible -f Gen1:1-Rev22:21"

enum { BATCH = 16, HISTORY = 2, WORD_LENGTH = 64 };

/* ---- Files ------------------------------------------------------------------------------------------------------ */

struct bytes {
  char *start; /* with a 0 after the last one */
  size_t size;
};

static inline struct bytes read_stream(FILE *stream, const char *name) {
  struct bytes bytes = {NULL, 0};
  size_t capacity = 0, got;
  do {
    if (capacity - bytes.size < 2) {
      capacity = capacity == 0 ? 1 << 20 : 2 * capacity;
      bytes.start = realloc(bytes.start, capacity);
      if (bytes.start == NULL) fail("no memory for the %zu bytes of %s", capacity, name);
    }
    got = fread(bytes.start + bytes.size, 1, capacity - bytes.size - 1, stream);
    bytes.size += got;
  } while (got > 0);
  if (ferror(stream)) fail("cannot read %s: %s", name, strerror(errno));
  bytes.start[bytes.size] = '\0';
  return bytes;
}

static inline struct bytes read_file(const char *name) {
  FILE *stream = fopen(name, "rb");
  if (stream == NULL) fail("cannot open %s: %s", name, strerror(errno));
  struct bytes bytes = read_stream(stream, name);
  fclose(stream);
  return bytes;
}

static inline struct bytes read_bible(void) {
  FILE *stream = popen("{ " BIBLE "; } 2>/dev/null", "r");
  if (stream == NULL) fail("cannot run `" BIBLE "`: %s", strerror(errno));
  struct bytes bytes = read_stream(stream, "`" BIBLE "`");
  int status = pclose(stream);
  if (bytes.size == 0) skip("`" BIBLE "` gives no text here: install the packages bible-kjv and bible-kjv-text");
  if (status != 0) fail("`" BIBLE "` broke off after %zu bytes", bytes.size);
  return bytes;
}

/* ---- The text: a stream of words -------------------------------------------------------------------------------- */

enum token { END, VERSE, WORD };

/* The token at *at, and steps over it: a word in small letters, or the reference that opens a verse ("Ge1:1"). */
static inline enum token next_token(const char **at, char word[WORD_LENGTH]) {
  for (;;) {
    *at += strspn(*at, " \t\r\n");
    size_t length = strcspn(*at, " \t\r\n");
    if (length == 0) return END;
    if (memchr(*at, ':', length) != NULL && isdigit((unsigned char)(*at)[length - 1])) {
      *at += length;
      return VERSE;
    }
    while (**at != '\0' && !isspace((unsigned char)**at) && !isalpha((unsigned char)**at)) ++*at;
    size_t n = 0;
    while (isalpha((unsigned char)**at) || (**at == '\'' && isalpha((unsigned char)(*at)[1]))) {
      if (n + 1 < WORD_LENGTH) word[n++] = (char)tolower((unsigned char)**at);
      ++*at;
    }
    word[n] = '\0';
    if (n > 0) return WORD;
  }
}

/* ---- The model: rows of logits ---------------------------------------------------------------------------------- */

struct model {
  ngram_model_t *ngrams;
  logmath_t *logmath;
  size_t words;
};

/* sphinxbase reads past the end of a file that was cut short, so look first: its binary format ends with the size of
 * the list of words, and the words, each with a 0 after it. */
static inline void check_model(const char *file) {
  static const char magic[] = "Trie Language Model"; /* then the order as a byte, and the number of words */
  struct bytes bytes = read_file(file);
  int32 words, size;
  const size_t header = strlen(magic) + 1 + sizeof words;
  if (bytes.size < header || memcmp(bytes.start, magic, strlen(magic)) != 0)
    fail("%s is not a language model in the binary format of sphinxbase", file);
  memcpy(&words, bytes.start + strlen(magic) + 1, sizeof words);
  bool whole = false;
  int32 found = 0;
  for (size_t n = 1; !whole && found <= words && header + sizeof size + n <= bytes.size; n++) {
    const char *list = bytes.start + bytes.size - n;
    found += *list == '\0';
    memcpy(&size, list - sizeof size, sizeof size);
    whole = found == words && size >= 0 && (size_t)size == n;
  }
  if (!whole) fail("%s is cut short or damaged", file);
  free(bytes.start);
}

static inline struct model read_model(const char *file) {
  if (access(file, R_OK) != 0) {
    if (strcmp(file, DEFAULT_MODEL) == 0 && errno == ENOENT)
      skip("no %s here: install the package pocketsphinx-en-us", file);
    fail("cannot read the model %s: %s", file, strerror(errno));
  }
  check_model(file);
  err_set_logfp(NULL);
  struct model model = {.logmath = logmath_init(1.0001, 0, 0)}; /* the base of sphinxbase's own tools */
  model.ngrams = ngram_model_read(NULL, file, NGRAM_AUTO, model.logmath);
  if (model.ngrams == NULL) fail("sphinxbase cannot read %s", file);
  model.words = ngram_model_get_counts(model.ngrams)[0];
  return model;
}

static inline void free_model(struct model *model) {
  ngram_model_free(model->ngrams);
  logmath_free(model->logmath);
}

/* The last words before the one to score, newest first. */
struct history {
  int32 word[HISTORY];
  int length;
};

static inline void remember(struct history *history, int32 word) {
  memmove(history->word + 1, history->word, (HISTORY - 1) * sizeof history->word[0]);
  history->word[0] = word;
  if (history->length < HISTORY) history->length++;
}

static inline double log_probability(const struct model *model, struct history *history, int32 word) {
  int32 used;
  return logmath_log_to_ln(model->logmath, ngram_ng_prob(model->ngrams, word, history->word, history->length, &used));
}

/* ---- Batches ---------------------------------------------------------------------------------------------------- */

/* Words to score together: the logits of each, the word itself, and what the model says of it. */
struct batch {
  float *logits;
  float *bigrams; /* null, or what the model says after the last word alone */
  int64_t words[BATCH];
  double log_p[BATCH];
  size_t rows, classes;
};

/* The place in the text. */
struct reader {
  const char *at;
  struct history history;
  size_t unknown; /* words met that the model does not know */
};

static inline void fill_row(float *row, const struct model *model, struct history history, int longest) {
  if (history.length > longest) history.length = longest;
  for (size_t c = 0; c < model->words; c++) row[c] = (float)log_probability(model, &history, (int32)c);
}

/* Fills the batch with the next words, `most` at most. A verse opens with the model's mark for the start of a sentence;
 * an unknown word is not scored and wipes the history. */
static inline void fill_batch(struct batch *batch, const struct model *model, struct reader *reader, size_t most) {
  char word[WORD_LENGTH];
  enum token token;
  batch->rows = 0;
  while (batch->rows < BATCH && batch->rows < most && (token = next_token(&reader->at, word)) != END) {
    int32 id = ngram_wid(model->ngrams, token == VERSE ? "<s>" : word);
    if (token == VERSE || id < 0) reader->history.length = 0;
    if (id < 0) {
      reader->unknown += token == WORD;
      continue;
    }
    if (token == WORD) {
      const size_t first = batch->rows * model->words;
      fill_row(batch->logits + first, model, reader->history, HISTORY);
      if (batch->bigrams) fill_row(batch->bigrams + first, model, reader->history, 1);
      batch->words[batch->rows] = id;
      batch->log_p[batch->rows++] = log_probability(model, &reader->history, id);
    }
    remember(&reader->history, id);
  }
}

#endif
