/* The losses of whole rows, but for those that compare vectors. See row_loss.h. */
#include "row_loss.h"

#include "loss/categorical_hinge.h"
#include "loss/keras_categorical_crossentropy.h"
#include "loss/keras_kl_divergence.h"
#include "loss/keras_sparse_categorical_crossentropy.h"
#include "loss/multi_margin.h"
#include "loss/multilabel_margin.h"
#include "loss/multilabel_soft_margin.h"

ROW_IN_ONE_STEP(keras_categorical_crossentropy)
ROW_AFTER_ROWS(keras_sparse_categorical_crossentropy)
ROW_IN_ONE_STEP(keras_kl_divergence)
ROW_IN_TWO_STEPS(categorical_hinge)
ROW_AFTER_ROWS(multi_margin)
ROW_IN_ONE_STEP(multilabel_margin)
ROW_IN_ONE_STEP(multilabel_soft_margin)

ROW_LOSS(keras_categorical_crossentropy)
ROW_LOSS_SUMS_BESIDE(keras_sparse_categorical_crossentropy, BESIDE_COLUMNS)
ROW_LOSS(keras_kl_divergence)
ROW_LOSS_BESIDE(categorical_hinge, BESIDE_COLUMNS)
ROW_LOSS_BESIDE(multi_margin, BESIDE_COLUMNS)
WHOLE_ROW_LOSS(multilabel_margin)
ROW_LOSS(multilabel_soft_margin)
