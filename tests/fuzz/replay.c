/* fuzz-replay SECONDS FOLDER...: gives every file of the folders to the fuzz target, and for so many seconds files of
 * which random bytes are changed. For compilers without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { MOST_FILES = 1000, MOST_BYTES = 256 };
struct input {
  uint8_t bytes[MOST_BYTES];
  size_t count;
};
static struct input corpus[MOST_FILES];
static size_t corpus_count;

static void read_file(const char *folder, const char *name) {
  char path[4096];
  if (name[0] == '.' || corpus_count == MOST_FILES) return;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  struct input *in = &corpus[corpus_count++];
  in->count = fread(in->bytes, 1, MOST_BYTES, file);
  fclose(file);
}
static void read_folder(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) {
    perror(folder);
    exit(2);
  }
  for (struct dirent *entry; (entry = readdir(dir));) read_file(folder, entry->d_name);
  closedir(dir);
}

/* The input that is being tried, for whoever wants to see why it aborts. */
static void keep(const struct input *in) {
  FILE *file = fopen("fuzz-replay.input", "wb");
  if (!file) return;
  fwrite(in->bytes, 1, in->count, file);
  fclose(file);
}

static struct input mutated(struct random *r) {
  struct input in = corpus[random_below(r, corpus_count)];
  while (in.count < MOST_BYTES && random_below(r, 4) == 0) in.bytes[in.count++] = (uint8_t)random_bits(r);
  for (size_t changes = 1 + random_below(r, 8); changes > 0 && in.count; changes--)
    in.bytes[random_below(r, in.count)] = (uint8_t)random_bits(r);
  return in;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: fuzz-replay SECONDS SEED FOLDER...\n");
    return 2;
  }
  struct random random = {strtoull(argv[2], NULL, 0)};
  for (int i = 3; i < argc; i++) read_folder(argv[i]);
  for (size_t i = 0; i < corpus_count; i++) {
    keep(&corpus[i]);
    LLVMFuzzerTestOneInput(corpus[i].bytes, corpus[i].count);
  }
  size_t runs = 0;
  for (const time_t end = time(NULL) + atoi(argv[1]); time(NULL) < end && corpus_count; runs++) {
    const struct input in = mutated(&random);
    keep(&in);
    LLVMFuzzerTestOneInput(in.bytes, in.count);
  }
  remove("fuzz-replay.input");
  printf("ok: %zu files, %zu changed ones\n", corpus_count, runs);
  return corpus_count ? 0 : 1;
}
