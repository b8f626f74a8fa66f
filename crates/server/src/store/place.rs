//! Where a case's group stands.

use super::StoreError;

/// Where a group of a case stands: generation and epoch. In the database one number, so that places are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub generation: u32,
    /// Below 2^32: no group has so many.
    pub epoch: u64,
}

impl Place {
    const EPOCHS: u64 = 1 << 32;

    /// The place of an epoch that somebody names; none for one that no group reaches.
    pub fn named(generation: u32, epoch: u64) -> Option<Self> {
        (epoch < Self::EPOCHS).then_some(Self { generation, epoch })
    }

    /// Where a commit that is made here leads.
    pub const fn next(self) -> Self {
        Self { epoch: self.epoch + 1, ..self }
    }

    /// The last place of this generation.
    pub const fn last(self) -> Self {
        Self { epoch: Self::EPOCHS - 1, ..self }
    }

    /// The number by which it stands in the database.
    pub const fn number(self) -> u64 {
        self.generation as u64 * Self::EPOCHS + self.epoch
    }

    /// Reads it from the database.
    pub fn read(number: u64) -> Result<Self, StoreError> {
        let generation = u32::try_from(number / Self::EPOCHS).map_err(|_| StoreError::Corrupt("a place of a group"))?;
        Ok(Self { generation, epoch: number % Self::EPOCHS })
    }
}
