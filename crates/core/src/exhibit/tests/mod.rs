//! Tests of the sealing format: vectors of others, our own vectors, and what a storage or a member might try.

mod cobblestone;
mod content;
mod manifest;
mod manifest_vectors;
mod names;
mod spec;
mod vectors;

use super::AwsLcCipher;
use super::keys::{ExhibitKey, GroupShare, ReleaseShare};
use super::{ExhibitError, Salt};
use crate::ids::{CaseId, ExhibitId};
use crate::secret::Secret32;

type Aes = AwsLcCipher;

const EXHIBIT: ExhibitId = ExhibitId::from_bytes([0xe1; 16]);
const OTHER_EXHIBIT: ExhibitId = ExhibitId::from_bytes([0xe2; 16]);
const CASE: CaseId = CaseId::from_bytes([0xca; 16]);

fn secret(byte: u8) -> Secret32 {
    Secret32::from_bytes([byte; 32])
}

fn salt(byte: u8) -> Salt {
    Salt::from_bytes([byte; 24])
}

fn exhibit_key() -> ExhibitKey {
    ExhibitKey::derive(&GroupShare::from_secret(secret(1)), &ReleaseShare::from_secret(secret(2)), EXHIBIT)
}

/// Byte `i` of every test stream: it repeats only after 64 KiB, so that moved chunks and segments differ.
fn stream(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ ((i >> 16) * 29)).to_le_bytes()[0]).collect()
}

/// The name under which the vectors know an error.
fn fault(error: &ExhibitError) -> String {
    match error {
        ExhibitError::Malformed { part, .. } => format!("malformed {part}"),
        ExhibitError::Json { part, .. } => format!("not the JSON of a {part}"),
        ExhibitError::Limit { part, .. } => format!("limit of {part}"),
        ExhibitError::WrongName { .. } => "wrong name".to_owned(),
        ExhibitError::WrongKeyOrContext { part } => format!("wrong key or context of {part}"),
        ExhibitError::Altered { part, chunk } => format!("altered chunk {chunk} of {part}"),
        ExhibitError::NotCommitted { part } => format!("not the committed {part}"),
        ExhibitError::Misbehaved { part, .. } => format!("misbehaved {part}"),
        ExhibitError::Rejected { rule, .. } => format!("rejected by {rule:?}"),
        ExhibitError::Bug { part, .. } => format!("misuse of {part}"),
    }
}

fn outcome<T>(result: &Result<T, ExhibitError>) -> String {
    result.as_ref().map_or_else(fault, |_| "ok".to_owned())
}
