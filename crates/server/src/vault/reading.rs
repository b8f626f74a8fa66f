//! Reading: receipts, chains, the log, tiles, what a device may know of its cases.

use custodia_api::limits::{MAX_PAGE_GRANTS, MAX_PAGE_RECORDS};
use custodia_api::messages::{
    CaseRow, Cases, ChangeRow, Changes, Consistency, ExhibitRow, Exhibits, Grants, GroupState, LogPage, RecordsPage, WelcomeRow, Welcomes,
};
use custodia_core::custody::receipt::{ClosedPart, OpenedPart, PartView, Receipt, RecordView};
use custodia_core::custody::record::Salt;
use custodia_core::custody::wire::{Base64, Hex};
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::merkle::{LeafIndex, MerkleError, NodeHash, NodeId, TreeSize};
use custodia_core::log::proof::{ConsistencyProof, consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof};
use custodia_core::log::tile::{self, Tile, TileContent};
use custodia_failpoint::fail_point;
use custodia_mls::FollowedGroup;

use super::Vault;
use super::evidence::exhibit_row;
use crate::auth::Caller;
use crate::error::Refusal;
use crate::store::log::{self, StoredRecord};
use crate::store::place::Place;
use crate::store::tree::Nodes;
use crate::store::{Conn, StoreError, cases, exhibits, kept};

/// Which parts of a record are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All that are there.
    All,
    /// The core part alone.
    Core,
}

fn digests(hashes: &[NodeHash]) -> Vec<Sha256Digest> {
    hashes.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect()
}

fn opened(bytes: Vec<u8>, salt: &Salt) -> PartView {
    PartView::Opened(OpenedPart { bytes: Base64(bytes), salt: Hex(salt.0.to_vec()) })
}

/// A stored record as it is shown; an erased payload is shown by its commitment.
fn view(record: StoredRecord, shown: Shown) -> RecordView {
    use custodia_core::custody::record::Part;
    let core = match record.core {
        Some((bytes, salt)) => opened(bytes, &salt),
        None => PartView::Closed(ClosedPart { commitment: record.c_core }),
    };
    let place = |part: Part, bytes: Vec<u8>, salt: &Salt| match shown {
        Shown::All => opened(bytes, salt),
        Shown::Core => PartView::Closed(ClosedPart { commitment: part.commit(salt, &bytes) }),
    };
    RecordView {
        index: record.index,
        core,
        case: place(Part::Case, record.case.to_bytes(), &record.case_salt),
        exhibit: place(Part::Exhibit, record.exhibit.map_or_else(Vec::new, |place| place.to_bytes()), &record.exhibit_salt),
    }
}

/// The receipt of the record at `index`, under the checkpoint of its own turn: always the same one.
pub(super) async fn receipt(conn: &mut Conn, index: u64, shown: Shown) -> Result<Receipt, Refusal> {
    let record = log::record(conn, index).await?.ok_or(Refusal::Internal("a record that was entered is missing"))?;
    let (size, checkpoint) = log::checkpoint_including(conn, index).await?.ok_or(Refusal::Internal("a checkpoint is missing"))?;
    let leaf = LeafIndex::new(index).map_err(|_| Refusal::Internal("an index past 2^48"))?;
    let places = inclusion_nodes(leaf, size).map_err(|_| Refusal::Internal("a record is not in its own tree"))?;
    let nodes = Nodes::read(conn, places).await?;
    receipt_of(record, size, checkpoint, |id| nodes.get(id).map_err(|_| MerkleError::RootMismatch), shown)
}

