//! A server that enters whatever it is given: who comes over judges by the chain that it shows.

use custodia_core::custody::body::{Add, GroupReport, MemberChange, Terms};
use custodia_core::custody::intent::GroupSeen;
use custodia_core::custody::wire::Hex;
use custodia_core::time::LogTime;

use super::*;
use crate::registry::RegistryView;
use crate::test_log::{CASE, Member, World as TestLog};

/// A case of Joost's with Luc, Eva, and their office's recovery device, and what each has signed.
struct Story {
    log: TestLog,
    registry: Registry,
    acts: Vec<SignedIntent>,
}

fn digest(text: &str) -> Sha256Digest {
    Sha256Digest::of(&[text.as_bytes()])
}

fn change(epoch: u64, adds: Vec<Add>, removes: Vec<Sha256Digest>, ring_version: u32) -> Body {
    Body::MemberChange(MemberChange {
        epoch,
        commit: digest(&format!("commit {epoch}")),
        welcome: None,
        ring_version,
        ring_commitment: digest("ring"),
        ring_row: Some(digest("row")),
        adds,
        removes,
        resync: false,
    })
}

impl Story {
    /// Eva's commit from epoch 1 removes nobody; Luc and Joost stay in that epoch.
    fn told() -> Self {
        let log = TestLog::with_colleagues();
        let mut view = RegistryView::new(log.pin);
        for record in log.registry_records() {
            view.take(&record).unwrap();
        }
        let mut story = Self { registry: view.registry().clone(), log, acts: Vec::new() };
        let founding = story.log.founding();
        let founding = founding.sign(story.log.prosecutor.id, &story.log.prosecutor.key).unwrap();
        story.acts.push(founding);
        let others = [&story.log.luc, &story.log.eva, &story.log.safe].map(|one| Add { certificate: one.id, terms: Terms::Full });
        story.act(|log| &log.prosecutor, 0, change(0, others.to_vec(), Vec::new(), 1));
        story.act(|log| &log.eva, 1, change(1, Vec::new(), Vec::new(), 1));
        story
    }

    fn sign(&self, by: fn(&TestLog) -> &Member, epoch: u64, body: Body) -> SignedIntent {
        let by = by(&self.log);
        let mut intent = self.log.in_case(body, "why");
        let id = Hex(GroupId::first(CASE).to_bytes().to_vec());
        intent.group = Some(GroupSeen { id, epoch, transcript: Hex(if epoch == 0 { Vec::new() } else { vec![1; 48] }) });
        intent.sign(by.id, &by.key).unwrap()
    }

    fn act(&mut self, by: fn(&TestLog) -> &Member, epoch: u64, body: Body) {
        let signed = self.sign(by, epoch, body);
        self.acts.push(signed);
    }

    fn report(&mut self, by: fn(&TestLog) -> &Member) {
        let body = GroupReport { epoch: 1, commit: digest("commit 1"), error: "MLS refuses the commit".to_owned() };
        self.act(by, 1, Body::GroupReport(body));
    }

    /// Joost founds; `change` says how the founding differs.
    fn judged(&self, change: impl FnOnce(&mut GroupSucceed)) -> Result<(), &'static str> {
        let members = [&self.log.prosecutor, &self.log.luc, &self.log.safe].map(|member| member.id).to_vec();
        let mut body = GroupSucceed {
            generation: 1,
            epoch: 1,
            bad: digest("commit 1"),
            group_info: digest("info"),
            commit: digest("founding"),
            welcome: Some(digest("welcome")),
            ring_version: 2,
            ring_commitment: digest("ring 2"),
            ring_row: digest("row 2"),
            members,
        };
        change(&mut body);
        let founding = self.sign(|log| &log.prosecutor, 1, Body::GroupSucceed(body));
        let time = LogTime::from_millis(1_795_467_846_000).unwrap();
        let at = AsOf { seq: RegistrySeq::new(self.log.registry_records().len() as u64 - 1), time };
        let acts: Vec<_> = self.acts.iter().map(|act| (time, act.clone())).collect();
        judged(&self.registry, &acts, &founding, at, true)
    }
}

#[test]
fn who_comes_over_judges_by_the_chain_who_reported_who_went_on_and_who_is_there() {
    let mut story = Story::told();
    assert_eq!(story.judged(|_| {}), Err("SUC-02"), "nobody has reported it");
    story.report(|log| &log.luc);
    story.report(|log| &log.luc);
    story.report(|log| &log.eva);
    assert_eq!(story.judged(|_| {}), Err("SUC-02"), "one person, however often, and the author");
    story.report(|log| &log.prosecutor);
    assert_eq!(story.judged(|_| {}), Ok(()));
    assert_eq!(story.judged(|body| body.ring_version = 1), Err("SUC-01"));
    assert_eq!(story.judged(|body| body.bad = digest("another")), Err("SUC-02"));
    assert_eq!(story.judged(|body| body.epoch = 0), Err("SUC-02"));
    let eva = story.log.eva.id;
    assert_eq!(story.judged(|body| body.members.push(eva)), Ok(()), "the author may come along");
    assert_eq!(story.judged(|body| body.members.truncate(1)), Err("SUC-04"));
    let auditor = story.log.auditor.id;
    assert_eq!(story.judged(|body| body.members.push(auditor)), Err("SUC-04"));

    // The author goes on alone: that acknowledges nothing. Luc, whom nobody counted as silent, does.
    story.act(|log| &log.eva, 2, change(2, Vec::new(), Vec::new(), 1));
    assert_eq!(story.judged(|_| {}), Ok(()));
    story.act(|log| &log.luc, 3, change(3, Vec::new(), Vec::new(), 1));
    assert_eq!(story.judged(|_| {}), Err("SUC-03"));
}

#[test]
fn whoever_a_commit_removed_or_added_stays_outside_of_the_successor() {
    let mut story = Story::told();
    for by in [(|log: &TestLog| &log.luc) as fn(&TestLog) -> &Member, |log| &log.safe] {
        story.report(by);
    }
    // After her bad commit Eva removes Luc.
    let luc = story.log.luc.id;
    story.act(|log| &log.eva, 2, change(2, Vec::new(), vec![luc], 2));
    assert_eq!(story.judged(|body| body.ring_version = 3), Err("SUC-04"), "he stays removed");
    let without = |body: &mut GroupSucceed| {
        body.ring_version = 3;
        body.members.retain(|member| *member != luc);
    };
    assert_eq!(story.judged(without), Ok(()), "a recovery device has reported it");
    // And takes him in again: he was not there all the while.
    story.act(|log| &log.eva, 3, change(3, vec![Add { certificate: luc, terms: Terms::None }], Vec::new(), 3));
    story.act(|log| &log.luc, 4, change(4, Vec::new(), Vec::new(), 3));
    let without = |body: &mut GroupSucceed| {
        body.ring_version = 4;
        body.members.retain(|member| *member != luc);
    };
    assert_eq!(story.judged(without), Ok(()), "whom the author brought in acknowledges nothing, and stays outside");
    assert_eq!(story.judged(|body| body.ring_version = 4), Err("SUC-04"));
}
