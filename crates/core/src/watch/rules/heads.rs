//! Rules about the log's heads: forks, rollbacks, freezes, stamps, witnesses. Times are seconds since 1970.

use super::{WAT_01, WAT_02, WAT_03, WAT_04, WAT_05};
use crate::log::VerifiedCheckpoint;
use crate::log::merkle::{RootHash, TreeSize};
use crate::watch::{Alert, Limits};

/// A record that waits for something: its index and the log's time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its index.
    pub index: u64,
    /// The log's time, in seconds.
    pub seconds: u64,
}

/// WAT-01: a checkpoint that somebody shows against the tree that was replayed. One of a size that was not replayed cannot be compared.
pub fn fork(shown: &VerifiedCheckpoint, by: &str, root_at: impl Fn(TreeSize) -> Option<RootHash>) -> Option<Alert> {
    let (size, replayed) = (shown.size(), root_at(shown.size())?);
    (replayed != shown.root()).then(|| {
        let text = format!(
            "{by} shows a checkpoint of {size} records with the root {}, signed by the log; the records replayed make {replayed}",
            shown.root()
        );
        Alert::of(WAT_01, format!("checkpoint of size {size}"), &shown.root(), text)
    })
}

/// WAT-01: two checkpoints of one size with two roots, whoever shows them.
pub fn two_roots(held: &VerifiedCheckpoint, shown: &VerifiedCheckpoint) -> Option<Alert> {
    (held.size() == shown.size()).then_some(())?;
    fork(shown, "the log", |_| Some(held.root()))
}

/// WAT-01: a larger checkpoint for which the log gives no proof that it only appends to one that it signed before.
pub fn no_extension(held: &VerifiedCheckpoint, shown: &VerifiedCheckpoint) -> Alert {
    let text = format!(
        "the log signed a checkpoint of {} records and now one of {}, and shows no proof that the second only appends to the first",
        held.size(),
        shown.size()
    );
    Alert::of(WAT_01, format!("checkpoint of size {}", shown.size()), &shown.root(), text)
}

/// WAT-02: the log's newest head against the largest that it was seen to sign.
pub fn rollback(held: &VerifiedCheckpoint, shown: &VerifiedCheckpoint) -> Option<Alert> {
    (shown.size() < held.size()).then(|| {
        let text = format!("the log signed a checkpoint of {} records and now shows one of {}", held.size(), shown.size());
        Alert::of(WAT_02, format!("checkpoint of size {}", held.size()), &shown.size(), text)
    })
}

/// WAT-03: others show a newer checkpoint than the log shows as its newest.
pub fn shown_newer(shown: &VerifiedCheckpoint, by: &str, head: TreeSize) -> Option<Alert> {
    (shown.size() > head).then(|| {
        let text = format!("{by} shows a checkpoint of {} records, signed by the log; the log itself shows {head}", shown.size());
        Alert::of(WAT_03, format!("head of {head} records"), &format!("behind {}", shown.size()), text)
    })
}

/// WAT-03: the newest checkpoint that meets the policy's quorum, by size and the time at which it was met, and the first record behind it.
pub fn not_vouched(vouched: Option<(u64, u64)>, behind: Option<Waiting>, now: u64, limits: &Limits) -> Option<Alert> {
    let behind = behind?;
    let since = vouched.map_or(behind.seconds, |(_, time)| time.max(behind.seconds));
    (now.saturating_sub(since) > limits.freshness_seconds).then(|| {
        let last = vouched.map_or_else(|| "none was ever".to_owned(), |(size, _)| format!("the last, of {size} records, was"));
        let text = format!(
            "for more than {} seconds no checkpoint was vouched for by the policy's quorum; {last}, and record {} stands behind it",
            limits.freshness_seconds, behind.index
        );
        Alert::of(WAT_03, "quorum of the policy", &vouched.map_or(0, |(size, _)| size), text)
    })
}

/// WAT-04: the first record that no stamped checkpoint includes.
pub fn not_stamped(first: Option<Waiting>, now: u64, limits: &Limits) -> Option<Alert> {
    let first = first.filter(|first| limits.stamp_seconds > 0 && now.saturating_sub(first.seconds) > limits.stamp_seconds)?;
    let text = format!("no stamped checkpoint includes record {}, which is more than {} seconds old", first.index, limits.stamp_seconds);
    Some(Alert::of(WAT_04, "time stamps", &first.index, text).with_records([first.index]))
}

/// WAT-05: the first record that no checkpoint includes which this witness cosigned.
pub fn not_cosigned(witness: &str, first: Option<Waiting>, now: u64, limits: &Limits) -> Option<Alert> {
    let first = first.filter(|first| limits.witness_seconds > 0 && now.saturating_sub(first.seconds) > limits.witness_seconds)?;
    let text = format!(
        "it cosigned no checkpoint that includes record {}, which is more than {} seconds old",
        first.index, limits.witness_seconds
    );
    Some(Alert::of(WAT_05, format!("witness {witness}"), &first.index, text).with_records([first.index]))
}
