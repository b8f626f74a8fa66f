//! One run: a seed chooses who does what, what goes wrong, and when; after every step the checker looks at the world.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use custodia_core::custody::intent::Seen;
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::CaseId;
use custodia_core::log::RootHash;

use crate::acting;
use crate::agent::Agent;
use crate::check::{Checker, Wrong};
use crate::choices::Choices;
use crate::database::Submission;
use crate::people::{BORN, CAST, DAY, ENROLLED, log_time};
use crate::sequencer::{Answer, Death, Server};

/// What goes wrong with one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    LostRequest,
    LostAnswer,
    /// The same request arrives twice.
    Twice,
    ServerDiesBeforeCommit,
    ServerDiesAfterCommit,
    /// The sender dies when the answer has come and before it is kept.
    SenderDies,
    /// The sender's clock is ten years off.
    SenderClock,
    /// The server's clock is ten years off.
    ServerClock,
}

const FAULTS: [Fault; 8] = [
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::Twice,
    Fault::ServerDiesBeforeCommit,
    Fault::ServerDiesAfterCommit,
    Fault::SenderDies,
    Fault::SenderClock,
    Fault::ServerClock,
];

const TEN_YEARS: u64 = 3652 * DAY;

/// What happened how often, so that a test can ask whether it happened at all.
pub type Tally = BTreeMap<String, u64>;

pub struct Run {
    pub choices: Choices,
    pub server: Server,
    pub agents: Vec<Agent>,
    pub checker: Checker,
    /// The true time, in seconds.
    pub now: u64,
    pub cases: Vec<CaseId>,
    /// What was ever sent, to be delivered once more.
    pub sent: Vec<Submission>,
    /// The server as it was at times.
    pub earlier: Vec<Server>,
    pub tally: Tally,
    /// The steps in words, if somebody will read them.
    pub told: Option<Vec<String>>,
}

/// The world in which every run begins: the trust list and all but one device enrolled, everybody in touch.
static BEGINNING: LazyLock<(Server, Vec<Agent>, Checker)> = LazyLock::new(|| {
    let mut choices = Choices::new(0);
    let mut server = Server::begun(BORN);
    let mut checker = Checker::new();
    let bodies =
        core::iter::once((0, acting::trust_list())).chain(CAST.devices[..ENROLLED].iter().map(|card| (card.office, acting::enrol(card))));
    for (office, body) in bodies {
        let acts = acting::of_office(&mut choices, office, body, nothing_seen(), BORN);
        let Answer::Accepted(..) = server.receive(&acts, BORN, Death::Never) else { panic!("the beginning is refused") };
    }
    checker.check(&server.disk, log_time(BORN)).unwrap();
    let mut agents: Vec<Agent> = CAST.devices.iter().map(Agent::new).collect();
    for agent in &mut agents {
        agent.sync(&server).unwrap();
    }
    (server, agents, checker)
});

/// An office follows no log: it has seen the empty tree.
pub fn nothing_seen() -> Seen {
    Seen { size: 0, root: Sha256Digest::from_bytes(*RootHash::empty().as_bytes()) }
}

impl Run {
    pub fn new(seed: u64, told: bool) -> Self {
        let (server, agents, checker) = BEGINNING.clone();
        Self {
            choices: Choices::new(seed),
            server,
            agents,
            checker,
            now: BORN + 3600,
            cases: Vec::new(),
            sent: Vec::new(),
            earlier: Vec::new(),
            tally: Tally::new(),
            told: told.then(Vec::new),
        }
    }

    /// Plays a seed to its end: steps, then everybody comes in touch, then lies that must be found.
    pub fn play(&mut self) -> Result<(), Wrong> {
        let steps = 10 + self.choices.below(14);
        for _ in 0..steps {
            self.time_passes();
            self.step()?;
            self.checker.check(&self.server.disk, log_time(self.now))?;
            if self.choices.chance(10) {
                self.earlier.push(self.server.clone());
            }
        }
        self.end()
    }

    fn time_passes(&mut self) {
        self.now += match self.choices.below(100) {
            0 => 40 * DAY,
            1..=3 => DAY + self.choices.below(2 * DAY),
            4..=12 => 3600 + self.choices.below(7200),
            _ => self.choices.below(300),
        };
        self.server.clock = self.now;
    }

    /// What waits is delivered, everybody comes in touch, and who can open what is tried out.
    fn end(&mut self) -> Result<(), Wrong> {
        for who in 0..self.agents.len() {
            while !self.agents[who].outbox.is_empty() {
                self.deliver(who, Fault::None)?;
            }
        }
        self.checker.check(&self.server.disk, log_time(self.now))?;
        for agent in &mut self.agents {
            agent.sync(&self.server).map_err(|found| Wrong(format!("{} accuses an honest server: {}", agent.card.name, found.0)))?;
        }
        self.checker.members_agree(&self.agents)?;
        if self.choices.chance(5) {
            self.checker.anew().check(&self.server.disk, log_time(self.now))?;
        }
        self.checker.who_can_open(&self.server.disk, &self.agents, log_time(self.now).max(self.server.disk.time))?;
        self.lies()
    }

