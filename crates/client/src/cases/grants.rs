//! Grants: what a joiner may open of what came before, handed over device to device and accounted for exhibit by exhibit.
//!
//! A ring key counts only if it has the commitment that the case's chain names for its version; a group share only when the exhibit key that it
//! makes has its commitment.

use std::collections::BTreeMap;

use custodia_api::limits::MAX_PAGE_RECORDS;
use custodia_api::messages::{ExhibitRow, ExhibitStateText, Exhibits, GrantUpload, Grants};
use custodia_core::custody::body::{Add, Body, Disclosure, Terms};
use custodia_core::custody::intent::{ChainSeen, SignedIntent};
use custodia_core::custody::kind::Kind;
use custodia_core::custody::kind::Purpose;
use custodia_core::custody::wire::Base64Url;
use custodia_core::digest::Sha256Digest;
use custodia_core::exhibit::AwsLcCipher;
use custodia_core::exhibit::keys::{GroupShare, RingKey, RingVersion as WrapVersion};
use custodia_core::exhibit::wrap::{GroupShareWrap, WrappedSecret, unwrap};
use custodia_core::group::context::{RingVersion, ring_commitment};
use custodia_core::identity::{Certificate, CertificateId, Role};
use custodia_core::ids::{CaseId, ExhibitId, PersonId};
use custodia_core::jws::{self, Typ, UnverifiedJws};
use custodia_core::secret::Secret32;
use custodia_failpoint::fail_point;
use zeroize::Zeroizing;

use super::MemberRow;
use super::grant::{self, GrantError, Granted, MAX_KEYS, Payload, info};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::hpke::{self, SealingKeyPair};
use crate::log_view::Misbehaviour;
use crate::reasons::{Draft, Ring, Statement};
use crate::state::keys::CaseFile;
use crate::state::{self, head, keys};

impl Agent {
    /// The server's rows of a case's exhibits.
    pub(crate) async fn exhibit_rows(&self, case: CaseId) -> Result<Vec<ExhibitRow>, AgentError> {
        let mut rows: Vec<ExhibitRow> = Vec::new();
        loop {
            let from = rows.last().map_or(0, |row| row.index.saturating_add(1));
            let page: Exhibits = self.link()?.http.get(&format!("/v1/cases/{case}/exhibits?from={from}")).await?;
            if page.exhibits.iter().any(|row| row.index < from) {
                let back = Misbehaviour::shown("a page of exhibits goes back", format!("case {case}, from record {from}"));
                return self.keeping_evidence(Err(back.into())).await;
            }
            let last = (page.exhibits.len() as u64) < MAX_PAGE_RECORDS;
            rows.extend(page.exhibits);
            if last {
                return Ok(rows);
            }
        }
    }

    /// The server's row of one exhibit.
    pub(crate) async fn exhibit_row(&self, case: CaseId, exhibit: ExhibitId) -> Result<ExhibitRow, AgentError> {
        let row: ExhibitRow = self.link()?.http.get(&format!("/v1/cases/{case}/exhibits/{exhibit}")).await?;
        if row.exhibit == exhibit {
            return Ok(row);
        }
        let other = Misbehaviour { finding: "the row of another exhibit", held: exhibit.to_string(), shown: row.exhibit.to_string() };
        self.keeping_evidence(Err(other.into())).await
    }

    /// What may be the group share of an exhibit: the one that the ring opens, or those that colleagues granted. None if this device has neither.
    pub(crate) async fn group_shares(&self, case: CaseId, row: &ExhibitRow) -> Result<Vec<GroupShare>, AgentError> {
        let mut connection = self.state.connection().await;
        if let Some(key) = keys::ring_key(&mut connection, case, row.ring_version).await? {
            let place = GroupShareWrap { case, version: WrapVersion(row.ring_version), exhibit: row.exhibit };
            let wrapped = WrappedSecret::from_slice(&row.group_share.0)?;
            return Ok(vec![unwrap::<AwsLcCipher, _>(&place, &RingKey::from_secret(key), &wrapped)?]);
        }
        let granted = keys::granted_shares_of(&mut connection, case, row.exhibit).await?;
        Ok(granted.into_iter().map(GroupShare::from_secret).collect())
    }

