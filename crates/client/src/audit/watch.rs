//! `custodia audit watch`: an auditor's device that stays with the log, turn by turn.
//!
//! ```text
//! head ─► new records? ─► log.read [done, head) entered ─► replayed ─► rules ─► alerts and saved point in one transaction ─► told ─► noted as told
//! ```
//! So an alert is durable before the point moves past what shows it, and is told again after a crash between telling and noting: never lost, rarely
//! twice. A turn in which nothing but the watch's own entry is new reads nothing and enters nothing. An audit in between moves the same point; the
//! watch keeps beside it up to which record it has looked for patterns itself, and goes on there. What heads show is raised before the notes that show
//! it are kept in files, so that a folder that takes nothing hides nothing. After a proof of a fork or a rollback the watch goes on telling, and
//! [`Agent::proof_against_log`] says that the device cosigns nothing any more.

use std::path::{Path, PathBuf};

use custodia_core::custody::kind::Purpose;
use custodia_core::custody::replay::Replay;
use custodia_core::digest::Sha256Digest;
use custodia_core::log::{LogError, LogKey, Policy, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::time::LogTime;
use custodia_core::watch::rules::{acts, heads, standing};
use custodia_core::watch::{Act, Alert, Limits};
use custodia_failpoint::fail_point;

use super::AuditReport;
use super::point::{Earlier, SavedPoint};
use crate::agent::Agent;
use crate::durable_file;
use crate::error::AgentError;
use crate::log_view::Misbehaviour;
use crate::reasons::Statement;
use crate::state::{self, audit};

mod looking;

/// What a watch looks for, and why it reads.
#[derive(Debug)]
pub struct WatchSettings {
    /// Why the log is read; entered with each reading.
    pub purpose: Purpose,
    /// The same in words, sealed to the auditors.
    pub statement: Statement,
    /// From what on something is told.
    pub limits: Limits,
    /// Whose cosignatures are demanded; none: nobody's, and it is said.
    pub policy: Option<Policy>,
    /// Files with checkpoints that others hold: of a witness, of an agent, of another auditor.
    pub others: Vec<PathBuf>,
    /// The folder in which checkpoints that disagree are kept.
    pub evidence: PathBuf,
}

/// How far the watch has come.
enum Last {
    /// Not at all, or it is read from the saved point at the next turn.
    Unknown,
    /// As an earlier audit left it; none if there was none.
    Saved(Option<Box<SavedPoint>>),
    /// As its own last turn left it.
    Replayed(Box<AuditReport>),
}

impl Last {
    fn replay(&self) -> Option<(&VerifiedCheckpoint, &Replay, u64)> {
        match self {
            Self::Unknown | Self::Saved(None) => None,
            Self::Saved(Some(point)) => Some((&point.checkpoint, &point.replay, point.reading)),
            Self::Replayed(report) => Some((&report.checkpoint, &report.replay, report.reading)),
        }
    }
}

/// A watch under way.
pub struct Watch {
    settings: WatchSettings,
    last: Last,
    /// The acts that the rules still look back at.
    acts: Vec<Act>,
    /// Up to which record it has looked for patterns.
    looked: u64,
    /// A head up to which a replay failed; the same records are not read again until there are others.
    failed_at: Option<u64>,
}

/// What one turn did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Records of the log by its newest head that this device believes.
    pub size: u64,
    /// How many were replayed in this turn.
    pub replayed: u64,
    /// The record by which that reading is accounted for.
    pub reading: Option<u64>,
    /// Whether nothing failed in what was replayed, so that the saved point moved on, and nobody holds another view of the log.
    pub clean: bool,
    /// What could not be looked at, in words.
    pub unchecked: Vec<String>,
}

/// Why a policy is not used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The device is bound to no log.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// It is not one.
    #[error(transparent)]
    Malformed(#[from] LogError),
}

/// An alert that is to be told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    #[serde(skip)]
    id: i64,
    /// When this device found it, by its own clock.
    pub found: String,
    /// What it is.
    #[serde(flatten)]
    pub alert: Alert,
}

impl Watch {
    /// Begins where the last audit or watch of this device ended.
    pub const fn new(settings: WatchSettings) -> Self {
        Self { settings, last: Last::Unknown, acts: Vec::new(), looked: 0, failed_at: None }
    }

    /// The report of the last turn that replayed something and found it clean; a cosigning key takes it.
    pub const fn report(&self) -> Option<&AuditReport> {
        if let Last::Replayed(report) = &self.last { Some(report) } else { None }
    }
}

