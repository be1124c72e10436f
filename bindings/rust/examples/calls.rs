//! Cross-entropy with its gradient, on threads of std::thread, and the Huber loss with its gradient. Prints the bits of
//! the losses and a hash of those of the gradients: tests/rust/calls.c does the same in C.

use std::os::raw::c_void;
use std::ptr::{addr_of, addr_of_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use vloss_sys::*;

const ROWS: usize = 64;
const CLASSES: usize = 5000;
const THREADS: usize = 3;

fn numbers(mut seed: u32) -> Vec<f32> {
    let next = |_| {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        (seed >> 8) as f32 / (1 << 20) as f32 - 8.0
    };
    (0..ROWS * CLASSES).map(next).collect()
}

fn hash(values: &[f32]) -> u32 {
    let bytes = values.iter().flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(2166136261, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16777619))
}

/// The executor: thread t of this process takes the tasks t, t + THREADS, ... The context counts the calls.
unsafe extern "C" fn run(context: *mut c_void, count: usize, task: vloss_task, argument: *mut c_void) {
    (*context.cast::<AtomicUsize>()).fetch_add(1, Ordering::Relaxed);
    let argument = argument as usize; // a pointer does not go to a thread, a number does
    std::thread::scope(|scope| {
        for first in 0..THREADS.min(count) {
            scope.spawn(move || (first..count).step_by(THREADS).for_each(|i| task(argument as *mut c_void, i)));
        }
    });
}

fn main() {
    let labels: Vec<i64> = (0..ROWS).map(|row| (row * 7919 % CLASSES) as i64).collect();
    let (x, t) = (numbers(1), numbers(2));
    let (mut loss, mut grad) = (0f32, vec![0f32; ROWS * CLASSES]);

    let runs = AtomicUsize::new(0);
    let executor = vloss_executor { context: addr_of!(runs) as *mut c_void, threads: THREADS, run: Some(run) };
    let args = vloss_cross_entropy_args {
        rows: ROWS,
        classes: CLASSES,
        logits: x.as_ptr().cast(),
        labels: labels.as_ptr().cast(),
        label_smoothing: 0.1,
        loss: addr_of_mut!(loss).cast(),
        grad: grad.as_mut_ptr().cast(),
        executor: &executor,
        ..Default::default()
    };
    // SAFETY: the arrays have ROWS rows of CLASSES, and live on.
    assert_eq!(unsafe { vloss_cross_entropy(&args) }, VLOSS_OK);
    assert!(runs.into_inner() > 0, "the call used no threads");
    println!("cross_entropy {:08x} {:08x}", loss.to_bits(), hash(&grad));

    let delta = 0.5;
    let args = vloss_loss_args {
        kind: VLOSS_HUBER,
        rows: ROWS,
        columns: CLASSES,
        prediction: x.as_ptr().cast(),
        target: t.as_ptr().cast(),
        parameters: &delta,
        parameter_count: 1,
        loss: addr_of_mut!(loss).cast(),
        grad: grad.as_mut_ptr().cast(),
        ..Default::default()
    };
    // SAFETY: as above.
    assert_eq!(unsafe { vloss_loss(&args) }, VLOSS_OK);
    println!("huber {:08x} {:08x}", loss.to_bits(), hash(&grad));
}