    /// Says what happens, for whoever repeats a seed.
    pub fn tell(&mut self, sentence: impl FnOnce() -> String) {
        let now = self.now - BORN;
        if let Some(told) = &mut self.told {
            told.push(format!("day {:>3} {:02}:{:02}:{:02}  {}", now / DAY, now / 3600 % 24, now / 60 % 60, now % 60, sentence()));
        }
    }

    pub fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// Chooses what goes wrong with the next delivery.
    pub fn fault(&mut self) -> Fault {
        if self.choices.chance(65) { Fault::None } else { self.choices.pick(&FAULTS).expect("there are faults") }
    }

    /// Writes a submission to the outbox of a device, then sends it.
    pub fn submit(&mut self, who: usize, acts: Option<Submission>, what: impl FnOnce() -> String) -> Result<(), Wrong> {
        let Some(acts) = acts else { return Ok(()) };
        let name = self.agents[who].card.name;
        self.tell(|| format!("{name} {}", what()));
        if self.choices.chance(3) {
            // It died before it wrote the act down: nobody ever hears of it.
            self.count("died before the outbox");
            self.tell(|| format!("    {name} dies before that is written down"));
            return Ok(());
        }
        self.agents[who].outbox.push_back(acts);
        let fault = self.fault();
        self.deliver(who, fault)
    }

    /// Sends the first submission that waits in the outbox of a device.
    pub fn deliver(&mut self, who: usize, fault: Fault) -> Result<(), Wrong> {
        let Some(acts) = self.agents[who].outbox.front().cloned() else { return Ok(()) };
        self.sent.push(Arc::clone(&acts));
        let answer = self.send(&acts, fault)?;
        if let Some(answer) = answer {
            self.hear(who, &acts, &answer)?;
        }
        Ok(())
    }

    /// Sends a submission; none if nobody hears the answer.
    pub fn send(&mut self, acts: &Submission, fault: Fault) -> Result<Option<Answer>, Wrong> {
        if fault != Fault::None {
            self.count(format!("{fault:?}"));
            self.tell(|| format!("    {fault:?}"));
        }
        let death = match fault {
            Fault::LostRequest => return Ok(None),
            Fault::ServerDiesBeforeCommit => Death::BeforeCommit,
            Fault::ServerDiesAfterCommit => Death::AfterCommit,
            _ => Death::Never,
        };
        let off = if self.choices.chance(50) { self.now + TEN_YEARS } else { self.now - TEN_YEARS };
        self.server.clock = if fault == Fault::ServerClock { off } else { self.now };
        let created = if fault == Fault::SenderClock { off } else { self.now };
        let before = self.server.disk.size();
        let answer = self.server.receive(acts, created, death);
        self.server.clock = self.now;
        if matches!(fault, Fault::ServerClock | Fault::SenderClock) && self.server.disk.size() != before {
            return Err(Wrong("an act was entered although the clocks lie ten years apart".to_owned()));
        }
        if death != Death::Never && !self.server.start() {
            return Err(Wrong("a server does not start on its own database".to_owned()));
        }
        if fault == Fault::Twice {
            let (size, again) = (self.server.disk.size(), self.server.receive(acts, self.now, death));
            if self.server.disk.size() != size && !matches!((&answer, &again), (Answer::StaleEpoch | Answer::NotEntered(_), _)) {
                return Err(Wrong("an act that arrived twice was entered twice".to_owned()));
            }
            return Ok(Some(again));
        }
        let heard = death == Death::Never && !matches!(fault, Fault::LostAnswer | Fault::SenderDies);
        Ok(heard.then_some(answer))
    }

    /// What a device does with an answer.
    fn hear(&mut self, who: usize, acts: &Submission, answer: &Answer) -> Result<(), Wrong> {
        let receipts = match answer {
            Answer::Accepted(receipts) => receipts.as_slice(),
            Answer::Refused(rule, receipt) => {
                self.count(rule.clone());
                self.tell(|| format!("    refused by {rule}"));
                core::slice::from_ref(receipt.as_ref())
            }
            Answer::StaleEpoch => {
                self.count("stale epoch");
                self.tell(|| "    another commit came first".to_owned());
                &[]
            }
            Answer::NotEntered(reason) => {
                self.count(*reason);
                self.tell(|| format!("    not entered: {reason}"));
                if *reason == "the clocks lie apart" {
                    return Ok(());
                }
                &[]
            }
            Answer::None => return Ok(()),
        };
        let agent = &mut self.agents[who];
        agent.outbox.pop_front();
        let mut settled = Vec::new();
        for receipt in receipts {
            let shown = receipt.view.open().ok().and_then(|opened| opened.core).map(|core| core.intent);
            let act = acts.iter().find(|act| shown.as_deref() == Some(act.intent.text()));
            let act = act.ok_or_else(|| Wrong("a receipt is for none of the acts that were sent".to_owned()))?;
            let place = agent.settle(&act.intent, receipt, &self.server.disk);
            let place = place.map_err(|found| Wrong(format!("{} accuses an honest server: {}", agent.card.name, found.0)))?;
            self.checker.acknowledge(act.intent.signer(), act.intent.id, place);
            settled.push(act.intent.kind().as_str());
        }
        if matches!(answer, Answer::Accepted(..)) {
            for kind in settled {
                self.count(kind);
            }
        }
        Ok(())
    }
}
