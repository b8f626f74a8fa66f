//! A budget of memory: whoever needs some waits for it, in order, and what is held for a body is given back when the body was sent or stored.
//!
//! Buffers are used again, a few of them: to be given eight fresh mebibytes costs more time than to receive them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Refusal;

const MIB: u64 = 1024 * 1024;
/// The most buffers that are kept for the next body.
const SPARE: usize = 4;

/// The budget, counted in MiB.
#[derive(Debug)]
pub(crate) struct Memory {
    room: Arc<Semaphore>,
    all: u32,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Bytes that hold on to their part of the budget.
struct Held {
    bytes: Vec<u8>,
    room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut spare = self.room.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(core::mem::take(&mut self.bytes));
        }
    }
}

impl Memory {
    /// A budget of that many MiB.
    pub fn new(mib: u32) -> Self {
        Self { room: Arc::new(Semaphore::new(mib as usize)), all: mib, spare: Arc::default() }
    }

    /// Waits for room for that many bytes; for more than the whole budget, for all of it.
    pub async fn room_for(&self, bytes: u64) -> Result<Room, Refusal> {
        let wanted = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.all);
        let permit = Arc::clone(&self.room).acquire_many_owned(wanted).await;
        permit
            .map(|permit| Room { _permit: permit, spare: Arc::clone(&self.spare) })
            .map_err(|_| Refusal::Unavailable("the server is stopping".to_owned()))
    }
}

impl Room {
    /// An empty buffer to be filled; fill no more than there is room for.
    pub fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Ties the room to the bytes: both are given back when the last copy of them is gone.
    pub fn hold(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, room: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_given_back_when_the_bytes_are_gone() {
        let memory = Memory::new(2);
        let room = memory.room_for(MIB + 1).await.unwrap();
        assert_eq!(memory.room.available_permits(), 0);
        let mut buffer = room.buffer();
        buffer.extend_from_slice(b"body");
        let at = buffer.as_ptr();
        let bytes = room.hold(buffer);
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(memory.room.available_permits(), 0);
        drop(part);
        assert_eq!(memory.room.available_permits(), 2);
        let room = memory.room_for(u64::MAX).await.unwrap();
        let again = room.buffer();
        assert!(again.is_empty() && again.as_ptr() == at, "the buffer is used again");
        drop(room);
        assert_eq!(memory.room.available_permits(), 2);
    }
}