    /// Makes the grants that go with additions: one JWS for each joiner, one disclosure for each exhibit.
    pub(super) async fn grants_for(
        &self,
        file: &CaseFile,
        adds: &[Add],
        chosen: &[ExhibitId],
        purpose: Purpose,
        statement: &Statement,
        ring: &Ring,
    ) -> Result<Vec<(SignedIntent, GrantUpload)>, AgentError> {
        let mut all = Vec::new();
        if !adds.iter().any(|add| matches!(add.terms, Terms::Full | Terms::Chosen)) {
            return Ok(all);
        }
        let given = |exhibit: &ExhibitId| adds.iter().any(|add| add.terms == Terms::Full) || chosen.contains(exhibit);
        let mut open = Vec::new();
        for row in self.exhibit_rows(file.id).await?.iter().filter(|row| row.state != ExhibitStateText::Erased) {
            let mut shares = self.group_shares(file.id, row).await?;
            if shares.len() > 1 && given(&row.exhibit) {
                let several = "colleagues gave this device different keys for an exhibit that is to be passed on; open it once, and the right one is known";
                return Err(AgentError::NotEligible(several));
            }
            open.extend(shares.pop().map(|share| (row.exhibit, share)));
        }
        if let Some(missing) = chosen.iter().find(|exhibit| !open.iter().any(|(one, _)| one == *exhibit)) {
            return Err(AgentError::NoKey(*missing));
        }
        for add in adds {
            let (exhibits, rings) = match add.terms {
                Terms::Full => (open.clone(), keys::ring_keys(&mut *self.state.connection().await, file.id).await?),
                Terms::Chosen => (open.iter().filter(|(one, _)| chosen.contains(one)).cloned().collect(), Vec::new()),
                Terms::None | Terms::Founder | Terms::Resync | Terms::Recovery => continue,
            };
            if exhibits.is_empty() {
                continue;
            }
            let recipient = self.device_certificate(add.certificate).await?;
            let shares: Vec<_> = match add.terms {
                // A full joiner unwraps shares with the ring; only those that the granter has by grant travel as shares.
                Terms::Full => keys::granted_shares(&mut *self.state.connection().await, file.id).await?,
                _ => exhibits.iter().map(|(exhibit, share)| (*exhibit, share.secret().clone())).collect(),
            };
            let grant = self.sign_grant(file.id, &recipient, &rings, &shares)?;
            for (exhibit, _) in &exhibits {
                let intent = self.disclose_grant(file, *exhibit, &recipient, &grant, (purpose, statement), ring).await?;
                all.push((intent.clone(), GrantUpload { intent: intent.text().to_owned(), grant: grant.clone() }));
            }
        }
        Ok(all)
    }

    /// Grants exhibits to a member who could not open them: to all devices of the person in the case, and to the recovery devices of the
    /// person's office, each with a disclosure of its own.
    ///
    /// # Errors
    /// [`AgentError::NotEligible`] for a person who is no member, [`AgentError::NoKey`] for an exhibit that this device cannot open itself; what a
    /// rule or the server refuses.
    pub async fn grant_exhibits(
        &self,
        case: CaseId,
        person: &PersonId,
        exhibits: &[ExhibitId],
        purpose: Purpose,
        statement: &Statement,
    ) -> Result<(), AgentError> {
        let _turn = self.group_turn.lock().await;
        self.catch_up(case).await?;
        let file = self.case_file(case).await?;
        let ring = self.ring(&file).await?;
        let members = self.members(case).await?;
        if !members.iter().any(|member| member.person == *person) {
            return Err(AgentError::NotEligible("the person who is to receive the exhibits is no member of the case"));
        }
        let recovers = |member: &&MemberRow| member.role == Role::Recovery && member.person.office() == person.office();
        let receiving = members.iter().filter(|member| member.person == *person || recovers(member));
        let adds: Vec<Add> = receiving.map(|member| Add { certificate: member.current, terms: Terms::Chosen }).collect();
        for (intent, upload) in self.grants_for(&file, &adds, exhibits, purpose, statement, &ring).await? {
            self.enter(&intent, format!("/v1/cases/{case}/grants"), crate::http::to_json(&upload)?).await?;
        }
        Ok(())
    }

    pub(super) async fn device_certificate(&self, id: Sha256Digest) -> Result<Certificate, AgentError> {
        let believed = self.believed().await?;
        let certificate = believed.registry.registry().certificate(CertificateId::from_digest(id)).cloned();
        certificate.ok_or(AgentError::NotEligible("a device that is to receive keys is unknown to the registry"))
    }

    pub(super) fn sign_grant(
        &self,
        case: CaseId,
        recipient: &Certificate,
        rings: &[(u32, Secret32)],
        shares: &[(ExhibitId, Secret32)],
    ) -> Result<String, AgentError> {
        if rings.len() + shares.len() > MAX_KEYS {
            return Err(AgentError::Input { what: "a grant", problem: "would carry more than 2048 keys; grant chosen exhibits in parts" });
        }
        let own = self.certificate_id()?;
        let to = recipient.id().digest();
        let sealing = recipient.sealing_key().ok_or(AgentError::NotEligible("a device that is to receive keys has no sealing key"))?;
        let secrets = rings.iter().map(|(_, key)| key).chain(shares.iter().map(|(_, share)| share));
        let plain: Zeroizing<Vec<u8>> = Zeroizing::new(secrets.flat_map(|secret| *secret.expose()).collect());
        let sealed = hpke::seal(sealing, &info(case, own, to), b"", &plain)?;
        let payload = Payload {
            v: 1,
            case,
            recipient: to,
            rings: rings.iter().map(|(version, _)| *version).collect(),
            exhibits: shares.iter().map(|(exhibit, _)| *exhibit).collect(),
            sealed: Base64Url(sealed),
        };
        let payload = serde_json::to_vec(&payload).expect("texts and numbers serialise");
        Ok(jws::sign(Typ::Grant, own, &payload, &self.device.key).text().to_owned())
    }

