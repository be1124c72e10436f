//! examples/minimal.c in Rust: mean loss of two rows of three classes, and its gradient.

use std::ffi::CStr;
use vloss_sys::*;

fn main() {
    let logits = [[1f32, 2.0, 3.0], [0.0, 4.0, 0.0]];
    let labels = [2i64, 0];
    let (mut loss, mut grad) = (0f32, [[0f32; 3]; 2]);
    let args = vloss_cross_entropy_args {
        rows: 2,
        classes: 3,
        logits: logits.as_ptr().cast(),
        labels: labels.as_ptr().cast(),
        loss: std::ptr::addr_of_mut!(loss).cast(),
        grad: grad.as_mut_ptr().cast(),
        ..Default::default()
    };
    // SAFETY: every array has the length that rows and classes ask for.
    let status = unsafe { vloss_cross_entropy(&args) };
    if status != VLOSS_OK {
        // SAFETY: the message is a string that is valid until this thread asks for another.
        let message = unsafe { CStr::from_ptr(vloss_status_message(status)) };
        eprintln!("{}", message.to_string_lossy());
        std::process::exit(1);
    }
    println!("mean loss {loss:.6}");
    for row in grad {
        println!("gradient {:9.6} {:9.6} {:9.6}", row[0], row[1], row[2]);
    }
}
