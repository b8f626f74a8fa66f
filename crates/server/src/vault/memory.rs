//! A budget of memory: whoever needs some waits for it, in order, and what is held for a body is given back when the body was sent.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Refusal;

const MIB: u64 = 1024 * 1024;

/// The budget, counted in MiB.
#[derive(Debug)]
pub(crate) struct Memory {
    room: Arc<Semaphore>,
    all: u32,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
}

/// Bytes that hold on to their part of the budget.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Memory {
    /// A budget of that many MiB.
    pub fn new(mib: u32) -> Self {
        Self { room: Arc::new(Semaphore::new(mib as usize)), all: mib }
    }

    /// Waits for room for that many bytes; for more than the whole budget, for all of it.
    pub async fn room_for(&self, bytes: u64) -> Result<Room, Refusal> {
        let wanted = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.all);
        let permit = Arc::clone(&self.room).acquire_many_owned(wanted).await;
        permit.map(|permit| Room { _permit: permit }).map_err(|_| Refusal::Unavailable("the server is stopping".to_owned()))
    }
}

impl Room {
    /// Ties the room to the bytes: it is given back when the last copy of them is gone.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self })
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
        let bytes = room.hold(Bytes::from_static(b"body"));
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(memory.room.available_permits(), 0);
        drop(part);
        assert_eq!(memory.room.available_permits(), 2);
        drop(memory.room_for(u64::MAX).await.unwrap());
        assert_eq!(memory.room.available_permits(), 2);
    }
}
