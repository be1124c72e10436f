/* The registry: in the order of the enumerators, with usable ranges; names and kinds find their loss. That it is
 * complete is seen by info_test.sh. */
#include "expect.h"
#include "vloss/vloss.h"

static int in_range(const vloss_parameter_info *p, double v) {
  return v <= p->maximum && (p->above_minimum ? v > p->minimum : v >= p->minimum) && (!p->whole || v == (double)(int)v);
}

static void check_loss(size_t index, const vloss_loss_info *loss) {
  EXPECT((size_t)loss->kind == index + 1, "%s stands at %zu, its enumerator is %d", loss->name, index, (int)loss->kind);
  EXPECT(vloss_loss_info_of(loss->kind) == loss, "%s by its kind", loss->name);
  EXPECT(vloss_loss_info_named(loss->name) == loss, "%s by its name", loss->name);
  EXPECT(loss->apis[0] != NULL, "%s serves no API", loss->name);
  const int takes_other = (loss->operands & VLOSS_TAKES_OTHER) != 0;
  EXPECT(takes_other == (loss->other != NULL), "%s: other and its name", loss->name);
  EXPECT((loss->operands & (VLOSS_TAKES_TARGET | VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS)) != 0,
         "%s takes neither target nor labels", loss->name);
  for (size_t i = 0; i < loss->parameter_count; i++) {
    const vloss_parameter_info *p = &loss->parameters[i];
    EXPECT(in_range(p, p->default_value), "%s: the default of %s is out of its range", loss->name, p->name);
  }
}

int main(void) {
  size_t count = 0;
  for (const vloss_loss_info *loss; (loss = vloss_loss_info_at(count)); count++) check_loss(count, loss);
  EXPECT(count > 0, "no losses");
  EXPECT(vloss_loss_info_at(count + 1) == NULL, "beyond the end");
  EXPECT(vloss_loss_info_of((vloss_loss_kind)0) == NULL, "kind 0");
  EXPECT(vloss_loss_info_of((vloss_loss_kind)(count + 1)) == NULL, "a kind beyond the last");
  EXPECT(vloss_loss_info_named("Huber") == NULL && vloss_loss_info_named("") == NULL && !vloss_loss_info_named(NULL),
         "names that are none");
  return report("registry");
}
