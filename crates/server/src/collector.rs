//! Collects what others say of the log's heads: cosignatures of the policy's witnesses, stamps of time-stamping authorities.
//!
//! ```text
//! every few minutes, while there are new records
//!   head ──► every witness with a URL, at once ──► verified ──► kept
//!   head ──► every authority, at once          ──► checked  ──► kept
//! ```
//! It runs beside the sequencer and never holds up an append; who does not answer in time is asked again at the next turn. Several processes on one
//! database each do this: what one has collected lately, the next does not ask for again, and what comes in twice stands once. A witness is asked all
//! the same until it has answered this process once, which compares; and a time of theirs that lies ahead of this clock is never lately.
//!
//! A witness that has seen more of this log than the database holds, or another tree, contradicts it: the database was set back, or a second server
//! signs with the log's key. One witness may be wrong, and is an alarm; where the others cannot make the policy's quorum without those that
//! contradict, nothing is appended any more, as with a head file that is ahead.

mod ask;
mod stamp;
mod witness;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use custodia_core::log::SignedCheckpoint;
use custodia_core::log::checkpoint::VerifiedCheckpoint;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::config::{Problem, ServerConfig};
use crate::error::StartError;
use crate::store::{StoreError, log};
use crate::vault::Vault;
use ask::Way;
use stamp::Authority;
use witness::AskedWitness;

/// Why nothing is appended, as long as witnesses contradict the database.
#[derive(Debug, Default)]
pub(crate) struct Contradicted(RwLock<Option<String>>);

impl Contradicted {
    /// The reason, if there is one.
    pub fn reason(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *held != reason {
            if let Some(reason) = &reason {
                tracing::error!(reason, "nothing is appended");
            } else {
                tracing::warn!("the witnesses agree with the database again; acts are entered again");
            }
            *held = reason;
        }
    }
}

/// The seconds that are lately by this server's clock: some before now, up to now. None if it is for no time.
struct Lately {
    before: u64,
    now: u64,
}

impl Lately {
    fn of(vault: &Vault, lately: Duration) -> Self {
        let now = vault.clock.now().seconds();
        Self { before: now.saturating_sub(lately.as_secs()), now }
    }

    /// Whether a time by somebody else's clock is lately; one later than now is not, or it would end the asking.
    const fn includes(&self, seconds: u64) -> bool {
        self.before < seconds && seconds <= self.now
    }
}

/// Whom to ask, and how often.
struct Circle<Member> {
    members: Vec<Member>,
    every: Duration,
}

impl<Member> Circle<Member> {
    /// When to ask: once in each interval however long the answers take, so that who never answers makes nobody else wait longer for their turn.
    fn turns(&self) -> Interval {
        let mut turns = tokio::time::interval(self.every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns
    }
}

/// What collects.
pub(crate) struct Collector {
    vault: Arc<Vault>,
    witnesses: Circle<AskedWitness>,
    authorities: Circle<Authority>,
}

impl Collector {
    /// Prepares to ask whom the configuration names; asks nobody yet.
    ///
    /// # Errors
    /// A URL, or the file of TLS authorities, cannot be used.
    pub fn new(config: &ServerConfig, vault: Arc<Vault>) -> Result<Self, StartError> {
        let mut witnesses = Circle { members: Vec::new(), every: Duration::from_hours(1) };
        if let (Some(config), Some(policy)) = (&config.witnesses, &vault.policy) {
            let way = Way::new("witnesses", config.timeout_seconds, config.tls_authorities.as_deref())?;
            witnesses.every = Duration::from_secs(config.every_seconds);
            for witness in policy.witnesses() {
                if let Some(url) = &witness.url {
                    let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
                    witnesses.members.push(AskedWitness::new(witness.key.clone(), way.to("witnesses.policy", &url)?));
                }
            }
        }
        let mut authorities = Circle { members: Vec::new(), every: Duration::from_hours(1) };
        if let Some(config) = &config.stamps {
            let way = Way::new("stamps", config.timeout_seconds, config.tls_authorities.as_deref())?;
            authorities.every = Duration::from_secs(config.every_seconds);
            let roots = config.read_roots().map_err(|message| StartError::Config(vec![Problem::of_roots(message)]))?.map(Arc::new);
            for authority in &config.authorities {
                authorities.members.push(Authority::new(
                    authority.name.clone(),
                    way.to("stamps.authorities", &authority.url)?,
                    roots.clone(),
                ));
            }
        }
        Ok(Self { vault, witnesses, authorities })
    }

