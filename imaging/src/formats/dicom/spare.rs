//! Buffers that compressed frames are decoded through, kept by each thread for its next frame.
//!
//! A fresh buffer of half a megabyte for each slice costs more in page faults than RLE costs in decoding.

use std::cell::RefCell;

/// Buffers that a thread keeps, and the largest of them.
const MOST_KEPT: usize = 4;
const LARGEST_KEPT: usize = 16 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// `len` bytes that hold anything; whoever takes them writes all of them.
pub(super) fn take(len: usize) -> Vec<u8> {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.resize(len, 0);
    buffer
}

/// Keeps a buffer for the next frame of this thread.
pub(super) fn give(buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|kept| {
        if kept.len() < MOST_KEPT && buffer.capacity() <= LARGEST_KEPT {
            kept.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_in_the_length_asked_for() {
        give(vec![7; 1000]);
        let buffer = take(300);
        assert!(buffer.len() == 300 && buffer.capacity() >= 1000);
        give(buffer);
        assert_eq!(take(2000).len(), 2000);
        give(Vec::with_capacity(LARGEST_KEPT + 1));
        assert_eq!(take(0).capacity(), 0);
    }
}
