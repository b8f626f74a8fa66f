//! What others say of the log that the server shows: the newest kept checkpoint that meets the device's own policy.
//!
//! Checked: the log's signature, every cosignature of a witness of the policy, that the checkpoint and this device's head are of one tree, the
//! quorum, its age. Not checked: that the witnesses' clocks are right; a log in which nothing happens looks like one that stands still.

use custodia_core::log::merkle::MAX_TREE_SIZE;
use custodia_core::log::policy::Policy;
use custodia_core::log::{Cosignature, CosignatureTime};

use crate::agent::Agent;
use crate::error::AgentError;
use crate::kept::Side;
use crate::log_view::Misbehaviour;

/// How many kept checkpoints without a quorum are passed over, from the newest on.
const MOST_PASSED: usize = 16;
/// How far a witness's clock may be ahead of this machine's, in seconds.
const MOST_AHEAD: u64 = 300;

/// What this device demands of the log beside the log's own signature.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Whose cosignatures.
    pub policy: Policy,
    /// How long ago the quorum may have cosigned while the log has records behind that, in seconds; none if its age does not matter.
    pub freshness_seconds: Option<u64>,
}

/// What holds of the log that the server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// No kept checkpoint meets the quorum.
    ByNobody,
    /// The quorum has cosigned the first `size` records.
    Upto {
        /// How many records.
        size: u64,
        /// By when the quorum was complete, in seconds since 1970; none if the policy asks for nobody.
        since: Option<u64>,
        /// Whether that is longer ago than the device demands, with records behind it; or lies in the future.
        stale: bool,
    },
}

impl Agent {
    /// Looks for the newest checkpoint that meets the demand, and proves that it is of the log that this device knows.
    ///
    /// Call it after [`Agent::sync`].
    ///
    /// # Errors
    /// [`AgentError::Misbehaved`] for a log that was forked, or a checkpoint or cosignature that does not verify; [`AgentError::Input`] for a
    /// policy of other logs; what the server refuses.
    pub async fn vouched(&self, demand: &Demand) -> Result<Vouched, AgentError> {
        let logs = demand.policy.logs();
        let key = self.believed().await?.log.key().clone();
        if !logs.is_empty() && logs.iter().all(|log| log.key != key) {
            return Err(AgentError::Input { what: "the policy", problem: "names other logs than the one to which this device is bound" });
        }
        let mut most = MAX_TREE_SIZE;
        for _ in 0..MOST_PASSED {
            let Some((kept, _)) = self.kept(Side::AtMost(most), "cosignature").await? else { break };
            // A fork shows here: the log's own key, and another tree than this device has seen.
            let kept = self.believe_shown(kept.note().as_str()).await?;
            let cosignatures = demand.policy.cosignatures(&kept).map_err(|_| {
                let finding = "a witness's cosignature of a kept checkpoint does not verify";
                AgentError::from(Misbehaviour::shown(finding, kept.note().as_str()))
            });
            let cosignatures = self.keeping_evidence(cosignatures).await?;
            if demand.policy.quorum_met(&cosignatures) {
                return self.judged(demand, kept.size().get(), &cosignatures).await;
            }
            let Some(smaller) = kept.size().get().checked_sub(1) else { break };
            most = smaller;
        }
        Ok(Vouched::ByNobody)
    }

    async fn judged(&self, demand: &Demand, size: u64, cosignatures: &[Cosignature]) -> Result<Vouched, AgentError> {
        let since = demand.policy.quorum_time(cosignatures).map(CosignatureTime::seconds);
        let now = self.clock.seconds();
        let behind = self.log_size().await? > size;
        let stale = since.is_some_and(|since| {
            let old = demand.freshness_seconds.is_some_and(|most| now.saturating_sub(since) > most);
            (old && behind) || since > now.saturating_add(MOST_AHEAD)
        });
        Ok(Vouched::Upto { size, since, stale })
    }
}