/// The receipt of a record under a checkpoint of that size, by nodes of its tree.
pub(crate) fn receipt_of(
    record: StoredRecord,
    size: TreeSize,
    checkpoint: String,
    node: impl FnMut(NodeId) -> Result<NodeHash, MerkleError>,
    shown: Shown,
) -> Result<Receipt, Refusal> {
    let leaf = LeafIndex::new(record.index).map_err(|_| Refusal::Internal("an index past 2^48"))?;
    let proof = inclusion_proof(leaf, size, node).map_err(|_| Refusal::Internal("a proof cannot be made"))?;
    let committed = record.commitment;
    let record = view(record, shown);
    if record.open().is_ok_and(|opened| opened.commitment == committed) {
        Ok(Receipt { v: 1, record, proof: digests(proof.hashes()), checkpoint })
    } else {
        Err(StoreError::Corrupt("a record that does not have its commitment").into())
    }
}

impl Vault {
    /// The last checkpoint's note, with the cosignatures that came in for it.
    pub async fn checkpoint(&self) -> Result<String, Refusal> {
        let mut conn = self.store.read().await?;
        let (size, note) = log::last_checkpoint(&mut conn).await?.ok_or(Refusal::Internal("the log was never begun"))?;
        Ok(note + &kept::cosignature_lines(&mut conn, size).await?.concat())
    }

    /// A tile, if the log has all of it.
    pub async fn tile(&self, tile: Tile) -> Result<Vec<u8>, Refusal> {
        let mut conn = self.store.read().await?;
        let (size, _) = log::last_checkpoint(&mut conn).await?.ok_or(Refusal::Internal("the log was never begun"))?;
        if !tile.is_within(size) {
            return Err(Refusal::NotFound("tile"));
        }
        let from = tile.index() * u64::from(tile::FULL_WIDTH);
        if tile.content() == TileContent::Entries {
            let commitments = log::commitments(&mut conn, from, from + u64::from(tile.width())).await?;
            let entries: Vec<_> = commitments.into_iter().map(custodia_core::custody::record::Commitment::entry).collect();
            return tile::write_entries(entries.iter().map(<[u8; 33]>::as_slice)).map_err(|_| Refusal::Internal("an entry is too long"));
        }
        let first = tile.nodes().next().ok_or(Refusal::NotFound("tile"))?;
        Ok(tile::write_hashes(&Nodes::read_row(&mut conn, first, tile.width()).await?))
    }

