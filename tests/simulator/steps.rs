//! What people do, chosen by the seed: some of it allowed, some of it not, some of it too late.

use std::collections::BTreeSet;
use std::sync::Arc;

use custodia_core::custody::body::{
    Alteration, Body, Consent, ConsentTo, Consultation, Disclosure, Erasure, Handling, LogRead, Nothing, Terms, TransferMeans, ViewMode,
};
use custodia_core::custody::kind::Purpose;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::{AsOf, CertificateId, RegistrySeq, Role, Standing};
use custodia_core::ids::{CaseId, ExhibitId};

use crate::acting::{self, Change, Flaw};
use crate::check::Wrong;
use crate::database::{Act, Submission, With};
use crate::group::id_of;
use crate::people::{CAST, Card, OFFICES, card, log_time};
use crate::run::{Fault, Run, nothing_seen};
use crate::sequencer::Answer;

impl Run {
    /// One step.
    pub fn step(&mut self) -> Result<(), Wrong> {
        if self.cases.is_empty() {
            return self.founds();
        }
        match self.choices.below(100) {
            0..=3 => self.founds(),
            4..=5 => self.office_acts(),
            6..=26 => self.changes_members(),
            27..=30 => self.race(),
            31..=33 => self.leaves(),
            34..=48 => self.collects(),
            49..=72 => self.acts_on_exhibit(),
            73..=78 => self.grants(),
            79..=82 => self.reads_log(),
            83..=86 => self.comes_late(),
            87..=89 => self.restarts(),
            _ => self.comes_in_touch(),
        }
    }

    fn anybody(&mut self) -> usize {
        usize::try_from(self.choices.below(u64::try_from(self.agents.len()).unwrap())).unwrap()
    }

    /// Somebody who is in the case, or now and then anybody.
    fn somebody(&mut self, case: CaseId) -> usize {
        let member = |who: &usize| self.agents[*who].cases.get(&case).is_some_and(|followed| followed.group.is_some());
        let inside: Vec<usize> = (0..self.agents.len()).filter(member).collect();
        if self.choices.chance(8) { self.anybody() } else { self.choices.pick(&inside).unwrap_or(0) }
    }

    fn some_case(&mut self) -> CaseId {
        self.choices.pick(&self.cases).expect("a case was founded")
    }

    /// What waits in the outbox goes first; then, mostly, the device comes in touch.
    fn prepare(&mut self, who: usize) -> Result<(), Wrong> {
        if !self.agents[who].outbox.is_empty() {
            let fault = self.fault();
            self.tell(|| format!("{} sends again what waited", CAST.devices[who].name));
            self.deliver(who, fault)?;
        }
        if self.choices.chance(80) { self.sync(who) } else { Ok(()) }
    }

    fn sync(&mut self, who: usize) -> Result<(), Wrong> {
        let agent = &mut self.agents[who];
        agent.sync(&self.server).map_err(|found| Wrong(format!("{} accuses an honest server: {}", agent.card.name, found.0)))
    }

    fn comes_in_touch(&mut self) -> Result<(), Wrong> {
        let who = self.anybody();
        self.tell(|| format!("{} comes in touch", CAST.devices[who].name));
        self.prepare(who)?;
        self.sync(who)
    }

    fn restarts(&mut self) -> Result<(), Wrong> {
        self.tell(|| "the server starts again".to_owned());
        if self.server.start() { Ok(()) } else { Err(Wrong("a server does not start on its own database".to_owned())) }
    }

    fn founds(&mut self) -> Result<(), Wrong> {
        let who = if self.choices.chance(85) { self.choices.pick(&[0, 1, 3, 4]).unwrap() } else { self.anybody() };
        self.prepare(who)?;
        let again = self.choices.chance(10);
        let case = if again && !self.cases.is_empty() { self.some_case() } else { CaseId::from_bytes(self.choices.bytes()) };
        let parent = if self.choices.chance(25) { self.choices.pick(&self.cases.clone()) } else { None };
        let (agent, now) = (self.agents[who].clone(), self.now);
        let acts = agent.found(&mut self.choices, case, parent, now);
        self.submit(who, acts, || format!("founds case {}", short(&case.to_string())))?;
        if self.server.disk.groups.contains_key(&case) && !self.cases.contains(&case) {
            self.cases.push(case);
        }
        // Nobody joins before the office's recovery device is in.
        self.sync(who)?;
        self.change(who, case, Vec::new(), Vec::new())
    }

