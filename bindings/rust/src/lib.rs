//! vloss for Rust: the declarations of `vloss.h`, which documents what everything means, and nothing above them.
//! Pointers are raw and calls unsafe; `examples/minimal.rs` shows one.
//!
//! A struct of zeros, which `Default` makes, asks for the defaults:
//!
//! ```
//! use vloss_sys::*;
//! let (logits, labels) = ([1f32, 2.0, 3.0, 0.0, 4.0, 0.0], [2i64, 0]);
//! let mut loss = 0f32;
//! let args = vloss_cross_entropy_args {
//!     rows: 2,
//!     classes: 3,
//!     logits: logits.as_ptr().cast(),
//!     labels: labels.as_ptr().cast(),
//!     loss: std::ptr::addr_of_mut!(loss).cast(),
//!     ..Default::default()
//! };
//! assert_eq!(unsafe { vloss_cross_entropy(&args) }, VLOSS_OK);
//! assert_eq!(format!("{loss:.6}"), "2.221791");
//! ```
#![allow(non_camel_case_types)]

#[macro_use]
mod macros;
mod constants;
#[cfg(test)]
mod header;
mod structs;

pub use constants::*;
use std::os::raw::{c_char, c_void};
pub use structs::*;

functions! {
    pub fn vloss_status_message(status: vloss_status) -> *const c_char;
    pub fn vloss_status_name(status: vloss_status) -> *const c_char;
    pub fn vloss_version() -> *const c_char;

    pub fn vloss_isa_count() -> usize;
    pub fn vloss_isa_name(index: usize) -> *const c_char;
    pub fn vloss_isa_unsupported_reason(name: *const c_char) -> *const c_char;
    pub fn vloss_isa_current(name: *mut *const c_char) -> vloss_status;
    pub fn vloss_isa_force(name: *const c_char) -> vloss_status;
    pub fn vloss_cpu_features() -> *const c_char;

    pub fn vloss_cross_entropy_sized(args: *const vloss_cross_entropy_args, size: usize) -> vloss_status;
    pub fn vloss_cross_entropy_partial_sized(args: *const vloss_cross_entropy_args, size: usize) -> vloss_status;
    pub fn vloss_cross_entropy_finish_sized(args: *const vloss_cross_entropy_args, size: usize) -> vloss_status;
    pub fn vloss_cross_entropy_partial_gradient_sized(
        args: *const vloss_cross_entropy_args,
        size: usize
    ) -> vloss_status;
    pub fn vloss_cross_entropy_merge(
        into: *mut vloss_row_state,
        from: *const vloss_row_state,
        count: usize
    ) -> vloss_status;
    pub fn vloss_nll_sized(args: *const vloss_cross_entropy_args, size: usize) -> vloss_status;

    pub fn vloss_softmax_sized(args: *const vloss_softmax_args, size: usize) -> vloss_status;
    pub fn vloss_log_softmax_sized(args: *const vloss_softmax_args, size: usize) -> vloss_status;
    pub fn vloss_log_sum_exp_sized(args: *const vloss_softmax_args, size: usize) -> vloss_status;
    pub fn vloss_softmax_backward_sized(args: *const vloss_softmax_args, size: usize) -> vloss_status;
    pub fn vloss_log_softmax_backward_sized(args: *const vloss_softmax_args, size: usize) -> vloss_status;

    pub fn vloss_log_probs_sized(args: *const vloss_log_probs_args, size: usize) -> vloss_status;
    pub fn vloss_log_probs_partial_sized(args: *const vloss_log_probs_args, size: usize) -> vloss_status;
    pub fn vloss_log_probs_finish_sized(args: *const vloss_log_probs_args, size: usize) -> vloss_status;
    pub fn vloss_log_probs_state_bytes(total_classes: usize, ids_per_row: usize, top: usize) -> usize;
    pub fn vloss_log_probs_merge(
        into: *mut c_void,
        from: *const c_void,
        count: usize,
        state_bytes: usize
    ) -> vloss_status;

    pub fn vloss_divergence_sized(args: *const vloss_divergence_args, size: usize) -> vloss_status;
    pub fn vloss_loss_sized(args: *const vloss_loss_args, size: usize) -> vloss_status;
    pub fn vloss_loss_info_at(index: usize) -> *const vloss_loss_info;
    pub fn vloss_loss_info_named(name: *const c_char) -> *const vloss_loss_info;
    pub fn vloss_loss_info_of(kind: vloss_loss_kind) -> *const vloss_loss_info;
}

sized! {
    vloss_cross_entropy, vloss_cross_entropy_sized, vloss_cross_entropy_args;
    vloss_cross_entropy_partial, vloss_cross_entropy_partial_sized, vloss_cross_entropy_args;
    vloss_cross_entropy_finish, vloss_cross_entropy_finish_sized, vloss_cross_entropy_args;
    vloss_cross_entropy_partial_gradient, vloss_cross_entropy_partial_gradient_sized, vloss_cross_entropy_args;
    vloss_nll, vloss_nll_sized, vloss_cross_entropy_args;
    vloss_softmax, vloss_softmax_sized, vloss_softmax_args;
    vloss_log_softmax, vloss_log_softmax_sized, vloss_softmax_args;
    vloss_log_sum_exp, vloss_log_sum_exp_sized, vloss_softmax_args;
    vloss_softmax_backward, vloss_softmax_backward_sized, vloss_softmax_args;
    vloss_log_softmax_backward, vloss_log_softmax_backward_sized, vloss_softmax_args;
    vloss_log_probs, vloss_log_probs_sized, vloss_log_probs_args;
    vloss_log_probs_partial, vloss_log_probs_partial_sized, vloss_log_probs_args;
    vloss_log_probs_finish, vloss_log_probs_finish_sized, vloss_log_probs_args;
    vloss_divergence, vloss_divergence_sized, vloss_divergence_args;
    vloss_loss, vloss_loss_sized, vloss_loss_args;
}
