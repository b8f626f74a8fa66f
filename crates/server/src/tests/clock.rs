//! A server whose clock is ten years off: it enters nothing, says why, and goes on when the clock is right.

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Acknowledged, Act, RecordsPage};
use custodia_core::custody::body::{Body, DeviceEnrol, Nothing};
use custodia_core::custody::wire::Base64;
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;

use super::offices::{DIICOT, device_certificate, key};
use super::world::{CASE, World};
use crate::backends::Pair;
use crate::config::LimitsConfig;
use crate::on_both_pairs;

const TEN_YEARS: u64 = 3652 * 86_400;

async fn a_server_whose_clock_is_ten_years_off_enters_nothing_and_goes_on_when_it_is_right(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    let (size, right) = (world.checkpoint().await.size(), world.clock.seconds());
    for (round, wrong) in [(1, right + TEN_YEARS), (2, right - TEN_YEARS)] {
        let founding = serde_json::to_vec(&world.founding(&ana, CaseId::from_bytes([round; 16]))).unwrap();
        let founding = world.request(&ana, "POST", "/v1/cases", founding);
        let certificate = device_certificate(DIICOT, Role::Prosecutor, 12, world.born);
        let enrolment = world.intent(CaseId::REGISTRY, Body::DeviceEnrol(DeviceEnrol { certificate: Base64(certificate) }));
        let enrolment = enrolment.sign(DIICOT.root_id(world.born).digest(), &key(DIICOT.seed)).unwrap();
        world.clock.set(wrong);
        let refused = world.send(&founding).await.refused(ErrorCode::ClockSkew);
        assert!(refused.message.contains("one of the two clocks is wrong"), "{}", refused.message);
        // What is signed by an office's root alone would else be entered ten years from now, and end every certificate.
        world.post_registry(enrolment.text()).await.refused(ErrorCode::ClockSkew);
        world.stop().await;
        world.start().await;
        assert_eq!(world.checkpoint().await.size(), size, "nothing was entered");
        world.clock.set(right);
    }
    world.prosecutor(12).await;
    world.found(&ana, CASE).await;
    let page: RecordsPage = world.get(&ana, "/v1/registry/records?from=0").await.json();
    let times: Vec<u64> = page.records.iter().map(|record| record.open().unwrap().core.unwrap().time.seconds()).collect();
    assert!(times.is_sorted() && times.iter().all(|time| *time == right), "{times:?}");
    world.stop().await;
}

async fn the_logs_time_stands_while_the_servers_clock_goes_back(pair: Pair) {
    let mut world = World::on(pair).await;
    world.begin().await;
    let ana = world.prosecutor(11).await;
    // Both clocks go back, the sender's with the server's, as on one machine.
    let right = world.clock.seconds();
    world.clock.set(right - 3600);
    let receipt = world.found(&ana, CASE).await;
    assert_eq!(receipt.record.open().unwrap().core.unwrap().time.seconds(), right);
    world.clock.set(right + 60);
    let leave = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ana.id(), &ana.key).unwrap();
    let act = Act { intent: leave.text().to_owned() };
    let receipt = world.post(&ana, &format!("/v1/cases/{CASE}/acts"), &act).await.json::<Acknowledged>().receipt;
    assert_eq!(receipt.record.open().unwrap().core.unwrap().time.seconds(), right + 60);
    world.stop().await;
}

async fn a_clock_that_nobody_confirms_moves_the_logs_time_by_no_more_than_a_day(pair: Pair) {
    let limits = LimitsConfig { refusals_per_hour: 1, ..LimitsConfig::default() };
    let mut world = World::with_limits(pair, limits).await;
    world.begin().await;
    let (ana, ion) = (world.prosecutor(11).await, world.prosecutor(12).await);
    world.found(&ana, CASE).await;
    let path = format!("/v1/cases/{CASE}/acts");
    for code in [ErrorCode::NotPermitted, ErrorCode::TooMany] {
        let leave = world.intent(CASE, Body::MemberLeave(Nothing {})).sign(ion.id(), &ion.key).unwrap();
        world.post(&ion, &path, &Act { intent: leave.text().to_owned() }).await.refused(code);
    }
    let (size, right) = (world.checkpoint().await.size(), world.clock.seconds());
    // What was counted waits for its hour; the idle turn comes by itself, and the clock is wrong.
    world.clock.set(right + TEN_YEARS);
    world.idle_turn().await;
    assert_eq!(world.checkpoint().await.size(), size);
    world.clock.set(right + 2 * 3600);
    world.idle_turn().await;
    assert_eq!(world.checkpoint().await.size().get(), size.get() + 1);
    world.stop().await;
}

on_both_pairs![
    a_server_whose_clock_is_ten_years_off_enters_nothing_and_goes_on_when_it_is_right,
    the_logs_time_stands_while_the_servers_clock_goes_back,
    a_clock_that_nobody_confirms_moves_the_logs_time_by_no_more_than_a_day,
];
