//! Kept checkpoints (`docs/spec/witnesses.md`): the nearest one on a side of a size, as the server shows it and judged by the log's own key.

use custodia_api::messages::Kept;
use custodia_core::log::stamp::{StampRoots, StampedBytes, UnverifiedStamp};
use custodia_core::log::{LogKey, SignedCheckpoint, VerifiedCheckpoint};

use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::HttpError;
use crate::log_view::Misbehaviour;

/// On which side of a size a checkpoint is looked for, the nearest one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    AtMost(u64),
    AtLeast(u64),
}

impl Side {
    fn query(self, with: &str) -> String {
        match self {
            Self::AtMost(size) => format!("/v1/log/kept?at_most={size}&with={with}"),
            Self::AtLeast(size) => format!("/v1/log/kept?at_least={size}&with={with}"),
        }
    }

    const fn holds(self, size: u64) -> bool {
        match self {
            Self::AtMost(most) => size <= most,
            Self::AtLeast(least) => size >= least,
        }
    }
}

impl Agent {
    /// Asks for the nearest kept checkpoint on one side; none if there is none yet.
    pub(crate) async fn kept(&self, side: Side, with: &str) -> Result<Option<(VerifiedCheckpoint, Vec<Vec<u8>>)>, AgentError> {
        let shown: Kept = match self.link()?.http.get(&side.query(with)).await {
            Ok(shown) => shown,
            Err(HttpError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let key = self.believed().await?.log.key().clone();
        let judged = judge(shown, side, &key).map_err(AgentError::from);
        self.keeping_evidence(judged).await.map(Some)
    }
}

/// What the server showed is of this log and on the side that was asked for; what is no stamp of it is left out.
fn judge(shown: Kept, side: Side, key: &LogKey) -> Result<(VerifiedCheckpoint, Vec<Vec<u8>>), Misbehaviour> {
    let bad = |finding| Misbehaviour { finding, held: key.to_string(), shown: shown.checkpoint.clone() };
    let checkpoint = SignedCheckpoint::parse(shown.checkpoint.as_bytes())
        .and_then(|signed| signed.verify(key))
        .map_err(|_| bad("a kept checkpoint is not signed by the log that this device is bound to"))?;
    if !side.holds(checkpoint.size().get()) {
        return Err(bad("a kept checkpoint of another size than was asked for"));
    }
    let stamped = StampedBytes::of(&checkpoint);
    let (stamps, others): (Vec<_>, Vec<_>) = shown.stamps.into_iter().map(|stamp| stamp.0).partition(|stamp| is_of(stamp, &stamped));
    if !others.is_empty() {
        tracing::warn!(
            log.size = checkpoint.size().get(),
            stamps = others.len(),
            "the server keeps what is no time stamp of its checkpoint"
        );
    }
    Ok((checkpoint, stamps))
}

/// Whether it is a stamp of exactly this checkpoint, as far as that can be told without pinning an authority: else it would fail the whole dossier.
fn is_of(stamp: &[u8], stamped: &StampedBytes) -> bool {
    let judged = UnverifiedStamp::parse(stamp).and_then(|stamp| stamp.verify(stamped, &StampRoots::default()));
    judged.map_or_else(|error| error.counts_for_nothing(), |_| true)
}
