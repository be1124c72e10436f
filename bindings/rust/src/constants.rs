//! The enumerations of vloss.h, as numbers: a library that is newer than this crate may answer with others.

use std::os::raw::c_uint;

/// What a call answers.
pub type vloss_status = c_uint;
/// Element type of what has a value for every row and class.
pub type vloss_type = c_uint;
/// Element type of class indices.
pub type vloss_label_type = c_uint;
/// How the losses of the rows become `loss`.
pub type vloss_reduction = c_uint;
/// Which rows do not count.
pub type vloss_ignore = c_uint;
/// What `vloss_divergence` computes.
pub type vloss_divergence_kind = c_uint;
/// The losses of `vloss_loss`.
pub type vloss_loss_kind = c_uint;
/// How an operand covers rows and columns.
pub type vloss_spread = c_uint;
/// How a loss is computed.
pub type vloss_family = c_uint;

constants! {
    vloss_status {
        VLOSS_OK = 0,
        VLOSS_ERROR_NULL = 1,
        VLOSS_ERROR_NO_OUTPUT = 2,
        VLOSS_ERROR_ENUM = 3,
        VLOSS_ERROR_TYPE = 4,
        VLOSS_ERROR_NO_CLASSES = 5,
        VLOSS_ERROR_OVERFLOW = 6,
        VLOSS_ERROR_STRIDE = 7,
        VLOSS_ERROR_ALIGNMENT = 8,
        VLOSS_ERROR_OVERLAP = 9,
        VLOSS_ERROR_LABEL = 10,
        VLOSS_ERROR_LABEL_SMOOTHING = 11,
        VLOSS_ERROR_IGNORE_INDEX = 12,
        VLOSS_ERROR_ARGUMENTS = 13,
        VLOSS_ERROR_ISA_UNKNOWN = 14,
        VLOSS_ERROR_ISA_UNSUPPORTED = 15,
        VLOSS_ERROR_VERSION = 16,
        VLOSS_ERROR_PARAMETER = 17,
        VLOSS_ERROR_PARAMETER_COUNT = 18,
        VLOSS_ERROR_PROBABILITY = 19,
        VLOSS_ERROR_VARIANCE = 20,
        VLOSS_ERROR_RATE = 21,
        VLOSS_ERROR_EXECUTOR = 22,
        VLOSS_ERROR_SHARD = 23,
        VLOSS_ERROR_STATE = 24,
        VLOSS_ERROR_NO_SLEEF = 25,
        VLOSS_ERROR_NO_FMA = 26,
        VLOSS_ERROR_SCALE = 27,
    }
    vloss_type {
        VLOSS_F32 = 0,
        VLOSS_F64 = 1,
        VLOSS_F16 = 2,
        VLOSS_BF16 = 3,
    }
    vloss_label_type {
        VLOSS_I64 = 0,
        VLOSS_I32 = 1,
    }
    vloss_reduction {
        VLOSS_MEAN = 0,
        VLOSS_SUM = 1,
        VLOSS_NONE = 2,
        VLOSS_BATCH_MEAN = 3,
        VLOSS_KERAS_NONE = 4,
        VLOSS_KERAS_SUM = 5,
        VLOSS_KERAS_SUM_OVER_BATCH_SIZE = 6,
    }
    vloss_ignore {
        VLOSS_IGNORE_DEFAULT = 0,
        VLOSS_IGNORE_INDEX = 1,
        VLOSS_IGNORE_NOTHING = 2,
    }
    u32 {
        VLOSS_UNCHECKED = 1,
        VLOSS_EMPTY_MEAN_ZERO = 2,
    }
    usize {
        VLOSS_CLASS_BLOCK = 4096,
    }
    vloss_divergence_kind {
        VLOSS_FORWARD_KL = 0,
        VLOSS_REVERSE_KL = 1,
        VLOSS_JSD = 2,
        VLOSS_TOTAL_VARIATION = 3,
    }
    vloss_loss_kind {
        VLOSS_CROSS_ENTROPY = 1,
        VLOSS_NLL = 2,
        VLOSS_L1 = 3,
        VLOSS_MSE = 4,
        VLOSS_SMOOTH_L1 = 5,
        VLOSS_HUBER = 6,
        VLOSS_LOG_COSH = 7,
        VLOSS_MAPE = 8,
        VLOSS_MSLE = 9,
        VLOSS_BCE = 10,
        VLOSS_BCE_WITH_LOGITS = 11,
        VLOSS_KERAS_BCE = 12,
        VLOSS_SIGMOID_FOCAL = 13,
        VLOSS_KL_DIV = 14,
        VLOSS_POISSON = 15,
        VLOSS_POISSON_NLL = 16,
        VLOSS_GAUSSIAN_NLL = 17,
        VLOSS_HINGE_EMBEDDING = 18,
        VLOSS_HINGE = 19,
        VLOSS_SQUARED_HINGE = 20,
        VLOSS_SOFT_MARGIN = 21,
        VLOSS_MARGIN_RANKING = 22,
        VLOSS_KERAS_CATEGORICAL_CROSSENTROPY = 23,
        VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY = 24,
        VLOSS_KERAS_KL_DIVERGENCE = 25,
        VLOSS_CATEGORICAL_HINGE = 26,
        VLOSS_COSINE_SIMILARITY = 27,
        VLOSS_COSINE_EMBEDDING = 28,
        VLOSS_MULTI_MARGIN = 29,
        VLOSS_MULTILABEL_MARGIN = 30,
        VLOSS_MULTILABEL_SOFT_MARGIN = 31,
        VLOSS_TRIPLET_MARGIN = 32,
        VLOSS_KERAS_BINARY_FOCAL = 33,
    }
    vloss_spread {
        VLOSS_PER_ELEMENT = 0,
        VLOSS_PER_COLUMN = 1,
        VLOSS_PER_ROW = 2,
        VLOSS_PER_CALL = 3,
    }
    vloss_family {
        VLOSS_ELEMENTWISE = 0,
        VLOSS_ROWS = 1,
        VLOSS_LOGITS = 2,
    }
    u32 {
        VLOSS_TAKES_TARGET = 1,
        VLOSS_TAKES_TARGET_PER_ROW = 2,
        VLOSS_TAKES_LABELS = 4,
        VLOSS_TAKES_LABEL_LISTS = 8,
        VLOSS_TAKES_OTHER = 16,
        VLOSS_OTHER_OPTIONAL = 32,
        VLOSS_OTHER_SPREADS = 64,
        VLOSS_WEIGHTS_A_CLASS = 128,
        VLOSS_GRAD_TARGET = 256,
        VLOSS_GRAD_OTHER = 512,
        VLOSS_TARGET_SIGNS = 1024,
        VLOSS_WEIGHTS_AN_ELEMENT = 2048,
    }
}
