/* vloss-score: reads logits from a file and tells, of each row, the log-probability and rank of its id, the likeliest
 * classes and the entropy, and how far it is from the row of another file; and the perplexity of all. Files are mapped
 * and go through memory in chunks. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arrays.h"
#ifdef SCORE_WITH_OPENMP
#include "vloss/openmp.h"
#endif

static const char usage[] =
    "usage: vloss-score LOGITS [options]\n"
    "Log-probabilities, ranks, top classes and entropies of the rows of LOGITS: a .npy file (f4, f8, f2, or bf16 as\n"
    "u2 with --type bf16), classes on the last axis; or a raw file with --shape and --type.\n\n"
    "  --shape ROWSxCLASSES  of a raw file\n"
    "  --type T              f32, f64, f16 or bf16, of a raw file; bf16 of a .npy file of u2\n"
    "  --ids FILE            an id a row: .npy of i4 or i8, or a text file of whole numbers; -100 counts as none\n"
    "  --top K               the K likeliest classes of each row (default 0)\n"
    "  --temperature T       the logits are divided by it (default 1)\n"
    "  --softcap CAP         and then CAP tanh(logit / CAP)\n"
    "  --compare FILE        the logits of another model for the same rows: KL(FILE || LOGITS) of each, and whether "
    "both\n"
    "                        have the same likeliest class; their mean and percentiles of all\n"
    "  --compare-type T      of a raw FILE (default that of LOGITS), or bf16 of a .npy file of u2\n"
    "  --format F            csv (default), json, or npy: --out PREFIX makes PREFIX.logprob.npy and so on\n"
    "  --out FILE            where to write instead of standard output; complete or not at all\n"
    "  --summary             only the summary, which is always told on standard error\n"
    "  --threads N           default: all that OpenMP has, where vloss is built with it\n";

enum format { CSV, JSON, NPY };
struct command {
  const char *logits, *ids, *other, *out;
  size_t rows, classes, top, threads;
  int has_type, has_other_type, summary;
  vloss_type type, other_type;
  double temperature, softcap;
  enum format format;
};

/* ---- The command ------------------------------------------------------------------------------------------------- */

static const char *value(int count, char **words, int *i) {
  if (*i + 1 >= count) fail("%s needs a value", words[*i]);
  return words[++*i];
}
static size_t whole(const char *what, const char *text) {
  char *end;
  errno = 0;
  const unsigned long n = strtoul(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end || errno) fail("%s wants a whole number, not \"%s\"", what, text);
  return n;
}
static double positive(const char *what, const char *text) {
  char *end;
  const double x = strtod(text, &end);
  if (end == text || *end || !(x > 0) || isinf(x)) fail("%s wants a number above 0, not \"%s\"", what, text);
  return x;
}
static int choice(const char *what, const char *text, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(text, names[i]) == 0) return i;
  fail("%s does not know \"%s\"; --help lists what it does", what, text);
}

