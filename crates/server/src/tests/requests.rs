//! Who may send a request at all.

use std::num::NonZeroU32;

use custodia_api::error::ErrorCode;
use custodia_api::limits::MAX_OBJECT_BYTES;
use custodia_api::messages::{Act, Cases, KeyPackageCount, ServerInfo, UploadKeyPackages};
use custodia_core::custody::body::{Body, Nothing};
use custodia_core::custody::record::Outcome;

use super::world::{CASE, World};
use crate::backends::Pair;
use crate::config::LimitsConfig;
use crate::on_both_pairs;

fn nothing_to_upload() -> Vec<u8> {
    serde_json::to_vec(&UploadKeyPackages { one_time: Vec::new(), last_resort: None }).unwrap()
}

async fn a_signed_request_is_answered_once_and_never_again(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let info: ServerInfo = world.public("/v1/server").await.json();
    assert_eq!(info.log_key, world.log_key.to_string());

    let get = world.request(&ana, "GET", "/v1/cases", Vec::new());
    assert!(world.send(&get).await.json::<Cases>().cases.is_empty());
    world.send(&get).await.refused(ErrorCode::Replayed);

    let post = world.request(&ana, "POST", "/v1/key-packages", nothing_to_upload());
    assert_eq!(world.send(&post).await.json::<KeyPackageCount>().one_time, 0);
    world.send(&post).await.refused(ErrorCode::Replayed);
    // A nonce of a request that may change something is remembered across restarts.
    world.stop().await;
    world.config.listen = World::signed_address(&post);
    world.start().await;
    world.send(&post).await.refused(ErrorCode::Replayed);
    world.stop().await;
}

async fn damaged_requests_are_refused_before_anything_happens(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let size = world.checkpoint().await.size();

    let mut other_body = world.request(&ana, "POST", "/v1/key-packages", nothing_to_upload());
    other_body.body[2] ^= 1;
    world.send(&other_body).await.refused(ErrorCode::NotAuthenticated);

    let mut other_path = world.request(&ana, "GET", "/v1/cases", Vec::new());
    other_path.path = "/v1/welcomes".to_owned();
    world.send(&other_path).await.refused(ErrorCode::NotAuthenticated);

    let mut other_query = world.request(&ana, "GET", "/v1/registry/records?from=0", Vec::new());
    other_query.path = "/v1/registry/records?from=1".to_owned();
    world.send(&other_query).await.refused(ErrorCode::NotAuthenticated);

    for name in ["signature", "signature-input", "content-digest"] {
        let mut without = world.request(&ana, "POST", "/v1/key-packages", nothing_to_upload());
        without.headers.retain(|(header, _)| header != name);
        world.send(&without).await.refused(ErrorCode::NotAuthenticated);
        let mut twice = world.request(&ana, "POST", "/v1/key-packages", nothing_to_upload());
        let copy = twice.headers.iter().find(|(header, _)| header == name).unwrap().clone();
        twice.headers.push(copy);
        world.send(&twice).await.refused(ErrorCode::NotAuthenticated);
    }

    let mut other_host = world.request(&ana, "GET", "/v1/cases", Vec::new());
    other_host.headers[0].1 = "vault.example.org".to_owned();
    world.send(&other_host).await.refused(ErrorCode::NotAuthenticated);

    let old = world.request(&ana, "GET", "/v1/cases", Vec::new());
    world.clock.advance(301);
    world.send(&old).await.refused(ErrorCode::ClockSkew);
    assert_eq!(world.checkpoint().await.size(), size, "none of this is a record");
    world.stop().await;
}

async fn a_body_over_the_limit_is_refused_by_its_declared_length(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let case = CASE;
    world.found(&ana, case).await;
    let path = format!("/v1/cases/{case}/exhibits/{}/objects/{}", "11".repeat(16), "22".repeat(32));
    let mut large = world.request(&ana, "PUT", &path, Vec::new());
    large.headers.last_mut().unwrap().1 = (MAX_OBJECT_BYTES + 1).to_string();
    world.send(&large).await.refused(ErrorCode::TooLarge);
    let empty = world.request(&ana, "PUT", &path, Vec::new());
    world.send(&empty).await.refused(ErrorCode::Malformed);
    world.stop().await;
}

async fn strangers_are_refused_and_a_revoked_device_at_once(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let mut stranger = world.prosecutor(12).await;
    stranger.certificate[20] ^= 1;
    world.get(&stranger, "/v1/cases").await.refused(ErrorCode::UnknownDevice);
    assert_eq!(world.get(&ana, "/v1/cases").await.status, 200);
    assert_eq!(world.revoke(&ana).await.status, 200);
    world.get(&ana, "/v1/cases").await.refused(ErrorCode::DeviceNotInGoodStanding);
    world.stop().await;
}

async fn an_address_that_sends_much_that_is_refused_is_told_to_wait_and_good_requests_are_not(pair: Pair) {
    let limits = LimitsConfig { refused_per_minute: NonZeroU32::new(3).unwrap(), ..LimitsConfig::default() };
    let mut world = World::with_limits(pair, limits).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let mut stranger = world.prosecutor(12).await;
    stranger.certificate[20] ^= 1;
    for _ in 0..3 {
        world.get(&stranger, "/v1/cases").await.refused(ErrorCode::UnknownDevice);
    }
    world.get(&stranger, "/v1/cases").await.refused(ErrorCode::TooMany);
    assert_eq!(world.get(&ana, "/v1/cases").await.status, 200);
    world.stop().await;
}

async fn what_a_revoked_device_attempts_is_entered_as_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.found(&ana, CASE).await;
    world.revoke(&ana).await;
    let path = format!("/v1/cases/{CASE}/acts");
    let leave = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ana.id(), &ana.key).unwrap();
    let refused = world.post(&ana, &path, &Act { intent: leave.text().to_owned() }).await.refused(ErrorCode::DeviceNotInGoodStanding);
    assert_eq!(refused.rule.as_deref(), Some("ACC-01"));
    let receipt = refused.receipt.unwrap();
    world.verify(&receipt);
    assert!(matches!(receipt.record.open().unwrap().core.unwrap().outcome, Outcome::Refused(rule) if rule.as_str() == "ACC-01"));
    // What is no genuine act of its own is refused all the same, and nothing is entered.
    let before = world.seen().await.size;
    let refused = world.post(&ana, &path, &Act { intent: "nonsense".to_owned() }).await.refused(ErrorCode::DeviceNotInGoodStanding);
    assert_eq!(refused.receipt, None);
    assert_eq!(world.seen().await.size, before);
    world.stop().await;
}

async fn an_expired_certificate_is_refused(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    world.clock.advance(101 * 86_400);
    world.get(&ana, "/v1/cases").await.refused(ErrorCode::DeviceNotInGoodStanding);
    world.stop().await;
}

async fn what_is_not_a_path_of_the_contract_is_not_found(pair: Pair) {
    let world = World::on(pair).await;
    world.public("/v2/server").await.refused(ErrorCode::NotFound);
    assert!(!world.public("/v1/openapi.json").await.body.is_empty());
}

on_both_pairs![
    an_address_that_sends_much_that_is_refused_is_told_to_wait_and_good_requests_are_not,
    a_signed_request_is_answered_once_and_never_again,
    damaged_requests_are_refused_before_anything_happens,
    a_body_over_the_limit_is_refused_by_its_declared_length,
    strangers_are_refused_and_a_revoked_device_at_once,
    what_a_revoked_device_attempts_is_entered_as_refused,
    an_expired_certificate_is_refused,
    what_is_not_a_path_of_the_contract_is_not_found,
];
