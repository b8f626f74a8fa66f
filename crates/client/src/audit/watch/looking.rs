//! What others hold and vouched for, against the log's own head and the tree that was replayed.

use std::path::Path;

use custodia_core::custody::replay::Replay;
use custodia_core::log::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::watch::rules::heads::{self, Waiting};

use super::{Found, Turn, Watch};
use crate::agent::Agent;
use crate::audit::AuditReport;
use crate::durable_file;
use crate::error::{AgentError, shown as shown_path};
use crate::kept::Side;
use crate::state::audit;

const MAX_NOTE_BYTES: usize = 128 * 1024;
/// How many kept checkpoints of smaller sizes are looked at for one that meets the quorum.
const MOST_KEPT: usize = 32;

impl Agent {
    /// What others hold and vouched for, against the log's own head.
    pub(super) async fn look_at_heads(
        &self,
        watch: &Watch,
        replay: &Replay,
        report: Option<&AuditReport>,
        found: &mut Found,
        turn: &mut Turn,
    ) -> Result<(), AgentError> {
        let (key, head) = {
            let believed = self.believed().await?;
            let head = believed.log.head().cloned().ok_or(AgentError::Bug)?;
            (believed.log.key().clone(), head)
        };
        let settings = &watch.settings;
        for path in &settings.others {
            let name = shown_path(path);
            match read_checkpoint(path, &key) {
                Ok(shown) => compare(&shown, &name, (&head, replay), found),
                Err(problem) => turn.unchecked.push(format!("{name}: {problem}")),
            }
        }
        let now = self.now().seconds();
        let waiting = async |from: u64| -> Result<Option<Waiting>, AgentError> {
            let new = report.and_then(|report| report.entries.iter().find(|entry| entry.index >= from));
            let known = audit::time_from(&mut *self.state.connection().await, from).await?;
            let new = new.map(|entry| Waiting { index: entry.index, seconds: entry.time.seconds() });
            let known = known.map(|(index, millis)| Waiting { index, seconds: millis / 1000 });
            Ok([known, new].into_iter().flatten().min_by_key(|waiting| waiting.index))
        };
        if settings.limits.stamp_seconds == 0 {
            turn.unchecked.push("time stamps: no stamp_seconds is set".to_owned());
        } else {
            let stamped = self.kept(Side::AtMost(head.size().get()), "stamp").await?;
            if let Some((stamped, _)) = &stamped {
                compare(stamped, "the log's kept checkpoint", (&head, replay), found);
            }
            let first = waiting(stamped.map_or(0, |(checkpoint, _)| checkpoint.size().get())).await?;
            found.alerts.extend(heads::not_stamped(first, now, &settings.limits));
        }
        let Some(policy) = settings.policy.as_ref().filter(|policy| policy.demands_cosignatures()) else {
            turn.unchecked.push("freshness and witnesses: no policy is set".to_owned());
            return Ok(());
        };
        let mut cosigned: Vec<Option<u64>> = vec![None; policy.witnesses().len()];
        let (mut vouched, mut at_most) = (None, head.size().get());
        for _ in 0..MOST_KEPT {
            let Some((kept, _)) = self.kept(Side::AtMost(at_most), "cosignature").await? else { break };
            compare(&kept, "the log's kept checkpoint", (&head, replay), found);
            let size = kept.size().get();
            let cosignatures = policy.cosignatures(&kept).unwrap_or_default();
            for (witness, newest) in policy.witnesses().iter().zip(&mut cosigned) {
                if newest.is_none() && cosignatures.iter().any(|one| *one.key() == witness.key) {
                    *newest = Some(size);
                }
            }
            if vouched.is_none() {
                vouched = policy.quorum_time(&cosignatures).map(|time| (size, time.seconds()));
            }
            if size == 0 || (vouched.is_some() && cosigned.iter().all(Option::is_some)) {
                break;
            }
            at_most = size - 1;
        }
        let behind = waiting(vouched.map_or(0, |(size, _)| size)).await?;
        found.alerts.extend(heads::not_vouched(vouched, behind, now, &settings.limits));
        for (witness, newest) in policy.witnesses().iter().zip(cosigned) {
            let first = waiting(newest.unwrap_or(0)).await?;
            found.alerts.extend(heads::not_cosigned(witness.key.name().as_str(), first, now, &settings.limits));
        }
        Ok(())
    }
}

/// A checkpoint that somebody shows against the head and the replayed tree; one that cannot be is evidence.
fn compare(shown: &VerifiedCheckpoint, by: &str, (head, replay): (&VerifiedCheckpoint, &Replay), found: &mut Found) {
    let fork = heads::fork(shown, by, |size| replay.root_at(size)).or_else(|| heads::two_roots(head, shown));
    if fork.is_some() {
        found.notes.push([head.note().as_str().to_owned(), shown.note().as_str().to_owned()]);
    }
    found.alerts.extend(fork);
    found.alerts.extend(heads::shown_newer(shown, by, head.size()));
}

fn read_checkpoint(path: &Path, key: &LogKey) -> Result<VerifiedCheckpoint, String> {
    let bytes = durable_file::read(path, MAX_NOTE_BYTES).map_err(|error| error.to_string())?;
    let signed = SignedCheckpoint::parse(&bytes).map_err(|error| error.to_string())?;
    signed.verify(key).map_err(|error| format!("it is no checkpoint of this log: {error}"))
}
