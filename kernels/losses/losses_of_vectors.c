/* The losses of whole rows that compare vectors. See row_loss.h. */
#include "row_loss.h"

#include "loss/cosine_embedding.h"
#include "loss/cosine_similarity.h"
#include "loss/triplet_margin.h"

ROW_IN_TWO_STEPS(cosine_similarity)
ROW_IN_TWO_STEPS(cosine_embedding)
ROW_IN_ONE_STEP(triplet_margin)

ROW_LOSS_SUMS_BESIDE(cosine_similarity, 0)
ROW_LOSS_SUMS_BESIDE(cosine_embedding, 0)
ROW_LOSS_SUMS_BESIDE(triplet_margin, BESIDE_COLUMNS)