    /// An office enrols or revokes: one of its own, or now and then another's.
    fn office_acts(&mut self) -> Result<(), Wrong> {
        let card = &CAST.devices[self.anybody()];
        let office = if self.choices.chance(85) { card.office } else { usize::try_from(self.choices.below(3)).unwrap() };
        let enrols = self.choices.chance(55);
        let body = if enrols { acting::enrol(card) } else { acting::revoke(card) };
        let (verb, now) = (if enrols { "enrols" } else { "revokes" }, self.now);
        self.tell(|| format!("{} {verb} {}", OFFICES[office].id, card.name));
        let acts = acting::of_office(&mut self.choices, office, body, nothing_seen(), now);
        self.sent.push(Arc::clone(&acts));
        let fault = self.fault();
        match self.send(&acts, fault)? {
            Some(Answer::Accepted(..)) => self.count(format!("office {verb}")),
            Some(Answer::Refused(rule, _)) => {
                self.tell(|| format!("    refused by {rule}"));
                self.count(rule);
            }
            _ => {}
        }
        Ok(())
    }

    fn changes_members(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let who = self.somebody(case);
        self.prepare(who)?;
        let (mut adds, mut removes) = (Vec::new(), Vec::new());
        match self.choices.below(10) {
            0..=5 => {
                let card = &CAST.devices[self.anybody()];
                let terms = self.choices.pick(&[Terms::Full, Terms::Full, Terms::Chosen, Terms::None]).unwrap();
                adds.push((card, terms));
            }
            6..=8 => removes.push(CAST.devices[self.anybody()].id),
            _ => {}
        }
        self.change(who, case, adds, removes)
    }

    /// Makes a commit whole as a device does: the recovery devices that are missing come in, whoever is gone goes out, unless it is to be wrong.
    fn plan(&mut self, who: usize, case: CaseId, mut adds: Vec<(&'static Card, Terms)>, mut removes: Vec<Sha256Digest>) -> Option<Change> {
        let flaw = match self.choices.below(20) {
            0 => Flaw::OldRing,
            1 => Flaw::Undisclosed,
            2 => Flaw::LeavesTheGone,
            _ => Flaw::None,
        };
        let with_recovery = self.choices.chance(93);
        let agent = &self.agents[who];
        let followed = agent.cases.get(&case)?;
        let group = followed.group.as_ref()?;
        let leaves: BTreeSet<Sha256Digest> = group.leaves.iter().map(id_of).collect();
        let at = AsOf { seq: RegistrySeq::new(u64::MAX), time: log_time(self.now) };
        let revoked = |id: &Sha256Digest| matches!(agent.registry.standing(CertificateId::from_digest(*id), at), Standing::Revoked(_));
        adds.retain(|(card, _)| !leaves.contains(&card.id));
        removes.retain(|id| leaves.contains(id));
        if flaw != Flaw::LeavesTheGone {
            removes.extend(leaves.iter().filter(|id| followed.left.contains_key(*id) || revoked(id)));
        }
        removes.sort_unstable();
        removes.dedup();
        removes.retain(|id| *id != agent.card.id);
        let after: Vec<&Card> =
            leaves.iter().filter(|id| !removes.contains(id)).map(card).chain(adds.iter().map(|(card, _)| *card)).collect();
        let missing = |card: &&'static Card| {
            card.role == Role::Recovery
                && after.iter().any(|other| other.office == card.office)
                && !after.iter().any(|other| other.id == card.id)
                && !removes.contains(&card.id)
        };
        if with_recovery {
            let safes: Vec<_> = CAST.devices.iter().filter(missing).map(|card| (card, Terms::Full)).collect();
            adds.extend(safes);
        }
        let known: Vec<ExhibitId> = followed.exhibits.keys().copied().collect();
        let chosen = known.into_iter().filter(|_| self.choices.chance(60)).collect();
        Some(Change { adds, removes, chosen, flaw })
    }

