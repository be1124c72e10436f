/* The 37 APIs of PyTorch and Keras that vloss set out to serve: for each the call that gives the same numbers, and the
 * numbers. docs/losses.md quotes every snippet, and the data at the head of its function; page.sh holds it to that.
 *
 * The expected numbers are the frameworks' formulas in 50 digits, gradients differentiated numerically; the data are
 * mostly the examples of the frameworks' own documentation, whose three digits the losses agree with.
 *
 * usage: apis [TITLE], such as "18: torch.nn.L1Loss()"; without one all snippets run.
 */
#include "apis.h"

/* A line for each thought of a call rather than for each field. */
/* clang-format off */

static void keras_binary_crossentropy(void) {
  const float y_true[2][2] = {{0, 1}, {0, 0}}, y_pred[2][2] = {{0.6f, 0.4f}, {0.4f, 0.6f}};
  const float sample_weight[2] = {1, 0};
  float loss, losses[2], grad[2][2];

  if (api("1: tf.keras.losses.BinaryCrossentropy()", VLOSS_KERAS_BCE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_BCE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.458145252);
    GIVES(grad, 0.624999881, -0.624999834, 0, 0);
  }

  if (api("1: tf.keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)", VLOSS_BCE_WITH_LOGITS)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_BCE_WITH_LOGITS, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .parameters = (double[]){0.2}, .parameter_count = 1,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.845251608);
    GIVES(grad, 0.136414078, -0.0753280846, 0.124671915, 0.136414078);
  }

  if (api("2: tf.keras.losses.binary_crossentropy(label_smoothing=0.2)", VLOSS_KERAS_BCE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_BCE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .parameters = (double[]){0.2}, .parameter_count = 1,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.875743998, 0.713557998);
    GIVES(grad, 1.04166647, -1.04166638, 0.624999916, 1.04166647);
  }

  if (api("2: tf.keras.losses.binary_crossentropy(from_logits=True)", VLOSS_BCE_WITH_LOGITS)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_BCE_WITH_LOGITS, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.775251608, 0.975251611);
    GIVES(grad, 0.322828156, -0.200656169, 0.299343831, 0.322828156);
  }
}

static void keras_categorical_crossentropy(void) {
  const float y_true[2][3] = {{0, 1, 0}, {0, 0, 1}}, y_pred[2][3] = {{0.05f, 0.95f, 0}, {0.1f, 0.8f, 0.1f}};
  const float sample_weight[2] = {0.3f, 0.7f};
  float loss, losses[2], grad[2][3];

  if (api("3: tf.keras.losses.CategoricalCrossentropy()", VLOSS_KERAS_CATEGORICAL_CROSSENTROPY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_CATEGORICAL_CROSSENTROPY, .rows = 2, .columns = 3, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.813598763);
    GIVES(grad, 0.150000008, -0.00789473746, 0.150000008, 0.349999989, 0.349999989, -3.1499999);
  }

  if (api("3: tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)", VLOSS_CROSS_ENTROPY)) {
    status = vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = 2, .classes = 3, .logits = y_pred, .targets = y_true, .label_smoothing = 0.1,
        .reduction = VLOSS_MEAN, .loss = &loss, .grad = grad});
    GIVES(loss, 1.00606172);
    GIVES(grad, 0.096690619, -0.187852738, 0.0911621188, 0.107905033, 0.234189934, -0.342094967);
  }

  if (api("4: tf.keras.losses.categorical_crossentropy(label_smoothing=0.1)", VLOSS_KERAS_CATEGORICAL_CROSSENTROPY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_CATEGORICAL_CROSSENTROPY, .rows = 2, .columns = 3, .prediction = y_pred, .target = y_true,
        .parameters = (double[]){0.1}, .parameter_count = 1,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.685001339, 2.23327037);
    GIVES(grad, 0.300000021, -0.0157894752, 0.966666677, 0.666666657, 0.958333319, -8.33333321);
  }

  if (api("4: tf.keras.losses.categorical_crossentropy(from_logits=True)", VLOSS_CROSS_ENTROPY)) {
    status = vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = 2, .classes = 3, .logits = y_pred, .targets = y_true,
        .reduction = VLOSS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.584063461, 1.38972665);
    GIVES(grad, 0.226714571, -0.442372142, 0.215657571, 0.2491434, 0.501713201, -0.7508566);
  }
}

