//! The recovery ceremony by requests that no honest agent sends.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Act, Changed};
use custodia_core::custody::body::{Body, Terms};
use custodia_core::custody::recovery::{PROPOSAL_MILLIS, Recovery};
use custodia_core::digest::Sha256Digest;
use custodia_core::group::facts::GroupId;
use custodia_core::identity::Role;
use custodia_core::ids::IntentId;
use custodia_mls::CaseGroup;

use super::cases::{change, key_package, path, with_recovery};
use super::offices::DIICOT;
use super::world::{Answer, CASE, TestDevice, World};
use crate::backends::Pair;
use crate::on_both_pairs;

/// A proposal as it was sent: intent id, and SHA-256 of the intent.
type Proposal = (IntentId, Sha256Digest);

async fn enter(world: &mut World, device: &TestDevice, body: Recovery) -> (Answer, Act, Proposal) {
    let intent = world.intent(CASE, Body::CaseRecovery(body)).sign(device.id(), &device.key).unwrap();
    let act = Act { intent: intent.text().to_owned() };
    let answer = world.post(device, &format!("/v1/cases/{CASE}/acts"), &act).await;
    (answer, act, (intent.id, intent.digest()))
}

async fn propose(world: &mut World, officer: &TestDevice, lost: &TestDevice, new: &TestDevice) -> (Answer, Proposal) {
    let (answer, _, proposal) = enter(world, officer, Recovery::Propose { lost: lost.id(), device: new.id() }).await;
    (answer, proposal)
}

async fn confirm(world: &mut World, device: &TestDevice, (proposal, digest): Proposal) -> (Answer, Act) {
    let (answer, act, _) = enter(world, device, Recovery::Confirm { proposal, digest }).await;
    (answer, act)
}

#[track_caller]
fn breaks(answer: &Answer, rule: &str) {
    assert_eq!(answer.refused(ErrorCode::NotPermitted).rule.as_deref(), Some(rule));
}

async fn a_confirmation_counts_once_for_the_last_proposal_within_its_time_and_by_another_person(pair: Pair) {
    let mut world = World::on(pair).await;
    let (ana, safe) = with_recovery(&mut world).await;
    let vault = world.enrol(DIICOT, Role::Recovery, 14).await;
    let (ion, eva) = (world.prosecutor(15).await, world.prosecutor(16).await);
    let package = key_package(&world, &vault).await;
    let request = change(&mut world, &ana, 1, &[(&vault, package)], Terms::Full).await;
    world.post(&ana, &path(), &request).await.json::<Changed>();
    CaseGroup::load(&ana.mls, GroupId::first(CASE)).unwrap().unwrap().merge_pending(&ana.mls).unwrap();

    // A device that is not lost; the last prosecutor's, who may be followed by another, once it is.
    breaks(&propose(&mut world, &safe, &ana, &ion).await.0, "RCV-01");
    world.revoke(&ana).await.json::<Acknowledged>();
    breaks(&propose(&mut world, &safe, &ana, &vault).await.0, "RCV-01");
    breaks(&propose(&mut world, &safe, &eva, &ion).await.0, "RCV-01");
    let (answer, first) = propose(&mut world, &safe, &ana, &ion).await;
    answer.json::<Acknowledged>();

    breaks(&confirm(&mut world, &safe, first).await.0, "RCV-03");
    breaks(&confirm(&mut world, &vault, (first.0, Sha256Digest::of(&[b"another"]))).await.0, "RCV-03");
    breaks(&confirm(&mut world, &vault, (IntentId::from_bytes([9; 16]), first.1)).await.0, "RCV-03");
    breaks(&confirm(&mut world, &eva, first).await.0, "ACC-03");

    // A later proposal takes the place of the first.
    let (answer, second) = propose(&mut world, &safe, &ana, &eva).await;
    answer.json::<Acknowledged>();
    breaks(&confirm(&mut world, &vault, first).await.0, "RCV-03");
    world.clock.advance(PROPOSAL_MILLIS / 1000 + 1);
    breaks(&confirm(&mut world, &vault, second).await.0, "RCV-03");

    let (answer, third) = propose(&mut world, &vault, &ana, &ion).await;
    answer.json::<Acknowledged>();
    breaks(&confirm(&mut world, &vault, third).await.0, "RCV-03");
    world.clock.advance(PROPOSAL_MILLIS / 1000);
    let (answer, sent) = confirm(&mut world, &safe, third).await;
    let receipt = answer.json::<Acknowledged>().receipt;
    // The same request once more is answered as it was; a second confirmation is refused.
    let again = world.post(&safe, &format!("/v1/cases/{CASE}/acts"), &sent).await.json::<Acknowledged>().receipt;
    assert_eq!(again.record.index, receipt.record.index);
    breaks(&confirm(&mut world, &safe, third).await.0, "RCV-03");
    world.stop().await;
}

on_both_pairs![a_confirmation_counts_once_for_the_last_proposal_within_its_time_and_by_another_person];
