//! Bodies of requests and answers. Paths stand with the types; all but the public log ask for a request signature.

use custodia_core::custody::body::Handling;
use custodia_core::custody::receipt::{Receipt, RecordView};
use custodia_core::custody::wire::Base64;
use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::ids::{CaseId, ExhibitId};

macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type),* }
    };
}

body! {
    /// `GET /v1/server`, public: which log this is. An agent pins it once and compares ever after.
    ServerInfo {
        /// The log's origin.
        origin: String,
        /// The log's key as a C2SP vkey.
        log_key: String,
        /// SHA-256 of the first trust list's payload.
        trust_pin: Sha256Digest,
        /// The server's version, for diagnostics.
        version: String,
    }
}

body! {
    /// `POST /v1/registry`: an identity record, `device.*` or `trust.list`, signed by an office root. Not signed as a request: the intent is.
    RegistryAct {
        /// The intent's compact JWS.
        intent: String,
    }
}

body! {
    /// Answer to every act: the proof that its entry stands.
    Acknowledged {
        /// The receipt.
        receipt: Receipt,
    }
}

body! {
    /// `GET /v1/registry/records?from=SEQ`, public to enrolled devices; `GET /v1/cases/{case}/records?from=SEQ` and
    /// `GET /v1/cases/{case}/exhibits/{exhibit}/records?from=SEQ` to members and auditors; at most 256 records in chain order.
    RecordsPage {
        /// Records from that sequence number on.
        records: Vec<RecordView>,
        /// Proof of the chain's last record at `head.checkpoint`; absent for an empty chain. Chain links carry it back to all records before.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        head: Option<Receipt>,
    }
}

body! {
    /// `GET /v1/log/consistency?from=SIZE&to=SIZE`, public.
    Consistency {
        /// RFC 6962 consistency proof.
        proof: Vec<Sha256Digest>,
    }
}

body! {
    /// `GET /v1/log/kept?at_least=SIZE` or `?at_most=SIZE`, and `&with=stamp` or `&with=cosignature`, public: a checkpoint that is kept for ever.
    Kept {
        /// The checkpoint's note, with every cosignature that the server has for it.
        checkpoint: String,
        /// `TimeStampResp` (RFC 3161), DER, each over the note as the log signed it.
        stamps: Vec<Base64>,
    }
}

body! {
    /// Answer to `POST /v1/log/cosignatures`, public, whose body is a checkpoint of this log with cosignatures, as text.
    CosignaturesKept {
        /// Of how many keys among them that the server's policy names a cosignature stands now; those of others are passed over.
        kept: u64,
    }
}

body! {
    /// `POST /v1/log/read`: the intent `log.read` that must stand before the records are given out. Then
    /// `GET /v1/log/records?from=INDEX` for auditors, in index order, answers [`LogPage`].
    ReadLog {
        /// The intent's compact JWS.
        intent: String,
    }
}

body! {
    /// A page of the whole log.
    LogPage {
        /// Records in index order.
        records: Vec<RecordView>,
    }
}

body! {
    /// `POST /v1/key-packages`: the device's own, for others to add it.
    UploadKeyPackages {
        /// One-time key packages.
        one_time: Vec<Base64>,
        /// The last-resort key package, which replaces the one before.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        last_resort: Option<Base64>,
    }
}

body! {
    /// `GET /v1/key-packages/count`: how many one-time key packages the server still holds for this device.
    KeyPackageCount {
        /// The number.
        one_time: u32,
    }
}

body! {
    /// `POST /v1/key-packages/claim`: takes one key package of each device named; a one-time one is given out once.
    ClaimKeyPackages {
        /// Certificate ids.
        devices: Vec<Sha256Digest>,
    }
}

body! {
    /// Answer to [`ClaimKeyPackages`], in the order asked.
    ClaimedKeyPackages {
        /// MLS KeyPackage messages.
        packages: Vec<Base64>,
    }
}

body! {
    /// `POST /v1/cases`: founds a case, its group and its ring in one transaction.
    CreateCase {
        /// The intent `case.create`.
        intent: String,
        /// GroupInfo with ratchet tree of epoch 0: one leaf, the founder's.
        group_info: Base64,
        /// The ring key wrapped for epoch 0.
        ring_row: Base64,
    }
}

body! {
    /// `GET /v1/cases`: the cases of which this device is a member.
    Cases {
        /// One row each.
        cases: Vec<CaseRow>,
    }
}

body! {
    /// What the server knows of a case: no title, no names of exhibits.
    CaseRow {
        /// The case.
        case: CaseId,
        /// Generation of its group.
        generation: u32,
        /// The group's current epoch.
        epoch: u64,
        /// Exhibits collected.
        exhibits: u64,
        /// Members' certificate ids.
        members: Vec<Sha256Digest>,
    }
}

body! {
    /// A grant and the intent `disclosure` that accounts for it.
    GrantUpload {
        /// The intent's compact JWS.
        intent: String,
        /// The grant's compact JWS; several intents may name the same one.
        grant: String,
    }
}

body! {
    /// `POST /v1/cases/{case}/changes`: one commit with all that goes with it, in one transaction or not at all.
    ChangeMembers {
        /// The intent `member.change`.
        intent: String,
        /// The commit, a PublicMessage.
        commit: Base64,
        /// The Welcome for those who join.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        welcome: Option<Base64>,
        /// The ring key wrapped for the new epoch; a resync has none.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        ring_row: Option<Base64>,
        /// GroupInfo of the new epoch, without the tree, signed by the committer: by it a device that lost the group comes back.
        group_info: Base64,
        /// Grants to those who join.
        grants: Vec<GrantUpload>,
    }
}