static void keras_sparse_categorical_crossentropy(void) {
  const int64_t y_true[2] = {1, 2};
  const float y_pred[2][3] = {{0.05f, 0.95f, 0}, {0.1f, 0.8f, 0.1f}}, sample_weight[2] = {0.3f, 0.7f};
  float loss, losses[2], grad[2][3];

  if (api("5: tf.keras.losses.SparseCategoricalCrossentropy()", VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY, .rows = 2, .columns = 3,
        .prediction = y_pred, .labels = y_true, .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.813598778);
    GIVES(grad, 0.149999993, -0.00789475246, 0, 0.349999989, 0.349999989, -3.1499999);
  }

  if (api("5: tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)", VLOSS_CROSS_ENTROPY)) {
    status = vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = 2, .classes = 3, .logits = y_pred, .labels = y_true, .ignore = VLOSS_IGNORE_NOTHING,
        .row_weights = sample_weight, .reduction = VLOSS_MEAN, .loss = &loss, .grad = grad});
    GIVES(loss, 0.57401384);
    GIVES(grad, 0.034007187, -0.066355824, 0.0323486369, 0.0872001884, 0.175599617, -0.262799806);
  }

  if (api("6: tf.keras.losses.sparse_categorical_crossentropy()", VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY, .rows = 2, .columns = 3,
        .prediction = y_pred, .labels = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.0512933958, 2.30258509);
    GIVES(grad, 0.999999911, -0.052631681, 0, 0.999999985, 0.999999985, -8.99999987);
  }

  if (api("6: tf.keras.losses.sparse_categorical_crossentropy(from_logits=True)", VLOSS_CROSS_ENTROPY)) {
    status = vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = 2, .classes = 3, .logits = y_pred, .labels = y_true, .ignore = VLOSS_IGNORE_NOTHING,
        .reduction = VLOSS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.584063461, 1.38972665);
    GIVES(grad, 0.226714571, -0.442372142, 0.215657571, 0.2491434, 0.501713201, -0.7508566);
  }
}

static void torch_binary_cross_entropy(void) {
  const float probabilities[2][2] = {{0.3f, 0.9f}, {0.001f, 0.5f}}, logits[2][2] = {{0.5f, -0.5f}, {2, -30}};
  const float target[2][2] = {{0.6f, 0}, {1, 1}}, weight[2] = {1, 3};
  float loss, grad[2][2];

  if (api("7: torch.nn.BCELoss(weight)", VLOSS_BCE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_BCE, .rows = 2, .columns = 2, .prediction = probabilities, .target = target,
        .weights = weight, .weights_spread = VLOSS_PER_COLUMN,
        .reduction = VLOSS_MEAN, .loss = &loss, .grad = grad});
    GIVES(loss, 4.19000125);
    GIVES(grad, -0.357142863, 7.49999821, -249.999988, -1.5);
  }

  if (api("8: torch.nn.BCEWithLogitsLoss(pos_weight=weight)", VLOSS_BCE_WITH_LOGITS)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_BCE_WITH_LOGITS, .rows = 2, .columns = 2, .prediction = logits, .target = target,
        .other = weight, .other_spread = VLOSS_PER_COLUMN,
        .reduction = VLOSS_MEAN, .loss = &loss, .grad = grad});
    GIVES(loss, 22.8187705);
    GIVES(grad, 0.00561482684, 0.0943851672, -0.0298007305, -0.75);
  }
}