static struct command parse(int count, char **words) {
  static const char *const types[] = {"f32", "f64", "f16", "bf16"}, *const formats[] = {"csv", "json", "npy"};
  struct command c = {.temperature = 1};
  for (int i = 1; i < count; i++) {
    const char *const word = words[i];
    if (strcmp(word, "--help") == 0) {
      fputs(usage, stdout);
      exit(0);
    } else if (strcmp(word, "--shape") == 0) {
      const char *const text = value(count, words, &i);
      char end;
      if (text[0] == '-' || sscanf(text, "%zux%zu%c", &c.rows, &c.classes, &end) != 2 || !c.classes)
        fail("--shape wants ROWSxCLASSES, such as 128x50257, not \"%s\"", text);
    } else if (strcmp(word, "--type") == 0) {
      c.type = (vloss_type)choice(word, value(count, words, &i), types, 4);
      c.has_type = 1;
    } else if (strcmp(word, "--compare") == 0) {
      c.other = value(count, words, &i);
    } else if (strcmp(word, "--compare-type") == 0) {
      c.other_type = (vloss_type)choice(word, value(count, words, &i), types, 4);
      c.has_other_type = 1;
    } else if (strcmp(word, "--ids") == 0) {
      c.ids = value(count, words, &i);
    } else if (strcmp(word, "--top") == 0) {
      c.top = whole(word, value(count, words, &i));
    } else if (strcmp(word, "--temperature") == 0) {
      c.temperature = positive(word, value(count, words, &i));
    } else if (strcmp(word, "--softcap") == 0) {
      c.softcap = positive(word, value(count, words, &i));
    } else if (strcmp(word, "--format") == 0) {
      c.format = (enum format)choice(word, value(count, words, &i), formats, 3);
    } else if (strcmp(word, "--out") == 0) {
      c.out = value(count, words, &i);
    } else if (strcmp(word, "--summary") == 0) {
      c.summary = 1;
    } else if (strcmp(word, "--threads") == 0) {
      if (!(c.threads = whole(word, value(count, words, &i)))) fail("--threads wants at least 1");
    } else if (word[0] == '-' || c.logits) {
      fail("unknown option %s; --help lists them", word);
    } else {
      c.logits = word;
    }
  }
  if (!c.logits) fail("no file of logits is given; --help tells how");
  if (c.format == NPY && !c.out && !c.summary) fail("--format npy needs --out PREFIX");
  if (c.other && c.softcap > 0) fail("--compare takes no --softcap");
  if (!c.other && c.has_other_type) fail("--compare-type needs --compare");
  return c;
}

/* ---- What is read ------------------------------------------------------------------------------------------------ */

static const size_t type_size[] = {[VLOSS_F32] = 4, [VLOSS_F64] = 8, [VLOSS_F16] = 2, [VLOSS_BF16] = 2};

/* What a file of logits is said to be; the type becomes what it is. */
struct said {
  size_t rows, classes;
  int has_type;
  vloss_type *type;
  const char *option; /* that says the type */
};
static struct array_file open_logits(const char *path, const struct said *said) {
  struct array_file file = map_file(path);
  if (!is_npy(&file)) {
    if (!said->classes || !said->has_type)
      fail("%s is no .npy file: --shape and %s must say what it is", path, said->option);
    take_raw(&file, said->rows, said->classes, type_size[*said->type]);
    return file;
  }
  parse_npy(&file);
  const vloss_type found = file.width == 8 ? VLOSS_F64 : file.width == 4 ? VLOSS_F32 : VLOSS_F16;
  const int bf16 = file.kind == 'u' && file.width == 2;
  if (!bf16 && (file.kind != 'f' || (file.width != 2 && file.width != 4 && file.width != 8)))
    fail("%s: elements of type %c%zu are no logits", path, file.kind, file.width);
  if (bf16 && !(said->has_type && *said->type == VLOSS_BF16))
    fail("%s: elements of type u2 are bf16 only with %s bf16", path, said->option);
  if (!bf16 && said->has_type && *said->type != found) fail("%s: %s is not that of the file", path, said->option);
  if (!bf16) *said->type = found;
  if (said->classes && (said->rows != file.rows || said->classes != file.columns))
    fail("%s has %zu rows of %zu classes, not %zu of %zu", path, file.rows, file.columns, said->rows, said->classes);
  return file;
}
static struct array_file open_own(struct command *c) {
  return open_logits(c->logits, &(struct said){c->rows, c->classes, c->has_type, &c->type, "--type"});
}
/* Rows of the same shape. Whether the file is raw, only opening it tells: then it is of the type of the logits. */
static struct array_file open_other(struct command *c, const struct array_file *logits) {
  struct array_file probe = map_file(c->other);
  const int raw = !is_npy(&probe);
  unmap_file(&probe);
  if (!c->has_other_type) c->other_type = c->type;
  const struct said said = {logits->rows, logits->columns, c->has_other_type || raw, &c->other_type, "--compare-type"};
  const struct array_file file = open_logits(c->other, &said);
  if ((c->type == VLOSS_F64) != (c->other_type == VLOSS_F64)) fail("%s: f64 compares with f64 only", c->other);
  return file;
}