    /// Takes turns until the tasks are aborted: of witnesses and of authorities each by themselves, so that neither waits for the other.
    pub fn run(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if !self.witnesses.members.is_empty() {
            let own = Arc::clone(self);
            tasks.push(tokio::spawn(async move {
                let mut turns = own.witnesses.turns();
                loop {
                    turns.tick().await;
                    own.ask_witnesses(own.witnesses.every / 2).await;
                }
            }));
        }
        if !self.authorities.members.is_empty() {
            let own = Arc::clone(self);
            tasks.push(tokio::spawn(async move {
                let mut turns = own.authorities.turns();
                loop {
                    turns.tick().await;
                    own.ask_authorities(own.authorities.every / 2).await;
                }
            }));
        }
        tasks
    }

    /// One turn of the witnesses; none if all of them have answered this process and cosigned within `lately`, for this process or another.
    pub async fn ask_witnesses(&self, lately: Duration) {
        let (vault, members) = (&self.vault, &self.witnesses.members);
        let Some(head) = self.head_to_show().await else { return };
        let lately = Lately::of(vault, lately);
        let mut due = false;
        for member in members {
            match member.is_due(vault, &head, &lately).await {
                Ok(is_due) => due |= is_due,
                Err(error) => return unreadable(&error),
            }
        }
        if !due {
            return;
        }
        futures::future::join_all(members.iter().map(|member| member.turn(vault, &head))).await;
        vault.contradicted.set(self.contradiction(&head));
    }

    /// Why nothing may be appended: without those who contradict the database, no head of this log can make the quorum any more.
    fn contradiction(&self, head: &VerifiedCheckpoint) -> Option<String> {
        let found: Vec<_> = self.witnesses.members.iter().filter_map(|member| Some((member.key(), member.contradiction()?))).collect();
        let policy = self.vault.policy.as_ref()?;
        let others = policy.witnesses().iter().map(|witness| &witness.key).filter(|key| found.iter().all(|(other, _)| other != key));
        if found.is_empty() || policy.would_be_met_by(&others.collect::<Vec<_>>()) {
            return None;
        }
        let said: Vec<String> = found.iter().map(|(key, what)| format!("{}: {what}", key.name())).collect();
        Some(format!(
            "witnesses contradict the log in the database, which has {} records ({}): the database was set back, or another server signs with \
             this log's key. Nothing is appended, and what is there can be read. Put the database back that holds the acknowledged records; if \
             there is none, begin a new log under another origin (`custodia serve begin`)",
            head.size(),
            said.join("; "),
        ))
    }

    /// One turn of the time-stamping authorities.
    pub async fn ask_authorities(&self, lately: Duration) {
        let (vault, members) = (&self.vault, &self.authorities.members);
        let Some(head) = self.head_to_show().await else { return };
        let lately = Lately::of(vault, lately);
        let mut due = false;
        for member in members {
            match member.is_due(vault, &head, &lately).await {
                Ok(is_due) => due |= is_due,
                Err(error) => return unreadable(&error),
            }
        }
        if due {
            futures::future::join_all(members.iter().map(|member| member.turn(vault, &head))).await;
        }
    }

    /// The head; none while there is nothing to vouch for.
    async fn head_to_show(&self) -> Option<VerifiedCheckpoint> {
        match head(&self.vault).await {
            Ok(head) => Some(head).filter(|head| head.size().get() > 0),
            Err(error) => {
                unreadable(&error);
                None
            }
        }
    }
}

/// The log's head, as this log signed it.
async fn head(vault: &Vault) -> Result<VerifiedCheckpoint, StoreError> {
    let mut conn = vault.store.read().await?;
    let (_, note) = log::last_checkpoint(&mut conn).await?.ok_or(StoreError::Corrupt("the log was never begun"))?;
    let head = SignedCheckpoint::parse(note.as_bytes()).and_then(|head| head.verify(&vault.signer.log_key()));
    head.map_err(|_| StoreError::Corrupt("a checkpoint that this log did not sign"))
}

fn unreadable(error: &StoreError) {
    tracing::error!(%error, "the database does not say whom to ask for cosignatures or stamps; it is tried again at the next turn");
}