static void torch_cross_entropy(void) {
  const float logits[3][3] = {{1, 2, 3}, {0.5f, -0.5f, 0}, {2, 0, -1}}, weight[3] = {1, 2, 4};
  const int64_t target[3] = {2, -100, 1}; /* the second row is ignored */
  float loss, grad[3][3];

  if (api("9: torch.nn.CrossEntropyLoss(weight, label_smoothing=0.1)", VLOSS_CROSS_ENTROPY)) {
    status = vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = 3, .classes = 3, .logits = logits, .labels = target,
        .weights = weight, .label_smoothing = 0.1, .loss = &loss, .grad = grad});
    GIVES(loss, 1.02908496);
    GIVES(grad, 0.0519639773, 0.14524319, -0.197207167, 0, 0, 0, 0.280397104, -0.272411627, -0.00798547759);
  }
}

static void kullback_leibler(void) {
  const float y_true[2][2] = {{0, 1}, {0, 0}}, y_pred[2][2] = {{0.6f, 0.4f}, {0.4f, 0.6f}};
  const float sample_weight[2] = {0.8f, 0.2f};
  const float input[2][3] = {{-1, -2, -0.5f}, {-0.5f, -1.5f, -1}};
  const float target[2][3] = {{0.5f, 0, 0.5f}, {0.25f, 0.5f, 0.25f}};
  const float log_target[2][3] = {{-0.5f, -3, -1}, {-2, -1, -0.25f}};
  float loss, losses[2], grad[2][2], input_grad[2][3];

  if (api("10: tf.keras.losses.kullback_leibler_divergence()", VLOSS_KERAS_KL_DIVERGENCE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_KL_DIVERGENCE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.916289156, -3.08090753e-6);
    GIVES(grad, -1.66666662e-7, -2.49999996, -2.49999999e-7, -1.66666662e-7);
  }

  if (api("11: tf.keras.losses.KLDivergence()", VLOSS_KERAS_KL_DIVERGENCE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KERAS_KL_DIVERGENCE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.36651536);
    GIVES(grad, -6.66666658e-8, -1, -2.50000003e-8, -1.66666664e-8);
  }

  if (api("12: torch.nn.KLDivLoss(reduction='batchmean')", VLOSS_KL_DIV)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KL_DIV, .rows = 2, .columns = 3, .prediction = input, .target = target,
        .reduction = VLOSS_BATCH_MEAN, .loss = &loss, .grad = input_grad});
    GIVES(loss, 0.0710660243);
    GIVES(input_grad, -0.25, 0, -0.25, -0.125, -0.25, -0.125);
  }

  if (api("12: torch.nn.KLDivLoss(log_target=True)", VLOSS_KL_DIV)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_KL_DIV, .rows = 2, .columns = 3, .prediction = input, .target = log_target,
        .parameters = (double[]){1}, .parameter_count = 1,
        .reduction = VLOSS_MEAN, .loss = &loss, .grad = input_grad});
    GIVES(loss, 0.105762654);
    GIVES(input_grad, -0.101088443, -0.00829784473, -0.0613132402, -0.0225558805, -0.0613132402, -0.129800131);
  }
}

static void keras_errors(void) {
  const float y_true[2][2] = {{2, 1}, {2, 3}}, y_pred[2][2] = {{1, 1}, {1, 0}}, sample_weight[2] = {0.7f, 0.3f};
  float loss, losses[2], grad[2][2];

  if (api("13: tf.keras.losses.mean_absolute_error()", VLOSS_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_L1, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.5, 2);
    GIVES(grad, -0.5, 0, -0.5, -0.5);
  }

  if (api("14: tf.keras.losses.MeanAbsoluteError()", VLOSS_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_L1, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.475000009);
    GIVES(grad, -0.174999997, 0, -0.075000003, -0.075000003);
  }

  if (api("15: tf.keras.losses.MeanAbsolutePercentageError()", VLOSS_MAPE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MAPE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 20.0000003);
    GIVES(grad, -8.74999985, 0, -3.75000015, -2.5000001);
  }

  if (api("16: tf.keras.losses.mean_absolute_percentage_error()", VLOSS_MAPE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MAPE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 25, 75);
    GIVES(grad, -25, 0, -25, -16.6666667);
  }

  if (api("17: tf.keras.losses.Huber(delta=0.5)", VLOSS_HUBER)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_HUBER, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .parameters = (double[]){0.5}, .parameter_count = 1,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.53125);
    GIVES(grad, -0.125, 0, -0.125, -0.125);
  }

  if (api("22: tf.keras.losses.MeanSquaredError(reduction=SUM)", VLOSS_MSE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM, .loss = &loss, .grad = grad});
    GIVES(loss, 1.85000005);
    GIVES(grad, -0.699999988, 0, -0.300000012, -0.900000036);
  }

  if (api("23: tf.keras.losses.mean_squared_error()", VLOSS_MSE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.5, 5);
    GIVES(grad, -1, 0, -1, -3);
  }

  if (api("24: tf.keras.losses.MeanSquaredLogarithmicError()", VLOSS_MSLE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSLE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.185236378);
    GIVES(grad, -0.0709563927, 0, -0.0304098843, 0);
  }

  if (api("25: tf.keras.losses.mean_squared_logarithmic_error()", VLOSS_MSLE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSLE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.0822009769, 1.04310687);
    GIVES(grad, -0.202732554, 0, -0.202732554, 0);
  }
}