/* An id a row. */
static int64_t *read_ids(const char *path, size_t rows) {
  struct array_file file = map_file(path);
  int64_t *const ids = malloc((rows ? rows : 1) * sizeof *ids);
  size_t count = 0;
  if (!ids) fail("no memory for %zu ids", rows);
  if (is_npy(&file)) {
    parse_npy(&file);
    if (file.kind != 'i' || (file.width != 4 && file.width != 8))
      fail("%s: ids are i4 or i8, not %c%zu", path, file.kind, file.width);
    count = file.rows * file.columns;
    for (size_t i = 0; i < count && i < rows; i++) {
      int32_t narrow = 0;
      if (file.width == 8)
        memcpy(&ids[i], (const char *)file.data + 8 * i, 8);
      else
        memcpy(&narrow, (const char *)file.data + 4 * i, 4), ids[i] = narrow;
    }
  } else {
    FILE *const text = fopen(path, "r");
    long long id;
    int read;
    if (!text) fail("cannot open %s: %s", path, strerror(errno));
    while ((read = fscanf(text, "%lld", &id)) == 1) {
      if (count < rows) ids[count] = id;
      count++;
    }
    if (read == 0) fail("%s: number %zu is no whole number", path, count + 1);
    fclose(text);
  }
  unmap_file(&file);
  if (count != rows) fail("%s has %zu ids, but there are %zu rows", path, count, rows);
  return ids;
}

/* ---- What is written: to a file of another name, which takes its own in the end ------------------------------------
 */

enum { LONGEST_PATH = 4000 };
struct output {
  FILE *to;
  char path[LONGEST_PATH + 32], part[LONGEST_PATH + 64]; /* empty: standard output */
};
static struct output outputs[8];
static size_t output_count;

