//! A device whose clock is ten years off: it is told so, nothing is half done, and the same act succeeds when the clock is right.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;

use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError, Clock, Joining, NewCase};
use custodia_core::custody::body::Terms;
use custodia_core::custody::intent::ClockSource;
use custodia_core::custody::kind::Purpose;
use custodia_core::identity::Role;
use custodia_tests::world::{Must as _, PASSPHRASE, World, case, exhibit, get, review, statement};
use time::{Duration, OffsetDateTime};

/// A device opened under a clock that is so many days off.
async fn skewed(world: &World, office: usize, local: &str, days: i64) -> Agent {
    let clock = Clock::new(ClockSource::Os, move || OffsetDateTime::now_utc() + Duration::days(days));
    Agent::open(&world.state_of(office, local), PASSPHRASE, clock).await.must()
}

/// The log's newest checkpoint as the server shows it.
fn checkpoint(world: &World) -> Vec<u8> {
    get(world.address().url.strip_prefix("http://").unwrap().parse().unwrap(), "/checkpoint")
}

/// The act was not done, and the person is told to look at a clock.
#[track_caller]
fn blames_the_clock<T>(result: Result<T, AgentError>) {
    let error = result.map(drop).expect_err("it is refused").to_string();
    assert!(error.contains("clock"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_clock_is_ten_years_off_does_nothing_by_halves_and_goes_on_when_it_is_right() {
    let world = World::new().await;
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let ana = world.device(0, "ana", Role::Prosecutor).await;
    let luc = world.device(1, "luc", Role::Prosecutor).await;
    let case = case(&ana).await;
    let source = world.path("note");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("note.txt"), b"a note").unwrap();
    let first = ana.add_exhibit(exhibit(case, &source, "first"), |_| {}).await.must().exhibit;
    ana.close().await.must();

    for (round, days) in [3652, -3652].into_iter().enumerate() {
        let before = checkpoint(&world);
        let ana = skewed(&world, 0, "ana", days).await;
        let title = format!("Another {round}");
        let new = || NewCase { title: title.clone(), statement: statement(), review: review(), parent: None };
        let second = format!("second {round}");
        let joining = || vec![Joining { device: luc.certificate_id().unwrap(), terms: Terms::Full }];
        blames_the_clock(ana.create_case(new()).await);
        blames_the_clock(ana.add_exhibit(exhibit(case, &source, &second), |_| {}).await);
        blames_the_clock(ana.add_members(case, joining(), Vec::new(), &statement()).await);
        blames_the_clock(ana.open_exhibit(case, first, Opening::View, Purpose::Trial, &statement()).await);
        blames_the_clock(ana.leave(case, &statement()).await);
        assert_eq!(checkpoint(&world), before, "nothing was entered");
        ana.close().await.must();

        let ana = world.reopen(0, "ana").await;
        ana.deliver().await.must();
        assert_eq!(checkpoint(&world), before, "nothing waited to be entered by a clock that was wrong");
        ana.create_case(new()).await.must();
        ana.add_exhibit(exhibit(case, &source, &second), |_| {}).await.must();
        if round == 0 {
            ana.add_members(case, joining(), Vec::new(), &statement()).await.must();
            assert_eq!(luc.join_new_cases().await.must(), [case]);
        }
        drop(ana.open_exhibit(case, first, Opening::View, Purpose::Trial, &statement()).await.must());
        assert!(ana.evidence().await.must().is_empty());
        ana.close().await.must();
    }
    drop(luc.open_exhibit(case, first, Opening::View, Purpose::Trial, &statement()).await.must());
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    assert_eq!(report.failed().count(), 0);
}
