//! One turn: from the lock on the head to the flushed head file.

use std::sync::Arc;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::log::merkle::{Frontier, RootHash, TreeSize};
use custodia_failpoint::fail_point;

use super::acts::{self, Failure};
use super::append::Growing;
use super::receipts::Receipts;
use super::{Act, Entered, Sent};
use crate::error::Refusal;
use crate::head_file::HeadFile;
use crate::nonces;
use crate::store::log::{self, Head, IntentKey};
use crate::store::tree::{self, Nodes};
use crate::store::{Conn, StoreError, Write, devices};
use crate::vault::Vault;

/// By how much a turn that nobody asked for moves the log's time at most, in milliseconds: a day.
const MOST_ALONE: u64 = 24 * 60 * 60 * 1000;

/// Why a whole turn came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Appending would make a second history.
    #[error(
        "the log in the database ({found}) is behind the head file, or another log ({seen}); nothing is appended, and what is there can be \
         read. Put the database back that holds the acknowledged records. If there is none, begin a new log under another origin (`custodia \
         serve begin`), and give out its card with this last known head; never lower the head file"
    )]
    Behind {
        /// Size and root in the database.
        found: String,
        /// Size and root in the head file.
        seen: String,
    },
    /// Witnesses have seen more of this log, or another.
    #[error("{0}")]
    Witnessed(String),
    /// What was read back is not what was written.
    #[error("the tree read back from the database has another root than the one computed; nothing is signed")]
    Root,
    /// Another process appended although the head was held.
    #[error("another process appended in the same moment; send it again")]
    Swapped,
    /// The head file.
    #[error("the head file {} cannot be written: {source}", path.display())]
    HeadFile {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Refusals that were counted cannot be entered.
    #[error("the counted refusals cannot be entered: {0}")]
    Counted(#[source] Refusal),
    /// Signing or random bytes.
    #[error("the server failed: {0}")]
    Internal(&'static str),
}

impl Stop {
    /// The key of the configuration that names what failed, for the operator.
    pub const fn place(&self) -> &'static str {
        match self {
            Self::HeadFile { .. } => "data.head_file",
            Self::Internal(_) | Self::Counted(_) => "none",
            Self::Store(_) | Self::Behind { .. } | Self::Witnessed(_) | Self::Root | Self::Swapped => "data.database",
        }
    }
}

/// Enters the submissions; one outcome each, in order.
///
/// # Errors
/// Nothing was entered, or (for the head file alone) it is not promised: a retry finds it.
pub(super) async fn take(vault: &Vault, submissions: Vec<Sent>) -> Result<Vec<Result<Entered, Refusal>>, Stop> {
    let mut head_file = vault.head_file.lock().await;
    vault.contradicted.reason().map_or(Ok(()), |reason| Err(Stop::Witnessed(reason)))?;
    let mut write = vault.store.write().await?;
    let start = log::lock_head(&vault.store, write.conn()).await?;
    // The same head needs no comparison: that the tree has this root is looked at below.
    if (start.size, start.root) != (head_file.seen().size, head_file.seen().root) {
        compare(write.conn(), &start, &head_file).await?;
    }
    let known = vault.known.begin(&start);
    let (mirror, frontier) = match known {
        Some(frontier) => (vault.registry.current(), frontier),
        None => (vault.registry.refreshed(write.conn()).await?, read_frontier(write.conn(), start.size).await?),
    };
    if frontier.root() != start.root {
        return Err(Stop::Root);
    }
    fail_point!("server.turn.begun");
    let before = frontier.clone();
    let mut growing = Growing::new(frontier, vault.clock.now().max(start.time), mirror, Arc::clone(&vault.known));
    vault.roots.learn(start.size, start.root);

    // Whoever submits something has told this server when its clock is wrong. With nobody there, the clock alone moves the log's time by no
    // more than a day: a turn that somebody asks for enters what waits.
    let ahead = growing.time.millis().saturating_sub(start.time.millis());
    if (!submissions.is_empty() || ahead <= MOST_ALONE) && vault.known.is_untidy(growing.time) {
        super::append::counted_refusals(write.conn(), &mut growing).await.map_err(Stop::Counted)?;
        devices::forget_nonces(write.conn(), growing.time.seconds()).await?;
    }
    let nonces: Vec<_> = submissions.iter().filter_map(|sent| sent.nonce.clone()).collect();
    let fresh = nonces::write_down(write.conn(), &nonces).await?;
    let openings: Vec<_> = submissions.iter().filter_map(|sent| acts::alone(&sent.acts)).map(key_of).collect();
    let earlier = log::earlier_of(write.conn(), &openings).await?;
    let mut outcomes = Vec::with_capacity(submissions.len());
    for Sent { acts, nonce } in submissions {
        if nonce.is_some_and(|nonce| !fresh.contains(&nonce.key())) {
            outcomes.push(Err(Refusal::Replayed));
            continue;
        }
        let opening = acts::alone(&acts).filter(|intent| !earlier.contains_key(&key_of(intent)) && !growing.holds(key_of(intent)));
        outcomes.push(match opening {
            Some(intent) => enter_opening(vault, &mut write, &mut growing, intent).await?,
            None => enter(vault, &mut write, &mut growing, &acts).await?,
        });
    }
    growing.write(write.conn()).await?;

    let end = Head { size: growing.frontier.size(), root: growing.frontier.root(), time: growing.time };
    let mut checkpoint = String::new();
    if end.size > start.size {
        tree::insert_nodes(write.conn(), &growing.nodes).await?;
        let read_back = read_frontier(write.conn(), end.size).await?;
        if read_back.root() != end.root {
            return Err(Stop::Root);
        }
        if !log::swap_head(write.conn(), start.size, &end).await? {
            return Err(Stop::Swapped);
        }
        let signed = vault.signer.sign(end.size, end.root).map_err(|_| Stop::Internal("a checkpoint cannot be signed"))?;
        checkpoint = signed.note().as_str().to_owned();
        log::insert_checkpoint(write.conn(), end.size, &checkpoint).await?;
        fail_point!("server.turn.signed");
        write.commit().await?;
        fail_point!("server.turn.committed");
        remember(&mut head_file, end.size, end.root)?;
        fail_point!("server.turn.done");
        vault.registry.offer(Arc::clone(&growing.mirror));
        vault.known.end(end, growing.frontier.clone());
    } else {
        // No record, though a refusal may have been counted, and nonces were used.
        write.commit().await?;
        if end.size > head_file.seen().size {
            remember(&mut head_file, end.size, end.root)?;
        }
        vault.known.end(start, growing.frontier.clone());
    }
    for nonce in nonces {
        nonce.is_used();
    }
    let receipts = Receipts::new(&before, &growing, checkpoint);
    let answer = |done| match done {
        Done::Accepted(indexes) => Entered::Accepted(indexes.into_iter().map(|index| receipts.of(&growing, index)).collect()),
        Done::Refused { rule, demands, index } => Entered::Refused { rule, demands, index },
    };
    Ok(outcomes.into_iter().map(|outcome| outcome.map(answer)).collect())
}

fn remember(file: &mut HeadFile, size: TreeSize, root: RootHash) -> Result<(), Stop> {
    file.remember(size, root).map_err(|source| Stop::HeadFile { path: file.path().to_owned(), source })
}

/// What became of a submission, before its turn ended.
enum Done {
    Accepted(Vec<u64>),
    Refused { rule: String, demands: String, index: u64 },
}

fn key_of(intent: &SignedIntent) -> IntentKey {
    (intent.signer(), intent.id)
}

/// Enters an opening that was never sent before.
async fn enter_opening(
    vault: &Vault,
    write: &mut Write,
    growing: &mut Growing,
    intent: &SignedIntent,
) -> Result<Result<Done, Refusal>, Stop> {
    match acts::perform_opening(vault, write.conn(), growing, intent).await {
        Ok(index) => Ok(Ok(Done::Accepted(vec![index]))),
        Err(failure) => not_performed(vault, write, growing, intent, failure).await,
    }
}

/// Enters one submission within a part of the transaction, so that its failure takes back nothing else.
async fn enter(vault: &Vault, write: &mut Write, growing: &mut Growing, acts: &[Act]) -> Result<Result<Done, Refusal>, Stop> {
    growing.write(write.conn()).await?;
    let before = growing.clone();
    let mut part = write.part().await?;
    let failure = match acts::perform(vault, &mut part, growing, acts).await {
        Ok(indexes) => {
            part.commit().await.map_err(StoreError::from)?;
            return Ok(Ok(Done::Accepted(indexes)));
        }
        Err(failure) => failure,
    };
    part.rollback().await.map_err(StoreError::from)?;
    take_back(growing, before);
    let refused = match &failure {
        Failure::Rule { act, .. } => &acts[*act].intent,
        Failure::Earlier { .. } | Failure::Other(_) => &acts[0].intent,
    };
    not_performed(vault, write, growing, refused, failure).await
}

fn take_back(growing: &mut Growing, before: Growing) {
    *growing = before;
    growing.known.forget();
}

/// Answers for what was not performed; a refusal by a rule is entered.
async fn not_performed(
    vault: &Vault,
    write: &mut Write,
    growing: &mut Growing,
    refused: &SignedIntent,
    failure: Failure,
) -> Result<Result<Done, Refusal>, Stop> {
    let (rule, demands) = match failure {
        Failure::Other(refusal) => return Ok(Err(refusal)),
        Failure::Earlier { index, rule, demands } => return Ok(Ok(Done::Refused { rule, demands, index })),
        Failure::Rule { rule, demands, .. } => (rule, demands),
    };
    growing.write(write.conn()).await?;
    let before = growing.clone();
    let mut part = write.part().await?;
    match super::append::refusal(vault, &mut part, growing, refused, &rule).await {
        Ok(None) => {
            part.commit().await.map_err(StoreError::from)?;
            Ok(Err(Refusal::TooMany("this device had too many acts refused within the hour; this one is counted")))
        }
        Ok(Some(index)) => {
            part.commit().await.map_err(StoreError::from)?;
            tracing::info!(rule, log.index = index, device.certificate = %refused.signer(), "an act was refused");
            Ok(Ok(Done::Refused { rule, demands, index }))
        }
        Err(refusal) => {
            part.rollback().await.map_err(StoreError::from)?;
            take_back(growing, before);
            Ok(Err(refusal))
        }
    }
}

/// Compares the database's head with the largest that this process saw: it must extend it.
async fn compare(conn: &mut Conn, found: &Head, file: &HeadFile) -> Result<(), Stop> {
    let seen = file.seen();
    let extends = found.size >= seen.size && read_frontier(conn, seen.size).await.is_ok_and(|frontier| frontier.root() == seen.root);
    if extends {
        return Ok(());
    }
    let shown = |size: TreeSize, root: RootHash| format!("size {size}, root {root}");
    Err(Stop::Behind { found: shown(found.size, found.root), seen: shown(seen.size, seen.root) })
}

/// Compares once, before the first request is taken, and remembers the head that this process will show: after a death between the commit and
/// the head file it is larger than the one that the file holds.
pub(crate) async fn compare_at_start(vault: &Vault) -> Result<(), Stop> {
    let mut head_file = vault.head_file.lock().await;
    let mut conn = vault.store.read().await?;
    let head = log::head(&mut conn).await?.ok_or(StoreError::Corrupt("the log was never begun"))?;
    compare(&mut conn, &head, &head_file).await?;
    if head.size > head_file.seen().size { remember(&mut head_file, head.size, head.root) } else { Ok(()) }
}

/// The complete subtrees of a tree of that size, read from the database.
pub(super) async fn read_frontier(conn: &mut Conn, size: TreeSize) -> Result<Frontier, StoreError> {
    let nodes = Nodes::read(conn, Frontier::nodes(size)).await?;
    Frontier::load(size, |id| nodes.get(id))
}