    pub(super) async fn disclose_grant(
        &self,
        file: &CaseFile,
        exhibit: ExhibitId,
        recipient: &Certificate,
        grant: &str,
        (purpose, statement): (Purpose, &Statement),
        ring: &Ring,
    ) -> Result<SignedIntent, AgentError> {
        self.follow_exhibit(file.id, exhibit).await?;
        self.sign_act(Draft {
            case: file.id,
            exhibit: Some(exhibit),
            purpose: Some(purpose),
            recipients: vec![recipient.person().to_string()],
            group: Some(self.group_seen(file.id).await?),
            chain_seen: Some(self.chain_seen(exhibit).await?),
            body: Body::Disclosure(Disclosure::Grant { grant: Sha256Digest::of(&[grant.as_bytes()]), device: recipient.id().digest() }),
            statement,
            case_title: file.title.as_deref(),
            exhibit_title: None,
            ring: Some(ring),
        })
        .await
    }

    /// The last record of an exhibit's chain that this device has followed.
    pub(crate) async fn chain_seen(&self, exhibit: ExhibitId) -> Result<ChainSeen, AgentError> {
        let head = head::chain_head(&mut *self.state.connection().await, exhibit).await?;
        let head = head.ok_or_else(|| Misbehaviour::shown("an exhibit is shown without a chain", exhibit.to_string()))?;
        Ok(ChainSeen { seq: head.seq.0, commitment: head.commitment.0 })
    }

    /// Takes in what colleagues granted to this device in a case. A grant that does not open or fit is left and reported to the diagnostics.
    pub(super) async fn take_grants(&self, case: CaseId) -> Result<(), AgentError> {
        let mut from = keys::grants_from(&mut *self.state.connection().await, case).await?;
        loop {
            let page: Grants = self.link()?.http.get(&format!("/v1/cases/{case}/grants?from={from}")).await?;
            if page.grants.is_empty() || page.next <= from {
                return Ok(());
            }
            let commitments = self.ring_commitments(case).await?;
            let mut all_kept = true;
            for grant in &page.grants {
                let kept = match self.open_grant(case, grant).await {
                    Ok(granted) => self.keep_granted(case, &granted, &commitments).await?,
                    Err(problem) => {
                        tracing::warn!(case.id = %case, %problem, "a grant is not usable");
                        false
                    }
                };
                all_kept &= kept;
            }
            from = page.next;
            // What could not be used is looked at again at the next contact, when more of the chain may be known.
            if all_kept {
                keys::set_grants_from(&mut *self.state.connection().await, case, from).await?;
            }
        }
    }

    /// The ring commitments that the case's chain names, by version.
    async fn ring_commitments(&self, case: CaseId) -> Result<BTreeMap<u32, Sha256Digest>, AgentError> {
        let acts = self.case_acts(case, &[Kind::CaseCreate, Kind::MemberChange, Kind::GroupSucceed]).await?;
        let named = acts.iter().filter_map(|act| match &act.body {
            Body::CaseCreate(body) => Some((body.ring_version, body.ring_commitment)),
            Body::MemberChange(body) => Some((body.ring_version, body.ring_commitment)),
            Body::GroupSucceed(body) => Some((body.ring_version, body.ring_commitment)),
            _ => None,
        });
        Ok(named.collect())
    }

    async fn keep_granted(&self, case: CaseId, granted: &Granted, commitments: &BTreeMap<u32, Sha256Digest>) -> Result<bool, AgentError> {
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        let mut all = true;
        for (version, key) in &granted.rings {
            let commitment = RingVersion::new(*version).map(|version| ring_commitment(case, version, key));
            if commitment.is_some() && commitment == commitments.get(version).copied() {
                keys::put_ring_key(&mut transaction, case, *version, key).await?;
            } else {
                all = false;
                tracing::warn!(case.id = %case, ring.version = version, "a granted ring key has not the commitment of the case's chain");
            }
        }
        for (exhibit, share) in &granted.shares {
            keys::put_granted_share(&mut transaction, case, *exhibit, share).await?;
        }
        transaction.commit().await.map_err(state::StateError::from)?;
        fail_point!("agent.grant.kept");
        Ok(all)
    }

    async fn open_grant(&self, case: CaseId, text: &str) -> Result<Granted, GrantError> {
        let grant = UnverifiedJws::parse(text, Typ::Grant)?;
        let granter = grant.signer();
        let key = {
            let believed = self.believed().await.map_err(|_| GrantError::UnknownGranter)?;
            let certificate = believed.registry.registry().certificate(CertificateId::from_digest(granter));
            *certificate.ok_or(GrantError::UnknownGranter)?.key()
        };
        let own = self.own_certificates().await.map_err(|_| GrantError::NotForUs)?;
        grant::open(&grant.verify(&key)?, case, &own, &SealingKeyPair::from_private(self.device.sealing.clone()))
    }
}
