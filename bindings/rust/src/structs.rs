//! The structs of vloss.h, which documents every field.

use crate::constants::*;
use std::os::raw::{c_char, c_int, c_void};

/// A task that an executor runs: calls it with `argument` and a number below `count`.
pub type vloss_task = unsafe extern "C" fn(argument: *mut c_void, index: usize);

structs! {
    /// The threads that a call may use.
    pub struct vloss_executor {
        pub context: *mut c_void,
        pub threads: usize,
        /// Not null.
        pub run: Option<unsafe extern "C" fn(*mut c_void, usize, vloss_task, *mut c_void)>,
    }

    /// Of `vloss_cross_entropy`, its parts, and `vloss_nll`.
    pub struct vloss_cross_entropy_args {
        pub rows: usize,
        pub classes: usize,
        pub inner: usize,
        pub logits: *const c_void,
        pub logits_stride: usize,
        pub r#type: vloss_type,
        pub labels: *const c_void,
        pub label_type: vloss_label_type,
        pub ignore: vloss_ignore,
        pub ignore_index: i64,
        pub targets: *const c_void,
        pub targets_stride: usize,
        pub weights: *const c_void,
        pub label_smoothing: f64,
        pub reduction: vloss_reduction,
        pub flags: u32,
        pub upstream: *const c_void,
        pub loss: *mut c_void,
        pub grad: *mut c_void,
        pub grad_stride: usize,
        pub lse: *mut c_void,
        pub predicted: *mut c_void,
        pub bad_row: *mut usize,
        pub executor: *const vloss_executor,
        pub class_offset: usize,
        pub total_classes: usize,
        pub states: *mut vloss_row_state,
        pub scale: f64,
        pub softcap: f64,
        pub z_loss: f64,
        pub row_weights: *const c_void,
        pub shift: usize,
        pub sequence: usize,
        pub z_loss_part: *mut c_void,
        pub max: *mut c_void,
        pub log_sum: *mut c_void,
        pub correct: *mut i32,
        pub grad_targets: *mut c_void,
        pub grad_targets_stride: usize,
    }

    /// What is known of a row whose classes are spread. Zeros are a state of nothing.
    pub struct vloss_row_state {
        pub opaque: [u64; 16],
    }

    /// Of `vloss_softmax` and its kin.
    pub struct vloss_softmax_args {
        pub rows: usize,
        pub classes: usize,
        pub inner: usize,
        pub input: *const c_void,
        pub input_stride: usize,
        pub upstream: *const c_void,
        pub upstream_stride: usize,
        pub r#type: vloss_type,
        pub output: *mut c_void,
        pub output_stride: usize,
        pub executor: *const vloss_executor,
    }

    /// Of `vloss_log_probs` and its parts.
    pub struct vloss_log_probs_args {
        pub rows: usize,
        pub classes: usize,
        pub inner: usize,
        pub logits: *const c_void,
        pub logits_stride: usize,
        pub r#type: vloss_type,
        pub scale: f64,
        pub softcap: f64,
        pub ids: *const c_void,
        pub ids_per_row: usize,
        pub label_type: vloss_label_type,
        pub ignore: vloss_ignore,
        pub ignore_index: i64,
        pub flags: u32,
        pub logprob: *mut c_void,
        pub rank: *mut c_void,
        pub top: usize,
        pub top_id: *mut c_void,
        pub top_logprob: *mut c_void,
        pub max: *mut c_void,
        pub log_sum: *mut c_void,
        pub lse: *mut c_void,
        pub entropy: *mut c_void,
        pub upstream: *const c_void,
        pub entropy_upstream: *const c_void,
        pub lse_upstream: *const c_void,
        pub grad: *mut c_void,
        pub grad_stride: usize,
        pub bad_row: *mut usize,
        pub executor: *const vloss_executor,
        pub class_offset: usize,
        pub total_classes: usize,
        pub states: *mut c_void,
    }

    /// Of `vloss_divergence`.
    pub struct vloss_divergence_args {
        pub kind: vloss_divergence_kind,
        pub rows: usize,
        pub classes: usize,
        pub inner: usize,
        pub student: *const c_void,
        pub student_stride: usize,
        pub student_type: vloss_type,
        pub teacher: *const c_void,
        pub teacher_stride: usize,
        pub teacher_type: vloss_type,
        pub scale: f64,
        pub beta: f64,
        pub labels: *const c_void,
        pub label_type: vloss_label_type,
        pub ignore: vloss_ignore,
        pub ignore_index: i64,
        pub reduction: vloss_reduction,
        pub flags: u32,
        pub upstream: *const c_void,
        pub loss: *mut c_void,
        pub same_top: *mut i32,
        pub grad: *mut c_void,
        pub grad_stride: usize,
        pub executor: *const vloss_executor,
    }

    /// Of `vloss_loss`.
    pub struct vloss_loss_args {
        pub kind: vloss_loss_kind,
        pub rows: usize,
        pub columns: usize,
        pub inner: usize,
        pub prediction: *const c_void,
        pub prediction_stride: usize,
        pub target: *const c_void,
        pub target_stride: usize,
        pub other: *const c_void,
        pub other_stride: usize,
        pub other_spread: vloss_spread,
        pub r#type: vloss_type,
        pub labels: *const c_void,
        pub label_type: vloss_label_type,
        pub weights: *const c_void,
        pub weights_stride: usize,
        pub weights_spread: vloss_spread,
        pub parameters: *const f64,
        pub parameter_count: usize,
        pub reduction: vloss_reduction,
        pub flags: u32,
        pub upstream: *const c_void,
        pub loss: *mut c_void,
        pub grad: *mut c_void,
        pub grad_stride: usize,
        pub grad_target: *mut c_void,
        pub grad_target_stride: usize,
        pub grad_other: *mut c_void,
        pub grad_other_stride: usize,
        pub bad_index: *mut usize,
        pub executor: *const vloss_executor,
    }

    /// What a parameter of a loss may be.
    pub struct vloss_parameter_info {
        pub name: *const c_char,
        pub default_value: f64,
        pub minimum: f64,
        pub maximum: f64,
        pub above_minimum: c_int,
        pub whole: c_int,
    }

    /// What a loss takes and gives.
    pub struct vloss_loss_info {
        pub kind: vloss_loss_kind,
        pub family: vloss_family,
        pub name: *const c_char,
        pub operands: u32,
        pub other: *const c_char,
        pub parameters: *const vloss_parameter_info,
        pub parameter_count: usize,
        pub apis: *const *const c_char,
    }
}