static void torch_errors(void) {
  const float input[5] = {0.2f, -0.5f, 1.5f, -3, 0}, target[5] = {0};
  float loss, losses[5], grad[5], grad_target[5];

  if (api("18: torch.nn.L1Loss()", VLOSS_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_L1, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .loss = &loss, .grad = grad, .grad_target = grad_target});
    GIVES(loss, 1.04);
    GIVES(grad, 0.2, -0.2, 0.2, -0.2, 0);
    GIVES(grad_target, -0.2, 0.2, -0.2, 0.2, 0);
  }

  if (api("19: torch.nn.functional.l1_loss(reduction='sum')", VLOSS_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_L1, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .reduction = VLOSS_SUM, .loss = &loss, .grad = grad});
    GIVES(loss, 5.2);
    GIVES(grad, 1, -1, 1, -1, 0);
  }

  if (api("20: torch.nn.SmoothL1Loss()", VLOSS_SMOOTH_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_SMOOTH_L1, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .loss = &loss, .grad = grad});
    GIVES(loss, 0.729);
    GIVES(grad, 0.0400000006, -0.1, 0.2, -0.2, 0);
  }

  if (api("21: torch.nn.functional.smooth_l1_loss(beta=0.5, reduction='none')", VLOSS_SMOOTH_L1)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_SMOOTH_L1, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .parameters = (double[]){0.5}, .parameter_count = 1,
        .reduction = VLOSS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.0400000012, 0.25, 1.25, 2.75, 0);
    GIVES(grad, 0.400000006, -1, 1, -1, 0);
  }

  if (api("26: torch.nn.MSELoss()", VLOSS_MSE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSE, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .loss = &loss, .grad = grad});
    GIVES(loss, 2.308);
    GIVES(grad, 0.0800000012, -0.2, 0.6, -1.2, 0);
  }

  if (api("27: torch.nn.functional.mse_loss(reduction='none')", VLOSS_MSE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_MSE, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .reduction = VLOSS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 0.0400000012, 0.25, 2.25, 9, 0);
    GIVES(grad, 0.400000006, -1, 3, -6, 0);
  }
}

