/* A call of vloss_loss on its way to a kernel, and the jobs that it passes through: loss_arguments.c checks everything
 * but the contents of arrays and fills in the kernel's job, loss_values.c looks into the arrays, loss.c does the rest.
 */
#ifndef VLOSS_DISPATCH_LOSS_CALL_H
#define VLOSS_DISPATCH_LOSS_CALL_H

#include "registry.h"
#include "table.h"

struct vloss_loss_call {
  const vloss_loss_args *args; /* complete: of our size */
  const struct vloss_loss_row *loss;
  const struct vloss_table *table;
  size_t rows;                             /* inner ones included */
  int reduced;                             /* the losses become one number */
  double parameters[VLOSS_MAX_PARAMETERS]; /* defaults included; job.parameters */
  struct vloss_loss_job job;
};

/* Sets loss, rows, reduced, the parameters and the job, given the arguments. */
vloss_status vloss_loss_prepare(struct vloss_loss_call *call);

/* The same for a call of few elements without options, of which a total and perhaps a gradient is wanted: for nothing
 * but a try (`few` in struct vloss_loss_job). 0 for any other call, right or wrong. */
int vloss_loss_prepare_few(struct vloss_loss_call *call);

/* Whether there are values that vloss_loss_check_values looks at, besides labels. */
int vloss_loss_has_domain(const struct vloss_loss_call *call);

/* The passes over the data that checked mode makes: labels, and operands that must lie in some range. */
vloss_status vloss_loss_check_values(const struct vloss_loss_call *call);

/* Where a parameter says that the targets decide how they are to be read: looks at them, and sets it. */
void vloss_loss_resolve_label_mode(struct vloss_loss_call *call);

#endif
