/* See families.h: the one thing that may be wrong with a call, made so after all else is right. */
#include <math.h>
#include <string.h>

#include "families.h"

static void misplace(struct array *a, char *data) {
  a->data = data;
  memcpy(a->field, &data, sizeof data);
}

/* The output lies where another array does: right only in the place of an input that it may replace, in its layout. */
static void alias(struct call *c, struct array *a) {
  const struct array *other = &c->arrays[take_below(c, c->array_count)];
  if (!a->output || other == a || !other->lines || !other->width || !a->lines || !a->width) return;
  if (a->stride_field && other->stride_field && take_below(c, 2)) {
    *a->stride_field = *other->stride_field;
    a->stride = *a->stride_field ? *a->stride_field : a->width;
  }
  const bool allowed = a->in_place[0] == other->field || a->in_place[1] == other->field;
  const bool same = a->width == other->width && a->kind.size == other->kind.size &&
                    (a->stride == other->stride || (a->lines == 1 && other->lines == 1));
  misplace(a, other->data);
  if (!allowed || !same || other->output) refuse(c);
}

static void shrink_or_grow(struct call *c) {
  const size_t more = 8 * (1 + take_below(c, 7));
  const size_t place = take_below(c, more);
  c->args.room[c->size + place] = take(c);
  if (c->args.room[c->size + place]) refuse(c);
  c->size += more;
}

static void set_number(struct call *c, const struct number *number) {
  static const double odd[] = {NAN, INFINITY, -INFINITY, -1, 1e300, 1e-300, 2, -0.0, 1e-40, 0.5, 1, 3};
  const double v = *number->field = odd[take_below(c, sizeof odd / sizeof *odd)];
  if (c->function == OF_loss) doubt(c); /* of what is right between the bounds, each parameter has its own idea */
  if (v != 0 && !(v >= number->low && v <= number->high)) refuse(c);
}

void make_fault(struct call *c) {
  static const size_t huge[] = {SIZE_MAX,         SIZE_MAX / 2 + 1, SIZE_MAX / 2,
                                SIZE_MAX / 3 + 1, (size_t)1 << 62,  SIZE_MAX - 3};
  struct array *a = c->array_count ? &c->arrays[take_below(c, c->array_count)] : NULL;
  const size_t i = take(c);
  switch (c->fault) {
    case NULL_POINTER:
      if (!a) return;
      memset(a->field, 0, sizeof(void *));
      a->output = false;
      doubt(c);
      break;
    case MISALIGNED:
      if (a && a->kind.size > 1) misplace(a, a->data + 1), a->lines = 0, refuse(c);
      break;
    case ALIASED:
      if (a) alias(c, a);
      break;
    case BAD_ENUM:
      *(uint32_t *)c->enums[i % c->enum_count] = i & 1 ? 0xffffffff : 99 + (uint32_t)i;
      refuse(c);
      break;
    case HUGE_SIZE:
      *c->sizes[i % 3] = huge[take_below(c, sizeof huge / sizeof *huge)];
      doubt(c);
      break;
    case BAD_STRIDE:
      if (!a || !a->stride_field || a->width < 2) return;
      *a->stride_field = i & 1 ? a->width - 1 : huge[take_below(c, sizeof huge / sizeof *huge)];
      if (i & 1 || a->lines > 1)
        refuse(c);
      else
        doubt(c);
      break;
    case BAD_EXECUTOR:
      if (i & 1)
        c->executor.run = NULL;
      else
        c->executor.threads = 0;
      refuse(c);
      break;
    case OTHER_VERSION:
      shrink_or_grow(c);
      break;
    case ODD_NUMBER:
      if (c->number_count) set_number(c, &c->numbers[i % c->number_count]);
      break;
    default:
      break;
  }
}