impl Agent {
    /// One turn: what is new is read, replayed and looked at; what is found is written down, to be told by [`Self::untold`].
    ///
    /// # Errors
    /// As [`Agent::audit`], but for a log that breaks its word: that is an alert.
    pub async fn watch_turn(&self, watch: &mut Watch) -> Result<Turn, AgentError> {
        if matches!(watch.last, Last::Unknown) {
            watch.last = Last::Saved(self.saved_point().await?.map(Box::new));
            let last = watch.last.replay().and_then(|(_, replay, _)| replay.last_time()).map_or(0, LogTime::millis);
            let mut connection = self.state.connection().await;
            watch.looked = audit::looked(&mut connection).await?;
            // The patterns begin with the first record that the watch has not looked at, and look back from there.
            let first = audit::time_from(&mut connection, watch.looked).await?.map_or(last, |(_, millis)| millis);
            let since = first.saturating_sub(watch.settings.limits.lookback_millis());
            watch.acts = audit::acts_since(&mut connection, since).await?;
        }
        match self.look(watch).await {
            Err(AgentError::Misbehaved(misbehaviour)) => {
                let found = self.raise_misbehaviour(&misbehaviour).await?;
                found.keep(&watch.settings.evidence)?;
                let size = self.log_size().await?;
                Ok(Turn { size, replayed: 0, reading: None, clean: false, unchecked: vec!["the records behind that".to_owned()] })
            }
            other => other,
        }
    }

    /// Writes down that the log broke its word, for a watch to tell and so that this device cosigns nothing any more if it was forked or rolled back.
    async fn raise_misbehaviour(&self, misbehaviour: &Misbehaviour) -> Result<Found, AgentError> {
        let mut found = Found::default();
        found.add(misbehaviour, self.believed().await?.log.key());
        self.raise(&found.alerts, None).await?;
        Ok(found)
    }

    /// The same for a result that may be such an error, which stays it.
    pub(super) async fn raising_misbehaviour<T>(&self, result: Result<T, AgentError>) -> Result<T, AgentError> {
        if let Err(AgentError::Misbehaved(misbehaviour)) = &result {
            self.raise_misbehaviour(misbehaviour).await?;
        }
        result
    }

    async fn look(&self, watch: &mut Watch) -> Result<Turn, AgentError> {
        self.deliver().await?;
        self.sync().await?;
        let size = self.log_size().await?;
        let (done, own) = watch.last.replay().map_or((0, None), |(checkpoint, _, reading)| (checkpoint.size().get(), Some(reading)));
        let only_own = size == done + 1 && own == Some(done);
        let mut alerts = Vec::new();
        let mut turn = Turn { size, replayed: 0, reading: None, clean: true, unchecked: Vec::new() };
        let mut report = None;
        if size > done && !only_own && watch.failed_at != Some(size) {
            let new = self.read_on(watch).await?;
            (turn.size, turn.replayed, turn.reading) = (new.size(), new.size() - new.from, Some(new.reading));
            turn.clean = new.failed().next().is_none();
            alerts.extend(new.failed().map(|finding| Alert {
                rule: finding.check.clone(),
                fails: true,
                subject: finding.subject.clone(),
                text: finding.text.clone(),
                records: Vec::new(),
                mark: String::new(),
            }));
            watch.acts.extend(new.kept.iter().filter_map(|kept| kept.act.clone()));
            report = Some(new);
        } else if watch.failed_at == Some(size) {
            turn.clean = false;
        }
        // Also without new records: an audit may have moved the point past some at which the watch has not looked.
        alerts.extend(acts::patterns(&watch.acts, watch.looked, &watch.settings.limits));
        let replay = report.as_ref().map(|report| &report.replay).or_else(|| watch.last.replay().map(|(_, replay, _)| replay));
        if let Some(replay) = replay {
            let now = self.now();
            alerts.extend(standing::ended_members(replay.registry(), replay.world(), now));
            alerts.extend(standing::overdue_reviews(replay.world(), now));
        }
        match &report {
            None => self.raise(&alerts, Some(done)).await?,
            Some(report) => self.keep_point(report, Some(&alerts)).await?,
        }
        fail_point!("agent.watch.found");
        // What the heads show holds at every turn anew, so it need not stand in the same transaction; a server that does not answer here hides nothing else.
        let mut of_heads = Found::default();
        let looked = match replay {
            Some(replay) => self.look_at_heads(watch, replay, report.as_ref(), &mut of_heads, &mut turn).await,
            None => Ok(()),
        };
        watch.looked = match &report {
            None => done,
            Some(report) if turn.clean => report.size(),
            Some(_) => watch.looked,
        };
        if let Some(report) = report {
            let since = report.replay.last_time().map_or(0, LogTime::millis).saturating_sub(watch.settings.limits.lookback_millis());
            watch.acts.retain(|act| act.time.millis() >= since);
            watch.failed_at = (!turn.clean).then_some(turn.size.max(report.reading + 1));
            watch.last = if turn.clean { Last::Replayed(Box::new(report)) } else { Last::Unknown };
        }
        if let Err(AgentError::Misbehaved(misbehaviour)) = &looked {
            of_heads.add(misbehaviour, self.believed().await?.log.key());
        }
        self.raise(&of_heads.alerts, None).await?;
        let kept = of_heads.keep(&watch.settings.evidence);
        // A log that is forked before somebody else's eyes is not cosigned, however clean this view of it is.
        turn.clean &= of_heads.alerts.iter().all(|alert| !alert.fails || !["WAT-01", "WAT-02", "AUD-08"].contains(&alert.rule.as_str()));
        match looked {
            Ok(()) | Err(AgentError::Misbehaved(_)) => kept.map(|()| turn),
            Err(error) => Err(error),
        }
    }