    fn commit_of(&mut self, who: usize, case: CaseId, adds: Vec<(&'static Card, Terms)>, removes: Vec<Sha256Digest>) -> Option<Submission> {
        let change = self.plan(who, case, adds, removes)?;
        let (agent, shares, now) = (self.agents[who].clone(), self.server.disk.shares.clone(), self.now);
        let share = |exhibit| shares.get(&exhibit).and_then(|shares| agent.group_share(case, exhibit, &shares.wrapped));
        let acts = agent.commit(&mut self.choices, case, &change, share, now)?;
        let names = |list: Vec<&str>| if list.is_empty() { "nobody".to_owned() } else { list.join(", ") };
        self.tell(|| {
            let adds = change.adds.iter().map(|(card, terms)| format!("{} ({terms:?})", card.name)).collect::<Vec<_>>();
            let adds = names(adds.iter().map(String::as_str).collect());
            let removes = names(change.removes.iter().map(|id| card(id).name).collect());
            format!("{} commits: adds {adds}, removes {removes}, flaw {:?}", agent.card.name, change.flaw)
        });
        Some(acts)
    }

    fn change(&mut self, who: usize, case: CaseId, adds: Vec<(&'static Card, Terms)>, removes: Vec<Sha256Digest>) -> Result<(), Wrong> {
        let acts = self.commit_of(who, case, adds, removes);
        self.submit(who, acts, || format!("sends it to case {}", short(&case.to_string())))
    }

    /// Two members commit in one epoch.
    fn race(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let (first, second) = (self.somebody(case), self.somebody(case));
        if first == second {
            return Ok(());
        }
        let mut both = Vec::new();
        for who in [first, second] {
            self.prepare(who)?;
            self.sync(who)?;
        }
        for who in [first, second] {
            let add = (&CAST.devices[self.anybody()], Terms::None);
            both.push((who, self.commit_of(who, case, vec![add], Vec::new())));
        }
        for (who, acts) in both {
            self.submit(who, acts, || "sends it at the same time as another".to_owned())?;
        }
        Ok(())
    }

    fn leaves(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let who = self.somebody(case);
        self.prepare(who)?;
        let acts = self.single(who, case, None, Body::MemberLeave(Nothing {}), Purpose::Investigation, With::Nothing);
        self.submit(who, acts, || "leaves".to_owned())
    }

    fn single(
        &mut self,
        who: usize,
        case: CaseId,
        exhibit: Option<ExhibitId>,
        body: Body,
        purpose: Purpose,
        with: With,
    ) -> Option<Submission> {
        // Some intents were signed a while ago.
        let age = if self.choices.chance(4) { 90_000 } else { 0 };
        let intent = self.agents[who].sign(&mut self.choices, case, exhibit, body, purpose, self.now - age)?;
        Some(Arc::new(vec![Act { intent, with }]))
    }

    fn collects(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let who = self.somebody(case);
        self.prepare(who)?;
        let mut exhibit = ExhibitId::from_bytes(self.choices.bytes());
        if self.choices.chance(5) {
            exhibit = self.some_exhibit(who, case).unwrap_or(exhibit);
        }
        let handling = self.choices.pick(&[Handling::H0, Handling::H0, Handling::H1, Handling::H2]).unwrap();
        let (agent, now) = (self.agents[who].clone(), self.now);
        let acts = agent.collect(&mut self.choices, case, exhibit, handling, now);
        self.submit(who, acts, || format!("collects exhibit {} ({handling:?})", short(&exhibit.to_string())))
    }

    fn some_exhibit(&mut self, who: usize, case: CaseId) -> Option<ExhibitId> {
        let known: Vec<ExhibitId> = self.agents[who].cases.get(&case)?.exhibits.keys().copied().collect();
        self.choices.pick(&known)
    }

    fn acts_on_exhibit(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let who = self.somebody(case);
        self.prepare(who)?;
        let Some(exhibit) = self.some_exhibit(who, case) else { return Ok(()) };
        let purpose = self.choices.pick(&[Purpose::Investigation, Purpose::Prosecution, Purpose::Trial]).unwrap();
        let proposal = self.agents[who].cases[&case].exhibits[&exhibit].proposal;
        let handling = self.choices.pick(&[None, Some(Handling::H0), Some(Handling::H1), Some(Handling::H2)]).unwrap();
        let digest = Sha256Digest::of(&[&self.choices.bytes::<8>()]);
        let body = match self.choices.below(24) {
            0..=8 => Body::Consultation(Consultation { mode: ViewMode::View }),
            9..=10 => Body::Disclosure(Disclosure::Export {}),
            11..=12 => Body::Disclosure(Disclosure::Dossier { payload: digest }),
            13 => Body::Disclosure(Disclosure::Transfer { means: TransferMeans::Usb }),
            14 => Body::HoldPlace(Nothing {}),
            15 => Body::HoldLift(Nothing {}),
            16 => Body::RestrictionPlace(Nothing {}),
            17 => Body::RestrictionLift(Nothing {}),
            18 => Body::ConsentGive(Consent { to: ConsentTo::JudicialUse }),
            19 => Body::ConsentGive(Consent { to: ConsentTo::Onward }),
            20 => Body::Alteration(Alteration { handling, review: None }),
            21 => Body::Erasure(Erasure::Propose { records: Vec::new() }),
            _ => match proposal {
                Some((proposal, digest)) => Body::Erasure(Erasure::Confirm { proposal, digest }),
                None => Body::Erasure(Erasure::Propose { records: Vec::new() }),
            },
        };
        let kind = body.kind();
        let acts = self.single(who, case, Some(exhibit), body, purpose, With::Nothing);
        self.submit(who, acts, || format!("{kind} of exhibit {} for {}", short(&exhibit.to_string()), purpose.as_str()))
    }

    fn grants(&mut self) -> Result<(), Wrong> {
        let case = self.some_case();
        let who = self.somebody(case);
        self.prepare(who)?;
        let Some(exhibit) = self.some_exhibit(who, case) else { return Ok(()) };
        let to = &CAST.devices[self.anybody()];
        let wrapped = self.server.disk.shares.get(&exhibit).map(|shares| shares.wrapped);
        let share = wrapped.and_then(|wrapped| self.agents[who].group_share(case, exhibit, &wrapped));
        let Some(share) = share else { return Ok(()) };
        let (agent, now) = (self.agents[who].clone(), self.now);
        let acts = agent.grant(&mut self.choices, case, exhibit, to, share, now).map(|act| Arc::new(vec![act]));
        self.submit(who, acts, || format!("grants exhibit {} to {}", short(&exhibit.to_string()), to.name))
    }

    fn reads_log(&mut self) -> Result<(), Wrong> {
        let auditor = CAST.devices.iter().position(|card| card.role == Role::Auditor).expect("there is one");
        let who = if self.choices.chance(70) { auditor } else { self.anybody() };
        self.prepare(who)?;
        let case = if self.choices.chance(50) { CaseId::REGISTRY } else { self.some_case() };
        let body = Body::LogRead(LogRead { from: 0, to: self.server.disk.size().get() });
        let acts = self.single(who, case, None, body, Purpose::LawfulnessCheck, With::Nothing);
        self.submit(who, acts, || "reads the log".to_owned())
    }

    /// What was sent long ago arrives once more: it gets its first answer, or none.
    fn comes_late(&mut self) -> Result<(), Wrong> {
        let Some(acts) = self.choices.pick(&self.sent.clone()) else { return Ok(()) };
        self.tell(|| "what was sent before arrives once more".to_owned());
        let known = acts.iter().all(|act| self.server.disk.acts.contains_key(&(act.intent.signer(), act.intent.id)));
        let before = self.server.disk.size();
        self.send(&acts, Fault::None)?;
        self.count("late arrival");
        if known && self.server.disk.size() != before {
            return Err(Wrong("an act that was entered before was entered again".to_owned()));
        }
        Ok(())
    }
}

fn short(id: &str) -> &str {
    &id[..6]
}
