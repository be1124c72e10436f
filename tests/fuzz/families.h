/* The argument structs, filled from bytes, and what calls.c has for that. */
#ifndef VLOSS_TESTS_FUZZ_FAMILIES_H
#define VLOSS_TESTS_FUZZ_FAMILIES_H

#include "calls.h"

uint8_t take(struct call *call);
size_t take_below(struct call *call, size_t n);

struct kind of_type(vloss_type type);
struct kind numbers(const struct call *call); /* float, or double beside doubles */
struct kind labels_of(vloss_label_type type);

struct array *add_flat(struct call *call, void *field, size_t count, struct kind kind, bool output);
struct array *add_tensor(struct call *call, void *field, size_t *stride, struct kind kind, bool output);

/* The same, or not, as the bytes have it. */
bool coin(struct call *call);
void out_flat(struct call *call, void *field, size_t count, struct kind kind);
void in_flat(struct call *call, void *field, size_t count, struct kind kind);
/* in_place, or_in_place: the fields of inputs that it may be put over. */
void out_tensor(struct call *call, void *field, size_t *stride, const void *in_place, const void *or_in_place);
bool any_output(const struct call *call);

struct label_rules {
  vloss_label_type type;
  size_t classes;
  bool ignoring;
  int64_t ignored;
};
/* Which is the first that is out of range; SIZE_MAX: none. */
size_t add_labels(struct call *call, void *field, size_t count, struct label_rules rules);

/* `per_row` labels a row: a bad one is found, unless nobody looks. */
void checked_labels(struct call *call, void *field, size_t per_row, struct label_rules rules, uint32_t flags);

/* Sizes, and with them the bounds of all arrays. */
void take_shape(struct call *call, size_t *rows, size_t *classes, size_t *inner);
void take_executor(struct call *call, const vloss_executor **field);
void note_enum(struct call *call, void *field);
void note_number(struct call *call, double *field, double low, double high); /* the range; 0 is right, too */

void refuse(struct call *call); /* the call is wrong */
void doubt(struct call *call);  /* it may be */

void make_fault(struct call *call); /* does the call's `fault`, if it has one */

void make_cross_entropy(struct call *call);
void make_partial(struct call *call);
void make_softmax(struct call *call);
void make_log_probs(struct call *call);
void make_divergence(struct call *call);
void make_loss(struct call *call);

#endif
