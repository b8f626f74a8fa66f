//! Whose devices the certificates are that a case's records and leaves name (decision 7).

use std::collections::BTreeSet;

use custodia_core::custody::body::Body;
use custodia_core::custody::kind::Kind;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{Certificate, CertificateId};
use custodia_core::ids::{CaseId, DeviceId, IntentId};

use crate::agent::Agent;
use crate::error::AgentError;

impl Agent {
    /// The devices to which certificates were issued; one that the registry does not know is passed over.
    pub(super) async fn devices_by(&self, certificates: impl Iterator<Item = Sha256Digest>) -> Result<BTreeSet<DeviceId>, AgentError> {
        let believed = self.believed().await?;
        let registry = believed.registry.registry();
        Ok(certificates.filter_map(|id| registry.certificate(CertificateId::from_digest(id))).map(Certificate::device).collect())
    }

    /// Devices whose `member.leave` stands in the chain, and who were not added again since; up to an act, or to the chain's end.
    pub(super) async fn left(&self, case: CaseId, until: Option<IntentId>) -> Result<BTreeSet<DeviceId>, AgentError> {
        let mut left = BTreeSet::new();
        for intent in self.case_acts(case, &[Kind::MemberLeave, Kind::MemberChange]).await?.iter().take_while(|act| Some(act.id) != until) {
            match &intent.body {
                Body::MemberLeave(_) => {
                    left.extend(self.devices_by(core::iter::once(intent.signer())).await?);
                }
                Body::MemberChange(body) => {
                    for device in self.devices_by(body.adds.iter().map(|add| add.certificate)).await? {
                        left.remove(&device);
                    }
                }
                _ => {}
            }
        }
        Ok(left)
    }
}