body! {
    /// `POST /v1/cases/{case}/succession`: a successor group with all that goes with it, in one transaction or not at all.
    SucceedGroup {
        /// The intent `group.succeed`.
        intent: String,
        /// The GroupInfo of epoch 0, with the founder's one-leaf tree.
        founding: Base64,
        /// The commit to epoch 1.
        commit: Base64,
        /// The Welcome for the others.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        welcome: Option<Base64>,
        /// The ring key wrapped for epoch 1.
        ring_row: Base64,
        /// GroupInfo of epoch 1, without the tree, signed by the founder.
        group_info: Base64,
    }
}

body! {
    /// Answer to [`ChangeMembers`].
    Changed {
        /// The receipt of the commit's record, then those of the grants in order.
        receipts: Vec<Receipt>,
    }
}

body! {
    /// `GET /v1/cases/{case}/changes?from=EPOCH&generation=GENERATION`: commits that start from that epoch or later, in order; without a
    /// generation, of the current group.
    Changes {
        /// Generation of the current group.
        generation: u32,
        /// Its epoch.
        epoch: u64,
        /// Commits.
        changes: Vec<ChangeRow>,
    }
}

body! {
    /// One commit of a group's log.
    ChangeRow {
        /// The epoch that it starts from.
        epoch: u64,
        /// The commit.
        commit: Base64,
        /// The ring key wrapped for the epoch that it leads to.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        ring_row: Option<Base64>,
        /// Index of its record in the log.
        index: u64,
    }
}

body! {
    /// `GET /v1/cases/{case}/group`: what a member that lost its group needs to come back by an external commit.
    GroupState {
        /// Generation of the current group.
        generation: u32,
        /// Its epoch.
        epoch: u64,
        /// The GroupInfo that came with the commit that began it, or at the founding.
        group_info: Base64,
        /// The ratchet tree of that epoch (`optional<Node> ratchet_tree<V>`).
        tree: Base64,
    }
}

body! {
    /// `GET /v1/welcomes`: Welcomes for this device that it has not joined by yet.
    Welcomes {
        /// In order of arrival.
        welcomes: Vec<WelcomeRow>,
    }
}

body! {
    /// One Welcome.
    WelcomeRow {
        /// The case.
        case: CaseId,
        /// Generation of the group into which it leads.
        generation: u32,
        /// The epoch that it leads to.
        epoch: u64,
        /// The Welcome message.
        welcome: Base64,
        /// The ring key wrapped for that epoch.
        ring_row: Base64,
    }
}

body! {
    /// `GET /v1/cases/{case}/grants?from=INDEX`: grants addressed to this device in that case, in the order of their first record, at most 16.
    Grants {
        /// Compact JWS each; none if there are no more.
        grants: Vec<String>,
        /// `from` of the next page.
        next: u64,
    }
}

body! {
    /// `GET /v1/cases/{case}/exhibits/{exhibit}/objects`: which objects the server holds; an interrupted upload goes on after them.
    Objects {
        /// Names.
        objects: Vec<Blake3Digest>,
    }
}

body! {
    /// `POST /v1/cases/{case}/exhibits/{exhibit}`: the collection is entered once all objects are stored.
    ///
    /// Objects come before it: `PUT /v1/cases/{case}/exhibits/{exhibit}/objects/{name}`, the raw bytes.
    Collect {
        /// The intent `collection`.
        intent: String,
        /// Names of the segment objects in order.
        objects: Vec<Blake3Digest>,
        /// The release share, for the server alone.
        release_share: Base64,
        /// The group share wrapped under the ring key.
        group_share: Base64,
        /// The intent `combination` of the exhibit, of this case or another, that this one was made from; entered with the collection or not at all.
        #[serde(default, deserialize_with = "crate::present", skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    }
}

body! {
    /// `GET /v1/cases/{case}/exhibits?from=INDEX`: those whose collection stands at that index or later, at most 256.
    Exhibits {
        /// One row each, in order of collection; fewer than 256 if there are no more.
        exhibits: Vec<ExhibitRow>,
    }
}

/// Whether and how an exhibit can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExhibitStateText {
    /// Not released yet.
    Quarantined,
    /// In use.
    Active,
    /// Restricted (LED Art 16(3)).
    Restricted,
    /// Erased.
    Erased,
}

body! {
    /// What the server knows of an exhibit; the answer to `GET /v1/cases/{case}/exhibits/{exhibit}`.
    ExhibitRow {
        /// The exhibit.
        exhibit: ExhibitId,
        /// Its state.
        state: ExhibitStateText,
        /// Whether a hold forbids erasure.
        held: bool,
        /// Its handling code.
        handling: Handling,
        /// The index of its collection record.
        index: u64,
        /// The ring version of its group share.
        ring_version: u32,
        /// The group share wrapped under that ring key.
        group_share: Base64,
        /// Sealed bytes in store.
        sealed_bytes: u64,
    }
}

body! {
    /// `POST /v1/cases/{case}/exhibits/{exhibit}/acts`: an act on an exhibit; `POST /v1/cases/{case}/acts`: on a case.
    Act {
        /// The intent's compact JWS.
        intent: String,
    }
}

body! {
    /// Answer to an intent `consultation`, or `disclosure` as export or dossier: the entry stands, so the share is released.
    ///
    /// The agent verifies the receipt before it uses the share. This answer is never stored.
    Released {
        /// The receipt.
        receipt: Receipt,
        /// The release share.
        release_share: Base64,
        /// The sealed manifest's object.
        manifest_object: Blake3Digest,
        /// The segment objects in order; then `GET …/objects/{name}` with optional `Range`.
        objects: Vec<Blake3Digest>,
    }
}
