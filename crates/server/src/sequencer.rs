//! The sequencer: one task that takes the acts that wait and enters them in the log, a turn at a time.
//!
//! A turn is one database transaction: it holds the head, compares it with the head file, judges each act over facts that it reads inside the
//! transaction, writes records, tree nodes and effects, recomputes the root from what it reads back, signs one checkpoint, commits, and flushes
//! the head file. Only then do answers leave. Whatever dies in between, nothing was promised.

pub(crate) mod acts;
mod append;
mod change;
mod collect;
mod effects;
pub(crate) mod facts;
mod known;
mod receipts;
mod recovery;
mod succession;
pub(crate) mod turn;

pub(crate) use known::Known;

use std::sync::Arc;
use std::time::Duration;

use custodia_core::custody::intent::SignedIntent;
use custodia_core::custody::receipt::Receipt;
use custodia_core::digest::Blake3Digest;
use custodia_core::secret::Secret32;
use tokio::sync::{mpsc, oneshot};

use crate::error::Refusal;
use crate::nonces::Nonce;
use crate::store::StoreError;
use crate::vault::Vault;

/// The most submissions of one turn.
const MAX_TURN: usize = 256;
/// An idle server takes an empty turn so often, for refusals that were counted.
const IDLE: Duration = Duration::from_mins(1);
/// The most submissions that wait; more are refused.
const MAX_WAITING: usize = 4096;

/// What comes with an intent and is bound to it by digest.
pub(crate) enum Attachment {
    /// Nothing.
    None,
    /// `case.create`.
    Founding { group_info: Vec<u8>, ring_row: Vec<u8> },
    /// `member.change`.
    Change(ChangeMessage),
    /// `group.succeed`: the GroupInfo of epoch 0, and the commit that adds the others.
    Succession { founding: Vec<u8>, message: ChangeMessage },
    /// `disclosure` by grant.
    Grant { jws: String },
    /// `collection`.
    Intake(Intake),
    /// `combination`: the source's record of the collection just before it.
    Source,
}

/// A commit with its Welcome and ring row.
pub(crate) struct ChangeMessage {
    pub commit: Vec<u8>,
    pub welcome: Option<Vec<u8>>,
    pub ring_row: Option<Vec<u8>>,
    pub group_info: Vec<u8>,
}

/// What is collected: segment objects in order, and the two shares.
pub(crate) struct Intake {
    pub objects: Vec<Blake3Digest>,
    pub release_share: Secret32,
    pub group_share: Vec<u8>,
}

/// An intent whose signature verified, and what comes with it.
pub(crate) struct Act {
    pub intent: SignedIntent,
    pub attachment: Attachment,
}

/// What is handed in at once.
pub(crate) struct Sent {
    /// Entered together or not at all; at least one.
    pub acts: Vec<Act>,
    /// The nonce of their request, if it has one that is not used up yet.
    pub nonce: Option<Arc<Nonce>>,
}

/// What became of a submission.
#[derive(Debug)]
pub(crate) enum Entered {
    /// Every act was accepted; where they stand, in order.
    Accepted(Vec<Stands>),
    /// A rule refused an act, and the refusal, or an earlier answer to the same intent, stands at the index.
    Refused { rule: String, demands: String, index: u64 },
}

/// Where an accepted act stands.
#[derive(Debug)]
pub(crate) enum Stands {
    /// Entered in this turn.
    New(Box<Receipt>),
    /// Entered before, at this index.
    Earlier(u64),
}

struct Submission {
    sent: Sent,
    answer: oneshot::Sender<Result<Entered, Refusal>>,
}

/// Where acts are handed in.
#[derive(Clone)]
pub(crate) struct Sequencer(mpsc::Sender<Submission>);

/// The other end, to be run.
pub(crate) struct Waiting(mpsc::Receiver<Submission>);

impl Sequencer {
    pub fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), Waiting(receiver))
    }

    /// Hands acts in and waits until they stand durably in the log, or are refused.
    pub async fn enter(&self, nonce: Option<Arc<Nonce>>, acts: Vec<Act>) -> Result<Entered, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Submission { sent: Sent { acts, nonce }, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::TooMany("too many acts wait"),
            mpsc::error::TrySendError::Closed(_) => Refusal::Unavailable("the server is stopping".to_owned()),
        })?;
        answered.await.map_err(|_| Refusal::Unavailable("the server stopped before it knew the outcome".to_owned()))?
    }
}

/// The turn that an idle server takes.
#[cfg(test)]
pub(crate) async fn idle_turn(vault: &Vault) {
    turn::take(vault, Vec::new()).await.expect("nothing is submitted");
}

impl Waiting {
    /// Takes turns until every [`Sequencer`] is dropped.
    pub async fn run(mut self, vault: Arc<Vault>) {
        let mut batch = Vec::new();
        loop {
            if let Ok(0) = tokio::time::timeout(IDLE, self.0.recv_many(&mut batch, MAX_TURN)).await {
                return;
            }
            let (sent, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|submission| (submission.sent, submission.answer)).unzip();
            match turn::take(&vault, sent).await {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // Whoever asked may be gone; the record stands, and a retry finds it.
                        let _ = answer.send(outcome);
                    }
                }
                Err(stop) => {
                    tracing::error!(reason = %stop, place = stop.place(), "a turn was not entered");
                    // A database's own words are for the operator.
                    let told = match stop {
                        turn::Stop::Store(error @ StoreError::Unavailable(_)) => Refusal::from(error).to_string(),
                        other => other.to_string(),
                    };
                    for answer in answers {
                        let _ = answer.send(Err(Refusal::Unavailable(told.clone())));
                    }
                }
            }
        }
    }
}
