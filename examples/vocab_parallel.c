/* Cross-entropy of rows whose classes are spread over processes, as a vocabulary is over the ranks of a model that is
 * too large for one machine: MPI carries what each rank knows of a row, 128 bytes, and every rank gets the loss, and
 * the gradient of its own classes. The rows are those of the perplexity example. Each rank also computes the whole rows
 * by itself, and compares: all bits must be the same.
 *
 *   mpirun -n 4 vocab_parallel [--tokens N]
 */
#define _POSIX_C_SOURCE 200809L

#include <mpi.h>

#include "trigrams.h"

/* The classes of a rank: whole blocks, as evenly as that goes. */
struct shard {
  size_t first, classes;
};
static struct shard shard_of(size_t words, int rank, int ranks) {
  const size_t blocks = (words + VLOSS_CLASS_BLOCK - 1) / VLOSS_CLASS_BLOCK;
  const size_t first = blocks * (size_t)rank / (size_t)ranks * VLOSS_CLASS_BLOCK;
  const size_t last = blocks * ((size_t)rank + 1) / (size_t)ranks * VLOSS_CLASS_BLOCK;
  return (struct shard){first, (last < words ? last : words) - first};
}

/* An MPI_Op. What cannot be merged is a mistake of this program. */
static void merge(void *from, void *into, int *count, MPI_Datatype *type) {
  (void)type;
  require(vloss_cross_entropy_merge(into, from, (size_t)*count));
}

/* What a rank has of a batch. */
struct results {
  float loss, *grad; /* grad: of the shard, row by row */
  float lse[BATCH];
  int64_t predicted[BATCH];
};

static void by_shards(const struct batch *batch, struct shard shard, MPI_Datatype state_type, MPI_Op merging,
                      struct results *results) {
  vloss_row_state states[BATCH];
  vloss_cross_entropy_args args = {.rows = batch->rows,
                                   .classes = shard.classes,
                                   .class_offset = shard.first,
                                   .total_classes = batch->classes,
                                   .logits = batch->logits + shard.first,
                                   .logits_stride = batch->classes,
                                   .labels = batch->words,
                                   .states = states};
  require(vloss_cross_entropy_partial(&args));
  MPI_Allreduce(MPI_IN_PLACE, states, (int)batch->rows, state_type, merging, MPI_COMM_WORLD);
  args.loss = &results->loss;
  args.lse = results->lse;
  args.predicted = results->predicted;
  require(vloss_cross_entropy_finish(&args));
  args.loss = args.lse = args.predicted = NULL;
  args.grad = results->grad;
  require(vloss_cross_entropy_partial_gradient(&args));
}

/* The same of the whole rows, in one call; the gradient of all classes. */
static void at_once(const struct batch *batch, struct results *results) {
  const vloss_cross_entropy_args args = {.rows = batch->rows,
                                         .classes = batch->classes,
                                         .logits = batch->logits,
                                         .labels = batch->words,
                                         .loss = &results->loss,
                                         .lse = results->lse,
                                         .predicted = results->predicted,
                                         .grad = results->grad};
  require(vloss_cross_entropy(&args));
}

static bool same(const struct batch *batch, struct shard shard, const struct results *shards,
                 const struct results *whole) {
  bool all = memcmp(&shards->loss, &whole->loss, sizeof shards->loss) == 0 &&
             memcmp(shards->lse, whole->lse, batch->rows * sizeof *shards->lse) == 0 &&
             memcmp(shards->predicted, whole->predicted, batch->rows * sizeof *shards->predicted) == 0;
  for (size_t r = 0; r < batch->rows && shard.classes; r++)
    all &= memcmp(shards->grad + r * shard.classes, whole->grad + r * batch->classes + shard.first,
                  shard.classes * sizeof *shards->grad) == 0;
  return all;
}

int main(int argc, char **argv) {
  int rank, ranks;
  size_t wanted = 64, scored = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--tokens") != 0) fail("unknown option %s; there is --tokens N", argv[i]);
    wanted = option_count(argc, argv, &i);
  }
  const struct bytes text = read_bible();
  struct model model = read_model(DEFAULT_MODEL);
  const struct shard shard = shard_of(model.words, rank, ranks);
  struct batch batch = {.logits = allocate(BATCH * model.words, sizeof(float)), .classes = model.words};
  struct reader reader = {.at = text.start};
  struct results shards = {.grad = allocate(BATCH * shard.classes + 1, sizeof(float))};
  struct results whole = {.grad = allocate(BATCH * model.words, sizeof(float))};
  MPI_Datatype state_type;
  MPI_Op merging;
  MPI_Type_contiguous(sizeof(vloss_row_state), MPI_BYTE, &state_type);
  MPI_Type_commit(&state_type);
  MPI_Op_create(merge, 1, &merging); /* in any order: the bits are the same */

  double sum = 0;
  int equal = 1;
  while (scored < wanted) {
    fill_batch(&batch, &model, &reader, wanted - scored);
    if (batch.rows == 0) break;
    by_shards(&batch, shard, state_type, merging, &shards);
    at_once(&batch, &whole);
    equal &= same(&batch, shard, &shards, &whole);
    sum += (double)shards.loss * (double)batch.rows;
    scored += batch.rows;
  }
  MPI_Allreduce(MPI_IN_PLACE, &equal, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (rank == 0)
    printf("%d ranks: %zu words, each among %zu: mean loss %.6f; %s\n", ranks, scored, model.words,
           sum / (double)scored,
           equal ? "loss and gradient have the bits of whole rows" : "OTHER BITS than whole rows");
  MPI_Op_free(&merging);
  MPI_Type_free(&state_type);
  MPI_Finalize();
  free_model(&model);
  free(batch.logits);
  free(shards.grad);
  free(whole.grad);
  free(text.start);
  return equal && scored ? EXIT_SUCCESS : EXIT_FAILURE;
}
