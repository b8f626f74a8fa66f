//! Buffers of a segment's size that are used again: to be given eight fresh mebibytes costs more time than to seal them.

use core::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The buffers that nobody uses now; never more than were in use at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use. It goes back when it is dropped, and then holds what it held.
#[derive(Debug)]
pub(crate) struct Lent {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// A buffer with whatever its last user left in it; an empty one if all are in use.
    pub(crate) fn take(&self) -> Lent {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { bytes: spare.unwrap_or_default(), home: self.clone() }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(core::mem::take(&mut self.bytes));
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_came_back_is_lent_again() {
        let buffers = Buffers::default();
        let (mut one, other) = (buffers.take(), buffers.take());
        one.resize(1000, 7);
        let at = one.as_ptr();
        drop(one);
        drop(other);
        let lent = [buffers.take(), buffers.take(), buffers.take()];
        assert_eq!(lent.iter().filter(|lent| lent.as_ptr() == at && lent.len() == 1000).count(), 1);
    }
}