    /// The proof that one tree begins another.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Consistency, Refusal> {
        let malformed = || Refusal::Malformed("sizes are those of signed trees, the first not larger than the second".to_owned());
        let (from, to) = (TreeSize::new(from).map_err(|_| malformed())?, TreeSize::new(to).map_err(|_| malformed())?);
        let mut conn = self.store.read().await?;
        let (size, _) = log::last_checkpoint(&mut conn).await?.ok_or(Refusal::Internal("the log was never begun"))?;
        if to > size {
            return Err(Refusal::NotFound("tree of that size"));
        }
        let places = consistency_nodes(from, to).map_err(|_| malformed())?;
        let nodes = Nodes::read(&mut conn, places).await?;
        let proof = consistency_proof(from, to, |id| nodes.get(id).map_err(|_| MerkleError::RootMismatch));
        Ok(Consistency { proof: digests(proof.map_err(|_| Refusal::Internal("a proof cannot be made"))?.hashes()) })
    }

    /// What a witness needs that has the tree of `from`: the proof that it begins the tree of `to`.
    pub(crate) async fn consistency_proof(&self, from: TreeSize, to: TreeSize) -> Result<ConsistencyProof, StoreError> {
        let corrupt = |_| StoreError::Corrupt("a tree of which no proof can be made");
        let mut conn = self.store.read().await?;
        let nodes = Nodes::read(&mut conn, consistency_nodes(from, to).map_err(corrupt)?).await?;
        consistency_proof(from, to, |id| nodes.get(id).map_err(|_| MerkleError::RootMismatch)).map_err(corrupt)
    }

    /// A page of the registry's chain.
    pub async fn registry_records(&self, from: u64) -> Result<RecordsPage, Refusal> {
        let mut conn = self.store.read().await?;
        let head = log::case_head(&mut conn, CaseId::REGISTRY).await?;
        let records = log::case_records(&mut conn, CaseId::REGISTRY, from, MAX_PAGE_RECORDS).await?;
        page(&mut conn, records, head.map(|head| (CaseId::REGISTRY, None, head.seq.0))).await
    }

    /// A page of a case's chain, or of one exhibit's, for members and auditors.
    pub async fn records(&self, caller: &Caller, case: CaseId, exhibit: Option<ExhibitId>, from: u64) -> Result<RecordsPage, Refusal> {
        let mut conn = self.store.read().await?;
        self.require_reader(&mut conn, caller, case).await?;
        let Some(exhibit) = exhibit else {
            let head = log::case_head(&mut conn, case).await?;
            let records = log::case_records(&mut conn, case, from, MAX_PAGE_RECORDS).await?;
            return page(&mut conn, records, head.map(|head| (case, None, head.seq.0))).await;
        };
        if exhibits::exhibit(&mut conn, exhibit).await?.is_none_or(|found| found.case != case) {
            return Err(Refusal::NotFound("exhibit"));
        }
        let head = log::exhibit_head(&mut conn, exhibit).await?;
        let records = log::exhibit_records(&mut conn, exhibit, from, MAX_PAGE_RECORDS).await?;
        page(&mut conn, records, head.map(|head| (case, Some(exhibit), head.seq.0))).await
    }

    /// Members read their case; an auditor whose reading stands in the log (`log.read` for the case, or for the whole log).
    async fn require_reader(&self, conn: &mut Conn, caller: &Caller, case: CaseId) -> Result<(), Refusal> {
        let member = cases::member(conn, case, caller.device()).await?;
        if member.is_some_and(|member| member.left.is_none()) {
            return Ok(());
        }
        let reads = caller.certificate().role() == Role::Auditor
            && (log::has_read(conn, caller.device(), case).await? || log::has_read(conn, caller.device(), CaseId::REGISTRY).await?);
        if reads { Ok(()) } else { Err(Refusal::NotFound("case")) }
    }

    /// A page of the whole log, for an auditor whose entry `log.read` covers it.
    pub async fn log_records(&self, caller: &Caller, from: u64) -> Result<LogPage, Refusal> {
        let mut conn = self.store.read().await?;
        let auditor = caller.certificate().role() == Role::Auditor;
        let until = match log::log_read_until(&mut conn, caller.device(), CaseId::REGISTRY, from).await? {
            Some(until) if auditor => until,
            _ => return Err(Refusal::NotFound("page that an entry log.read of this device covers")),
        };
        let records = log::records_from(&mut conn, from, until, MAX_PAGE_RECORDS).await?;
        Ok(LogPage { records: records.into_iter().map(|record| view(record, Shown::All)).collect() })
    }

    /// The caller's cases.
    pub async fn cases(&self, caller: &Caller) -> Result<Cases, Refusal> {
        let mut conn = self.store.read().await?;
        let mut rows = Vec::new();
        for (case, place, exhibits) in cases::cases_of(&mut conn, caller.device()).await? {
            let members = cases::members(&mut conn, case).await?.into_iter().map(|member| member.certificate).collect();
            rows.push(CaseRow { case, generation: place.generation, epoch: place.epoch, exhibits, members });
        }
        Ok(Cases { cases: rows })
    }

    /// Commits of a case, of its current group or of one before.
    pub async fn changes(&self, caller: &Caller, case: CaseId, generation: Option<u32>, from: u64) -> Result<Changes, Refusal> {
        const MOST: u64 = 64;
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let current = cases::place(&mut conn, case).await?.ok_or(Refusal::NotFound("case"))?;
        let from = Place::named(generation.unwrap_or(current.generation), from);
        let from = from.ok_or_else(|| Refusal::Malformed("an epoch is below 2^32".to_owned()))?;
        let commits = cases::commits_from(&mut conn, case, from, MOST).await?;
        let row = |commit: cases::Commit| ChangeRow {
            epoch: commit.place.epoch,
            commit: Base64(commit.message),
            ring_row: commit.ring_row.map(Base64),
            index: commit.index,
        };
        fail_point!("server.changes.read");
        Ok(Changes { generation: current.generation, epoch: current.epoch, changes: commits.into_iter().map(row).collect() })
    }

    /// The group of a case as the server follows it, for a member that lost its own.
    pub async fn group(&self, caller: &Caller, case: CaseId) -> Result<GroupState, Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let group = cases::group(&mut conn, case).await?.ok_or(Refusal::NotFound("case"))?;
        drop(conn);
        let followed = FollowedGroup::load(&group.state).map_err(|_| Refusal::Internal("a followed group cannot be used"))?;
        let tree = followed.ratchet_tree().map_err(|_| Refusal::Internal("a followed group cannot be used"))?;
        fail_point!("server.group.read");
        let place = group.place;
        Ok(GroupState { generation: place.generation, epoch: place.epoch, group_info: Base64(group.info), tree: Base64(tree) })
    }

    /// Welcomes that wait for the caller.
    pub async fn welcomes(&self, caller: &Caller) -> Result<Welcomes, Refusal> {
        let mut conn = self.store.read().await?;
        let row = |welcome: cases::Welcome| WelcomeRow {
            case: welcome.case,
            generation: welcome.place.generation,
            epoch: welcome.place.epoch,
            welcome: Base64(welcome.message),
            ring_row: Base64(welcome.ring_row),
        };
        let welcomes = cases::welcomes_for(&mut conn, caller.device()).await?.into_iter().map(row).collect();
        fail_point!("server.welcomes.read");
        Ok(Welcomes { welcomes })
    }

    /// A page of the grants to the caller in a case.
    pub async fn grants(&self, caller: &Caller, case: CaseId, from: u64) -> Result<Grants, Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let page = cases::grants_to(&mut conn, case, caller.device(), from, MAX_PAGE_GRANTS).await?;
        let next = page.last().map_or(from, |(_, index)| index + 1);
        Ok(Grants { grants: page.into_iter().map(|(jws, _)| jws).collect(), next })
    }

    /// A page of the exhibits of a case.
    pub async fn exhibits(&self, caller: &Caller, case: CaseId, from: u64) -> Result<Exhibits, Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let rows = exhibits::exhibits_from(&mut conn, case, from, MAX_PAGE_RECORDS).await?;
        Ok(Exhibits { exhibits: rows.into_iter().map(exhibit_row).collect::<Result<_, _>>()? })
    }

    /// One exhibit of a case.
    pub async fn exhibit(&self, caller: &Caller, case: CaseId, exhibit: ExhibitId) -> Result<ExhibitRow, Refusal> {
        self.require_member(caller, case).await?;
        let mut conn = self.store.read().await?;
        let found = exhibits::exhibit(&mut conn, exhibit).await?.filter(|found| found.case == case);
        Ok(exhibit_row(found.ok_or(Refusal::NotFound("exhibit"))?)?)
    }
}

/// A page, with the receipt of the chain's last record. The head is read before the records: one that is newer than an empty page would look like a
/// record held back.
async fn page(conn: &mut Conn, records: Vec<StoredRecord>, head: Option<(CaseId, Option<ExhibitId>, u64)>) -> Result<RecordsPage, Refusal> {
    let last = match head {
        None => None,
        Some((case, None, seq)) => log::case_records(conn, case, seq, 1).await?.pop(),
        Some((_, Some(exhibit), seq)) => log::exhibit_records(conn, exhibit, seq, 1).await?.pop(),
    };
    let head = match last {
        Some(record) => Some(receipt(conn, record.index, Shown::All).await?),
        None => None,
    };
    Ok(RecordsPage { records: records.into_iter().map(|record| view(record, Shown::All)).collect(), head })
}