static void remove_parts(void) {
  for (size_t i = 0; i < output_count; i++)
    if (outputs[i].part[0]) unlink(outputs[i].part);
}
static FILE *open_output(const char *path, const char *suffix) {
  struct output *const o = &outputs[output_count];
  if (!path) {
    o->to = stdout;
  } else {
    if (strlen(path) > LONGEST_PATH) fail("%s is too long", path);
    snprintf(o->path, sizeof o->path, "%s%s", path, suffix);
    snprintf(o->part, sizeof o->part, "%s%s.%ld", path, suffix, (long)getpid());
    o->to = fopen(o->part, "wb");
    if (!o->to) {
      o->part[0] = 0;
      fail("cannot write %s: %s", o->path, strerror(errno));
    }
  }
  output_count++;
  return o->to;
}
static void close_outputs(void) {
  for (size_t i = 0; i < output_count; i++) {
    const int wrong = fflush(outputs[i].to) != 0 || ferror(outputs[i].to);
    if (wrong)
      fail("cannot write %s: %s", outputs[i].part[0] ? outputs[i].path : "to standard output", strerror(errno));
  }
  for (size_t i = 0; i < output_count; i++) {
    if (!outputs[i].part[0]) continue;
    if (fclose(outputs[i].to) != 0 || rename(outputs[i].part, outputs[i].path) != 0)
      fail("cannot write %s: %s", outputs[i].path, strerror(errno));
    outputs[i].part[0] = 0;
  }
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

/* Of a chunk of rows; all doubles, whatever the type. */
struct scores {
  double *logprob, *entropy, *lse, *top_logprob, *kl;
  int64_t *rank, *top_id;
  int32_t *same_top;
};
static void *allocate(size_t count, size_t size) {
  void *const p = calloc(count ? count : 1, size);
  if (!p) fail("no memory for %zu numbers", count);
  return p;
}
static struct scores allocate_scores(size_t rows, size_t top) {
  return (struct scores){.logprob = allocate(rows, sizeof(double)),
                         .entropy = allocate(rows, sizeof(double)),
                         .lse = allocate(rows, sizeof(double)),
                         .top_logprob = allocate(rows * top, sizeof(double)),
                         .kl = allocate(rows, sizeof(double)),
                         .rank = allocate(rows, sizeof(int64_t)),
                         .top_id = allocate(rows * top, sizeof(int64_t)),
                         .same_top = allocate(rows, sizeof(int32_t))};
}
static void free_scores(const struct scores *s) {
  free(s->logprob), free(s->entropy), free(s->lse), free(s->top_logprob), free(s->kl);
  free(s->rank), free(s->top_id), free(s->same_top);
}
/* Floats that were written to where doubles go. */
static void widen(double *p, size_t n) {
  const float *const floats = (const float *)(const void *)p;
  for (size_t i = n; i-- > 0;) {
    const float f = floats[i];
    p[i] = (double)f;
  }
}

struct run {
  struct command command;
  struct array_file logits, other;
  const int64_t *ids;
  vloss_executor executor, *threads;
  size_t chunk;
  FILE *to, *npy[8];
  double loss, entropy;
  size_t counted, first_guess;
  double *kl; /* of all rows, for the percentiles; null: nothing to compare with */
  size_t same_tops;
};

static void score_chunk(struct run *run, size_t first, size_t n, const struct scores *s) {
  const struct command *const c = &run->command;
  const size_t top = c->top, row_bytes = run->logits.columns * type_size[c->type];
  size_t bad_row = 0;
  const vloss_log_probs_args args = {.rows = n,
                                     .classes = run->logits.columns,
                                     .logits = (const char *)run->logits.data + first * row_bytes,
                                     .type = c->type,
                                     .scale = 1 / c->temperature,
                                     .softcap = c->softcap,
                                     .ids = run->ids ? run->ids + first : NULL,
                                     .ids_per_row = run->ids != NULL,
                                     .logprob = run->ids ? s->logprob : NULL,
                                     .rank = run->ids ? s->rank : NULL,
                                     .top = top,
                                     .top_id = top ? s->top_id : NULL,
                                     .top_logprob = top ? s->top_logprob : NULL,
                                     .lse = s->lse,
                                     .entropy = s->entropy,
                                     .bad_row = &bad_row,
                                     .executor = run->threads};
  const vloss_status status = vloss_log_probs(&args);
  if (status == VLOSS_ERROR_LABEL)
    fail("%s: id %lld of row %zu is no class of %zu", c->ids, (long long)run->ids[first + bad_row], first + bad_row,
         run->logits.columns);
  if (status != VLOSS_OK) fail("%s", vloss_status_message(status));
  if (c->type == VLOSS_F64) return;
  widen(s->lse, n);
  widen(s->entropy, n);
  if (run->ids) widen(s->logprob, n);
  widen(s->top_logprob, n * top);
}

/* The other file is what the rows should be: KL(other || logits). */
static void compare_chunk(struct run *run, size_t first, size_t n, const struct scores *s) {
  const struct command *const c = &run->command;
  const size_t before = first * run->logits.columns;
  const vloss_status status = vloss_divergence(
      &(vloss_divergence_args){.rows = n,
                               .classes = run->logits.columns,
                               .student = (const char *)run->logits.data + before * type_size[c->type],
                               .student_type = c->type,
                               .teacher = (const char *)run->other.data + before * type_size[c->other_type],
                               .teacher_type = c->other_type,
                               .scale = 1 / c->temperature,
                               .reduction = VLOSS_NONE,
                               .loss = s->kl,
                               .same_top = s->same_top,
                               .executor = run->threads});
  if (status != VLOSS_OK) fail("%s", vloss_status_message(status));
  if (c->type != VLOSS_F64) widen(s->kl, n);
  memcpy(run->kl + first, s->kl, n * sizeof *s->kl);
  for (size_t i = 0; i < n; i++) run->same_tops += (size_t)s->same_top[i];
}

/* JSON has no word for what is no number. */
static void put_number(FILE *to, enum format format, double v) {
  if (format == JSON && !isfinite(v))
    fputs("null", to);
  else
    fprintf(to, "%.9g", v);
}
static void print_row(const struct run *run, size_t row, size_t i, const struct scores *s) {
  const enum format format = run->command.format;
  const size_t top = run->command.top;
  const char *const comma = ",";
  FILE *const to = run->to;
  if (format == JSON) fprintf(to, "%s  {\"row\": %zu", row ? ",\n" : "", row);
  if (format == CSV) fprintf(to, "%zu", row);
  if (run->ids) {
    fprintf(to, format == JSON ? ", \"id\": %lld, \"logprob\": " : ",%lld,", (long long)run->ids[row]);
    put_number(to, format, s->logprob[i]);
    fprintf(to, format == JSON ? ", \"rank\": %lld" : ",%lld", (long long)s->rank[i]);
  }
  fputs(format == JSON ? ", \"lse\": " : comma, to);
  put_number(to, format, s->lse[i]);
  fputs(format == JSON ? ", \"entropy\": " : comma, to);
  put_number(to, format, s->entropy[i]);
  if (run->kl) {
    fputs(format == JSON ? ", \"kl\": " : comma, to);
    put_number(to, format, s->kl[i]);
    if (format == JSON)
      fprintf(to, ", \"same_top\": %s", s->same_top[i] ? "true" : "false");
    else
      fprintf(to, ",%d", (int)s->same_top[i]);
  }
  if (format == JSON && top) fputs(", \"top\": [", to);
  for (size_t j = i * top; j < (i + 1) * top; j++) {
    fprintf(to, format == JSON ? "%s[%lld, " : "%s%lld,", format == CSV || j > i * top ? comma : "",
            (long long)s->top_id[j]);
    put_number(to, format, s->top_logprob[j]);
    if (format == JSON) fputc(']', to);
  }
  fputs(format == JSON ? top ? "]}" : "}" : "\n", to);
}

enum { LOGPROB, RANK, LSE, ENTROPY, TOP_ID, TOP_LOGPROB, KL, SAME_TOP, NPY_FILES };
static void begin_output(struct run *run) {
  static const char *const names[NPY_FILES] = {".logprob.npy", ".rank.npy",        ".lse.npy", ".entropy.npy",
                                               ".top_id.npy",  ".top_logprob.npy", ".kl.npy",  ".same_top.npy"};
  const struct command *const c = &run->command;
  if (c->summary) return;
  if (c->format != NPY) {
    run->to = open_output(c->out, "");
    if (c->format == JSON) fputs("[\n", run->to);
    if (c->format == CSV)
      fprintf(run->to, "row%s,lse,entropy%s", run->ids ? ",id,logprob,rank" : "", run->kl ? ",kl,same_top" : "");
    for (size_t j = 0; c->format == CSV && j < c->top; j++) fprintf(run->to, ",top%zu,top%zu_logprob", j, j);
    if (c->format == CSV) fputc('\n', run->to);
    return;
  }
  for (int k = 0; k < NPY_FILES; k++) {
    const int of_ids = k == LOGPROB || k == RANK, of_top = k == TOP_ID || k == TOP_LOGPROB;
    const int of_other = k == KL || k == SAME_TOP;
    char header[128];
    if ((of_ids && !run->ids) || (of_top && !c->top) || (of_other && !run->kl)) continue;
    run->npy[k] = open_output(c->out, names[k]);
    const char *const descr = k == RANK || k == TOP_ID ? "<i8" : k == SAME_TOP ? "<i4" : "<f8";
    fwrite(header, 1, npy_header(header, descr, run->logits.rows, of_top ? c->top : 0), run->npy[k]);
  }
}
static void put_chunk(struct run *run, size_t first, size_t n, const struct scores *s) {
  const void *const columns[NPY_FILES] = {s->logprob, s->rank,        s->lse, s->entropy,
                                          s->top_id,  s->top_logprob, s->kl,  s->same_top};
  for (size_t i = 0; run->to && i < n; i++) print_row(run, first + i, i, s);
  for (int k = 0; k < NPY_FILES; k++)
    if (run->npy[k])
      fwrite(columns[k], k == SAME_TOP ? 4 : 8, k == TOP_ID || k == TOP_LOGPROB ? n * run->command.top : n,
             run->npy[k]);
  for (size_t i = 0; i < n; i++) {
    run->entropy += s->entropy[i];
    if (!run->ids || run->ids[first + i] == -100) continue;
    run->loss -= s->logprob[i];
    run->counted++;
    run->first_guess += s->rank[i] == 0;
  }
}

/* What was read is not needed again: else the whole file would count as ours. */
static void forget(const void *data, size_t first, size_t bytes) {
  const uintptr_t from = (uintptr_t)data + first, mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
  const uintptr_t start = (from + mask) & ~mask, end = (from + bytes) & ~mask;
  if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
}

static void run_all(struct run *run) {
  const size_t rows = run->logits.rows, row_bytes = run->logits.columns * type_size[run->command.type];
  const size_t other_bytes = run->logits.columns * type_size[run->command.other_type];
  const struct scores s = allocate_scores(run->chunk < rows ? run->chunk : rows, run->command.top);
  const int told = isatty(STDERR_FILENO);
  for (size_t first = 0; first < rows; first += run->chunk) {
    const size_t n = rows - first < run->chunk ? rows - first : run->chunk;
    score_chunk(run, first, n, &s);
    if (run->kl) compare_chunk(run, first, n, &s);
    put_chunk(run, first, n, &s);
    forget(run->logits.data, first * row_bytes, n * row_bytes);
    if (run->kl) forget(run->other.data, first * other_bytes, n * other_bytes);
    if (told) fprintf(stderr, "\r%zu of %zu rows", first + n, rows);
  }
  if (told) fputs("\r\033[K", stderr);
  if (run->to && run->command.format == JSON) fputs("\n]\n", run->to);
  free_scores(&s);
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
/* Rows of which there is no KL (NaN, in either file) are told apart; those whose KL is infinite count. */
static void tell_comparison(const struct run *run) {
  static const double percents[] = {50, 90, 95, 99, 99.9, 100};
  const size_t rows = run->logits.rows;
  size_t known = 0;
  double sum = 0;
  for (size_t i = 0; i < rows; i++) {
    if (run->kl[i] != run->kl[i]) continue;
    sum += run->kl[i];
    run->kl[known++] = run->kl[i];
  }
  qsort(run->kl, known, sizeof *run->kl, by_size);
  fprintf(stderr, "mean KL %.6g nats, same top %.2f%%", sum / (double)known,
          100 * (double)run->same_tops / (double)rows);
  for (size_t k = 0; known && k < sizeof percents / sizeof *percents; k++)
    fprintf(stderr, "%s%g%% %.6g", k ? ", " : "; percentiles of KL: ", percents[k],
            run->kl[(size_t)ceil(percents[k] / 100 * (double)known) - 1]);
  if (known < rows) fprintf(stderr, "; %zu rows without a KL", rows - known);
  fputc('\n', stderr);
}

int main(int count, char **words) {
  struct run run = {.command = parse(count, words)};
  atexit(remove_parts);
  run.logits = open_own(&run.command);
  const size_t rows = run.logits.rows, classes = run.logits.columns;
  if (!classes) fail("%s has rows of no classes", run.command.logits);
  if (run.command.top > classes) fail("--top %zu is more than the %zu classes", run.command.top, classes);
  if (run.command.other) {
    run.other = open_other(&run.command, &run.logits);
    run.kl = allocate(rows, sizeof *run.kl);
  }
  int64_t *const ids = run.command.ids ? read_ids(run.command.ids, rows) : NULL;
  run.ids = ids;
#ifdef SCORE_WITH_OPENMP
  run.executor = vloss_openmp_executor(run.command.threads);
  run.threads = &run.executor;
#else
  if (run.command.threads > 1) fail("this vloss-score was built without OpenMP: --threads wants 1");
#endif
  const size_t row_bytes = classes * type_size[run.command.type], at_once = (size_t)32 << 20;
  run.chunk = row_bytes < at_once ? at_once / row_bytes : 1;
  begin_output(&run);
  run_all(&run);
  close_outputs();
  fprintf(stderr, "%zu rows of %zu classes, mean entropy %.6f nats", rows, classes, run.entropy / (double)rows);
  if (run.counted)
    fprintf(stderr, "; %zu ids: mean log-probability %.6f, perplexity %.6g, first guess right %.2f%%", run.counted,
            -run.loss / (double)run.counted, exp(run.loss / (double)run.counted),
            100 * (double)run.first_guess / (double)run.counted);
  fputc('\n', stderr);
  if (run.kl) tell_comparison(&run);
  unmap_file(&run.logits);
  if (run.kl) unmap_file(&run.other);
  free(run.kl);
  free(ids);
  return 0;
}
