//! A server that lies: it rolls back, forks, drops, repeats, reorders or rewrites what it acknowledged, and signs that. It must be found.

use std::sync::Arc;

use custodia_core::custody::record::{Outcome, RuleId};

use crate::acting;
use crate::check::Wrong;
use crate::database::{Database, Entry};
use crate::people::CAST;
use crate::run::{Run, nothing_seen};
use crate::sequencer::{Death, Server};

/// What is done to the records of a database, at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    Drop,
    Repeat,
    Swap,
    /// An accepted act is shown as refused.
    Refuse,
    /// The last record goes, and another one takes its place.
    Replace,
    /// It is dated a day earlier.
    Backdate,
}

impl Tampering {
    pub const ALL: [Self; 6] = [Self::Drop, Self::Repeat, Self::Swap, Self::Refuse, Self::Replace, Self::Backdate];

    /// A database whose records, chains, tree and signature fit each other, and are not those that were acknowledged.
    pub fn of(self, disk: &Database, at: usize) -> Database {
        let mut entries: Vec<Entry> = disk.entries.iter().map(|entry| Entry::clone(entry)).collect();
        match self {
            Self::Drop => {
                entries.remove(at);
            }
            Self::Repeat => entries.insert(at, entries[at].clone()),
            Self::Swap => entries.swap(at, at - 1),
            Self::Refuse => {
                let outcome = &mut entries[at].record.core.outcome;
                *outcome = if *outcome == Outcome::Accepted { Outcome::Refused(RuleId::new("ACC-03").unwrap()) } else { Outcome::Accepted };
            }
            Self::Replace => entries[at] = entries[at - 1].clone(),
            Self::Backdate => {
                let time = &mut entries[at].record.core.time;
                *time = custodia_core::time::LogTime::from_millis(time.millis() - 86_400_000).unwrap();
            }
        }
        rebuilt(disk, entries)
    }
}

/// Gives every record the index and the places that fit, and signs the tree.
fn rebuilt(disk: &Database, entries: Vec<Entry>) -> Database {
    let mut made = Database::begun();
    for (index, mut entry) in (0..).zip(entries) {
        entry.record.core.index = index;
        entry.record.case = made.world.next_in_case(entry.intent.case);
        entry.record.exhibit = entry.intent.exhibit.map(|id| made.world.next_in_exhibit(id));
        entry.commitment = entry.record.commitment();
        made.store(entry);
    }
    made.sign();
    made.registry = Arc::clone(&disk.registry);
    made.shares.clone_from(&disk.shares);
    made
}

impl Run {
    /// Shows some device an earlier server, or one that went another way from there.
    pub fn lies(&mut self) -> Result<(), Wrong> {
        let Some(mut other) = self.choices.pick(&self.earlier.clone()) else { return Ok(()) };
        let Some(agent) = self.choices.pick(&self.agents.clone()) else { return Ok(()) };
        let (head, _) = agent.seen();
        if other.disk.size() == head {
            return Ok(());
        }
        self.restored(&other)?;
        let more = self.choices.below(8);
        for _ in 0..more {
            // Any record makes it another log: an office tries to enrol somebody who is enrolled.
            let card = &CAST.devices[0];
            let acts = acting::of_office(&mut self.choices, card.office, acting::enrol(card), nothing_seen(), other.clock);
            let clock = other.clock;
            other.receive(&acts, clock, Death::Never);
        }
        let what = if more == 0 { "rolled back" } else { "forked" };
        self.count(what);
        self.tell(|| format!("{} is shown a log that was {what}: {} records instead of {head}", agent.card.name, other.disk.size()));
        let found = agent.clone().sync(&other);
        if found.is_ok() {
            return Err(Wrong(format!("{} does not notice that the log was {what}", agent.card.name)));
        }
        if agent.clone().sync(&self.server).is_err() {
            return Err(Wrong(format!("{} does not believe the honest server again", agent.card.name)));
        }
        Ok(())
    }

    /// A database that was restored from before appends nothing: the head file remembers.
    fn restored(&mut self, earlier: &Server) -> Result<(), Wrong> {
        let mut restored = Server { disk: earlier.disk.clone(), ..self.server.clone() };
        let acts = acting::of_office(&mut self.choices, 0, acting::enrol(&CAST.devices[0]), nothing_seen(), self.now);
        restored.receive(&acts, self.now, Death::Never);
        self.count("database restored");
        if restored.disk.size() == earlier.disk.size() { Ok(()) } else { Err(Wrong("a restored database was appended to".to_owned())) }
    }
}