static void hinges(void) {
  const float y_true[2][2] = {{0, 1}, {0, 0}}, y_pred[2][2] = {{0.6f, 0.4f}, {0.4f, 0.6f}};
  const float sample_weight[2] = {1, 0};
  const float input[5] = {0.3f, 0.3f, 1, 2, -5}, target[5] = {1, -1, -1, -1, 1};
  float loss, losses[2], grad[2][2], input_grad[5];

  if (api("28: tf.keras.losses.CategoricalHinge()", VLOSS_CATEGORICAL_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_CATEGORICAL_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 0.600000009);
    GIVES(grad, 0.5, -0.5, 0, 0);
  }

  if (api("29: tf.keras.losses.categorical_hinge()", VLOSS_CATEGORICAL_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_CATEGORICAL_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 1.20000002, 1.60000002);
    GIVES(grad, 1, -1, 0, 1);
  }

  if (api("30: tf.keras.losses.Hinge()", VLOSS_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 1.30000001);
    GIVES(grad, 0.25, -0.25, 0.25, 0.25);
  }

  if (api("31: tf.keras.losses.hinge()", VLOSS_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .parameters = (double[]){1}, .parameter_count = 1, /* label_mode: the labels are 0 and 1 */
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 1.10000001, 1.50000001);
    GIVES(grad, 0.5, -0.5, 0.5, 0.5);
  }

  if (api("32: tf.keras.losses.SquaredHinge()", VLOSS_SQUARED_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_SQUARED_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, 1.86000004);
    GIVES(grad, 0.800000012, -0.299999997, 0.700000003, 0.800000012);
  }

  if (api("33: tf.keras.losses.squared_hinge()", VLOSS_SQUARED_HINGE)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_SQUARED_HINGE, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, 1.46000003, 2.26000005);
    GIVES(grad, 1.60000002, -0.599999994, 1.40000001, 1.60000002);
  }

  if (api("34: torch.nn.HingeEmbeddingLoss(margin=0.75)", VLOSS_HINGE_EMBEDDING)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_HINGE_EMBEDDING, .rows = 1, .columns = 5, .prediction = input, .target = target,
        .parameters = (double[]){0.75}, .parameter_count = 1, .loss = &loss, .grad = input_grad});
    GIVES(loss, -0.85);
    GIVES(input_grad, 0.2, -0.2, 0, 0, 0.2);
  }
}

static void cosines(void) {
  const float y_true[2][2] = {{0, 1}, {1, 1}}, y_pred[2][2] = {{1, 0.5f}, {-1, 2}}, sample_weight[2] = {0.8f, 0.2f};
  const float x1[2][2] = {{1, 2}, {1, 2}}, x2[2][2] = {{2, 1}, {2, 1}}, target[2] = {1, -1};
  float loss, losses[2], grad[2][2], grad_x2[2][2];

  if (api("35: tf.keras.losses.CosineSimilarity()", VLOSS_COSINE_SIMILARITY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_COSINE_SIMILARITY, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .weights = sample_weight, .weights_spread = VLOSS_PER_ROW,
        .reduction = VLOSS_KERAS_SUM_OVER_BATCH_SIZE, .loss = &loss, .grad = grad});
    GIVES(loss, -0.210508218);
    GIVES(grad, 0.143108353, -0.286216705, -0.0379473325, -0.0189736662);
  }

  if (api("36: tf.keras.losses.cosine_similarity()", VLOSS_COSINE_SIMILARITY)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_COSINE_SIMILARITY, .rows = 2, .columns = 2, .prediction = y_pred, .target = y_true,
        .reduction = VLOSS_KERAS_NONE, .loss = losses, .grad = grad});
    GIVES(losses, -0.447213595, -0.316227766);
    GIVES(grad, 0.357770876, -0.715541753, -0.379473319, -0.18973666);
  }

  if (api("37: torch.nn.CosineEmbeddingLoss(margin=0.5)", VLOSS_COSINE_EMBEDDING)) {
    status = vloss_loss(&(vloss_loss_args){
        .kind = VLOSS_COSINE_EMBEDDING, .rows = 2, .columns = 2, .prediction = x1, .other = x2, .target = target,
        .parameters = (double[]){0.5}, .parameter_count = 1,
        .loss = &loss, .grad = grad, .grad_other = grad_x2});
    GIVES(loss, 0.25);
    GIVES(grad, -0.12, 0.06, 0.12, -0.06);
    GIVES(grad_x2, 0.06, -0.12, -0.06, 0.12);
  }
}

/* clang-format on */

int main(int argc, char **argv) {
  if (argc > 1) selected = argv[1];
  keras_binary_crossentropy();
  keras_categorical_crossentropy();
  keras_sparse_categorical_crossentropy();
  torch_binary_cross_entropy();
  torch_cross_entropy();
  kullback_leibler();
  keras_errors();
  torch_errors();
  hinges();
  cosines();
  return report_snippets();
}