    /// Enters a reading of what is new, and replays it.
    async fn read_on(&self, watch: &mut Watch) -> Result<AuditReport, AgentError> {
        let done = watch.last.replay().map_or(0, |(checkpoint, ..)| checkpoint.size().get());
        let (checkpoint, entry) = self.enter_reading(watch.settings.purpose, &watch.settings.statement, done).await?;
        // What follows may fail half-way: then the next turn begins with the saved point again.
        let replay = match core::mem::replace(&mut watch.last, Last::Unknown) {
            Last::Unknown | Last::Saved(None) => self.empty_replay(&checkpoint).await?,
            Last::Saved(Some(point)) => {
                self.keeping_evidence(Self::is_beginning_of(&point, &checkpoint).map_err(AgentError::from)).await?;
                point.replay
            }
            Last::Replayed(report) => report.replay,
        };
        self.replay_on(checkpoint, replay, Earlier::default(), entry.index, |_| {}).await
    }

    /// Writes alerts down, and up to which record the watch has looked, if it has.
    async fn raise(&self, alerts: &[Alert], looked: Option<u64>) -> Result<(), AgentError> {
        let found = self.clock.claimed().as_str().to_owned();
        let mut connection = self.state.connection().await;
        let mut transaction = state::begin(&mut connection).await?;
        audit::raise(&mut transaction, &found, alerts).await?;
        if let Some(looked) = looked {
            audit::set_looked(&mut transaction, looked).await?;
        }
        Ok(transaction.commit().await.map_err(state::StateError::from)?)
    }

    /// Reads a policy that is written without its log line: the log is the one to which this device is bound.
    ///
    /// # Errors
    /// What is wrong with the policy, or that there is no server yet.
    pub async fn policy_of_log(&self, text: &str) -> Result<Policy, PolicyError> {
        let key = self.believed().await?.log.key().clone();
        Ok(Policy::parse(format!("log {key}\n{}\n", text.trim_end_matches('\n')).as_bytes())?)
    }

    /// The alerts that nobody was told of yet, oldest first.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn untold(&self) -> Result<Vec<Told>, AgentError> {
        let rows = audit::untold(&mut *self.state.connection().await).await?;
        Ok(rows.into_iter().map(|(id, found, alert)| Told { id, found, alert }).collect())
    }

    /// The first alert of this device that proves the log forked or rolled back; once there is one, the device is to cosign nothing any more.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn proof_against_log(&self) -> Result<Option<Told>, AgentError> {
        let row = audit::first_proof(&mut *self.state.connection().await).await?;
        Ok(row.map(|(id, found, alert)| Told { id, found, alert }))
    }

    /// Notes that an alert was told; to be called after it was.
    ///
    /// # Errors
    /// What the state refuses.
    pub async fn note_told(&self, told: &Told) -> Result<(), AgentError> {
        fail_point!("agent.watch.told");
        Ok(audit::told(&mut *self.state.connection().await, told.id).await?)
    }
}

/// What the heads show: alerts, and the notes that disagree.
#[derive(Debug, Default)]
struct Found {
    alerts: Vec<Alert>,
    notes: Vec<[String; 2]>,
}

impl Found {
    /// Adds the alert for a log that broke its word, and its two checkpoints.
    fn add(&mut self, misbehaviour: &Misbehaviour, key: &LogKey) {
        let read = |text: &str| SignedCheckpoint::parse(text.as_bytes()).and_then(|signed| signed.verify(key)).ok();
        let of_heads = read(&misbehaviour.held).zip(read(&misbehaviour.shown)).map(|(held, shown)| {
            heads::rollback(&held, &shown).or_else(|| heads::two_roots(&held, &shown)).unwrap_or_else(|| heads::no_extension(&held, &shown))
        });
        if of_heads.is_some() {
            self.notes.push([misbehaviour.held.clone(), misbehaviour.shown.clone()]);
        }
        // The same finding about other bytes is another occurrence.
        let shown = Sha256Digest::of(&[misbehaviour.shown.as_bytes()]);
        self.alerts.push(of_heads.unwrap_or_else(|| Alert {
            rule: "AUD-08".to_owned(),
            fails: true,
            subject: "what the server shows".to_owned(),
            text: misbehaviour.finding.to_owned(),
            records: Vec::new(),
            mark: format!("{}, shown {shown}", misbehaviour.finding),
        }));
    }

    /// Keeps notes that disagree, each in a file of its own that any tool reads; to be called once the alerts are durable.
    fn keep(&self, folder: &Path) -> Result<(), AgentError> {
        let io = |source| state::StateError::Io { path: folder.to_owned(), source };
        for note in self.notes.iter().flatten() {
            std::fs::create_dir_all(folder).map_err(io)?;
            let name = Sha256Digest::of(&[note.as_bytes()]).to_string();
            durable_file::replace(&folder.join(format!("{}.note", &name[..16])), note.as_bytes()).map_err(io)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
