/* The first call from many threads at once, and vloss_isa_force() while others compute; meant to be run under
 * ThreadSanitizer, too. A process has only one first call, so each round is a process of its own.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "expect.h"

enum { THREADS = 24, ROUNDS = 30, FORCES = 300 };

/* Waits for all threads. (pthread_barrier_t is optional in POSIX: macOS has none.) */
static atomic_int waiting;
static void meet(void) {
  atomic_fetch_add(&waiting, 1);
  while (atomic_load(&waiting) < THREADS) sched_yield();
}

struct thread {
  pthread_t id;
  int number;
  vloss_status status;
  const char *isa;
  int right, named, has_features;
};

/* Begins with the function of its number, then asks for everything else. */
static void *first_call(void *argument) {
  struct thread *t = argument;
  struct call_outputs out = {0};
  const int i = t->number % (CALL_COUNT + 1);
  meet();
  t->status = i < CALL_COUNT ? call(i, &out) : vloss_isa_current(&t->isa);
  t->right = i == CALL_COUNT || t->status != VLOSS_OK || right(i, &out);
  if (vloss_isa_current(&t->isa) != t->status) t->right = 0;
  t->named = strstr(vloss_status_message(VLOSS_ERROR_ISA_UNKNOWN), "\"avx3\"") != NULL;
  t->has_features = strcmp(vloss_cpu_features(), "") != 0;
  return NULL;
}

static void first_call_from_many_threads(const char *environment) {
  static struct thread threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    threads[i].number = i;
    EXPECT(pthread_create(&threads[i].id, NULL, first_call, &threads[i]) == 0, "thread %d", i);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i].id, NULL);
  const int bad = environment && strcmp(environment, "avx3") == 0;
  for (int i = 0; i < THREADS; i++) {
    EXPECT(threads[i].status == (bad ? VLOSS_ERROR_ISA_UNKNOWN : VLOSS_OK), "thread %d: %s", i,
           vloss_status_name(threads[i].status));
    EXPECT(threads[i].right && threads[i].named == bad && threads[i].has_features, "thread %d: %d %d %d", i,
           threads[i].right, threads[i].named, threads[i].has_features);
    EXPECT(threads[i].isa == threads[0].isa && (threads[i].isa == NULL) == bad, "thread %d runs %s", i,
           threads[i].isa ? threads[i].isa : "nothing");
    if (environment && !bad) EXPECT(!strcmp(threads[i].isa, environment), "thread %d runs %s", i, threads[i].isa);
  }
}

static atomic_int done;

/* Whatever the others force: the call computes, or refuses with one of the names that they asked for. */
static void *compute_meanwhile(void *argument) {
  struct thread *t = argument;
  t->right = 1;
  meet();
  do {
    struct call_outputs out = {0};
    const int i = t->number % CALL_COUNT;
    const vloss_status status = call(i, &out);
    const char *message = vloss_status_message(VLOSS_ERROR_ISA_UNKNOWN);
    if (status == VLOSS_OK ? !right(i, &out) : status != VLOSS_ERROR_ISA_UNKNOWN) t->right = 0;
    if (status != VLOSS_OK && !strstr(message, "\"avx3\"") && !strstr(message, "\"avx4\"")) t->right = 0;
  } while (!atomic_load(&done));
  return NULL;
}

static void *force_meanwhile(void *argument) {
  static const char *const names[] = {"scalar", "avx3", NULL, "avx4"};
  struct thread *t = argument;
  t->right = 1;
  meet();
  for (int i = 0; i < FORCES; i++) {
    const char *name = names[(i + t->number) % 4];
    const int bad = name && strncmp(name, "avx", 3) == 0;
    if (vloss_isa_force(name) != (bad ? VLOSS_ERROR_ISA_UNKNOWN : VLOSS_OK)) t->right = 0;
  }
  return NULL;
}

static void force_while_others_compute(const char *environment) {
  static struct thread threads[THREADS];
  enum { FORCING = 2 };
  (void)environment;
  for (int i = 0; i < THREADS; i++) {
    threads[i].number = i;
    void *(*run)(void *) = i < FORCING ? force_meanwhile : compute_meanwhile;
    EXPECT(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0, "thread %d", i);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i].id, NULL);
    if (i == FORCING - 1) atomic_store(&done, 1);
  }
  for (int i = 0; i < THREADS; i++) EXPECT(threads[i].right, "thread %d", i);
}

static void in_child(const char *isa, void (*scenario)(const char *)) {
  int status = -1;
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    failures = 0;
    if (isa ? setenv("VLOSS_ISA", isa, 1) : unsetenv("VLOSS_ISA")) abort();
    scenario(isa);
    exit(failures != 0); /* not _exit: ThreadSanitizer reports at exit */
  }
  waitpid(child, &status, 0);
  EXPECT(child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a round with VLOSS_ISA=%s",
         isa ? isa : "(unset)");
}

int main(void) {
  static const char *const environments[] = {NULL, "scalar", "avx3"};
  for (int round = 0; round < ROUNDS; round++) in_child(environments[round % 3], first_call_from_many_threads);
  in_child(NULL, force_while_others_compute);
  return report("threads, rounds");
}
