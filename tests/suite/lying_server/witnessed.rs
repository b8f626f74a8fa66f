//! An agent with a policy of witnesses: what it says of what the server shows, and what it refuses.

use base64::Engine as _;
use custodia_client::witnessed::{Demand, Vouched};
use custodia_core::log::{CosignatureTime, Cosigner, LogSigner, Policy, RootHash, SignedCheckpoint, TreeSize, VerifiedCheckpoint};
use custodia_tests::liar::{Answer, Liar, Told};
use custodia_tests::world::{Must as _, World, clock};
use ed25519_dalek::SigningKey;

use super::{caught, world};
use crate::agent::add;

fn witness(number: u8) -> Cosigner {
    Cosigner::new(format!("witness.example/w{number}").parse().unwrap(), SigningKey::from_bytes(&[number; 32])).unwrap()
}

fn demand(rest: &str, freshness_seconds: Option<u64>) -> Demand {
    let lines = (1..=3).map(|number| format!("witness w{number} {}\n", witness(number).cosigner_key())).collect::<Vec<_>>().concat();
    Demand { policy: Policy::parse(format!("{lines}{rest}").as_bytes()).unwrap(), freshness_seconds }
}

const TWO: &str = "group g 2 w1 w2 w3\nquorum g\n";

/// The log's key, as the server holds it.
fn signer(world: &World) -> LogSigner {
    let config: toml::Table = world.settings.parse().unwrap();
    let line = std::fs::read_to_string(config["data"]["log_key"].as_str().unwrap()).unwrap();
    // PRIVATE+KEY+<name>+<id>+<Base64>, which may hold a plus sign too.
    let key = line.trim_end().splitn(5, '+').last().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(key).unwrap();
    LogSigner::new(world.info.origin.parse().unwrap(), SigningKey::from_bytes(bytes[1..].try_into().unwrap())).unwrap()
}

async fn head(world: &World) -> VerifiedCheckpoint {
    let note = world.liars[0].public("/checkpoint").await.body;
    SignedCheckpoint::parse(&note).unwrap().verify(&world.info.log_key.parse().unwrap()).unwrap()
}

/// The head as these witnesses cosigned it, each so many seconds ago.
fn cosigned(head: &VerifiedCheckpoint, by: &[(u8, i64)]) -> String {
    let now = i64::try_from(clock().seconds()).unwrap();
    let mut head = head.clone();
    for (number, ago) in by {
        let time = CosignatureTime::from_seconds(u64::try_from(now - ago).unwrap()).unwrap();
        head = head.with_signature(witness(*number).cosign(&head, time).line()).unwrap();
    }
    head.note().as_str().to_owned()
}

/// The server answers for kept checkpoints with the largest of these that was asked for.
fn keeps(liar: &Liar, notes: &[String]) {
    let mut notes: Vec<(u64, String)> =
        notes.iter().map(|note| (SignedCheckpoint::parse(note.as_bytes()).unwrap().claim().size.get(), note.clone())).collect();
    notes.sort_unstable_by(|a, b| b.cmp(a));
    liar.lie(move |asked, answer| {
        if !asked.is("GET", "/v1/log/kept") {
            return Told::Answer(answer);
        }
        let most: u64 = asked.target.split("at_most=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        let found = notes.iter().find(|(size, _)| *size <= most);
        Told::Answer(match found {
            None => answer,
            Some((_, note)) => Answer::ok(serde_json::to_vec(&serde_json::json!({"checkpoint": note, "stamps": []})).unwrap()),
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_vouches_since_when_and_up_to_where_is_said_as_the_policy_asks() {
    let (world, ana, case, _) = world().await;
    let liar = &world.liars[0];
    ana.sync().await.must();
    let hour = Some(3600);
    assert_eq!(ana.vouched(&demand(TWO, hour)).await.must(), Vouched::ByNobody, "the server has none");

    let of = |name: &str, seed: u8| LogSigner::new(name.parse().unwrap(), SigningKey::from_bytes(&[seed; 32])).unwrap().log_key();
    let elsewhere = ana.vouched(&demand(&format!("{TWO}log {}\n", of("other.example/log", 9)), hour)).await;
    assert!(matches!(&elsewhere, Err(custodia_client::AgentError::Input { what: "the policy", .. })), "{elsewhere:?}");
    let here = demand(&format!("{TWO}log {}\n", world.info.log_key), hour);
    assert_eq!(ana.vouched(&here).await.must(), Vouched::ByNobody);

    let first = head(&world).await;
    let size = first.size().get();
    keeps(liar, &[cosigned(&first, &[(1, 10)])]);
    assert_eq!(ana.vouched(&demand(TWO, hour)).await.must(), Vouched::ByNobody, "one of two");
    let none = demand("quorum none\n", hour);
    assert_eq!(ana.vouched(&none).await.must(), Vouched::Upto { size, since: None, stale: false });

    // The second newest of three counts; with nothing behind it, age is no fault.
    keeps(liar, &[cosigned(&first, &[(1, 10), (2, 5000), (3, 9000)])]);
    let Vouched::Upto { size: upto, since: Some(since), stale: false } = ana.vouched(&demand(TWO, hour)).await.must() else { panic!() };
    assert_eq!((upto, (clock().seconds() - since).div_euclid(100)), (size, 50));

    // With records behind it, it is.
    add(&ana, &world, case, "later", 10).await;
    ana.sync().await.must();
    let stale = async |freshness| match ana.vouched(&demand(TWO, freshness)).await.must() {
        Vouched::Upto { size, stale, .. } => (size, stale),
        Vouched::ByNobody => panic!(),
    };
    assert_eq!(stale(hour).await, (size, true));
    assert_eq!(stale(Some(6000)).await, (size, false));
    assert_eq!(stale(None).await, (size, false));
    // A newer one without the quorum is passed over; one that has it counts, also if this device has not seen that head yet.
    let second = head(&world).await;
    keeps(liar, &[cosigned(&first, &[(1, 10), (2, 10)]), cosigned(&second, &[(1, 10)])]);
    assert_eq!(stale(hour).await, (size, false));
    keeps(liar, &[cosigned(&first, &[(1, 10), (2, 10)]), cosigned(&second, &[(1, 10), (3, 10)])]);
    assert_eq!(stale(hour).await, (second.size().get(), false));
    // From the future: somebody's clock is wrong.
    keeps(liar, &[cosigned(&second, &[(1, -4000), (3, -4000)])]);
    assert_eq!(stale(None).await, (second.size().get(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_checkpoint_of_another_tree_or_with_a_bad_cosignature_is_refused() {
    let (world, ana, _, _) = world().await;
    let liar = &world.liars[0];
    ana.sync().await.must();
    let head = head(&world).await;
    let two = demand(TWO, None);
    // Signed by the log's own key and cosigned by the quorum: of the same size, smaller, larger.
    let signer = signer(&world);
    let size = head.size().get();
    for (size, finding) in [(size, "two trees of one size"), (size - 1, "only appends"), (size + 1, "")] {
        let forked = signer.sign(TreeSize::new(size).unwrap(), RootHash::from_bytes([7; 32])).unwrap();
        keeps(liar, &[cosigned(&forked, &[(1, 10), (2, 10)])]);
        let found = ana.vouched(&two).await;
        // No proof leads to a tree that the server does not have.
        if finding.is_empty() { assert!(found.is_err(), "{found:?}") } else { assert!(caught(&ana, found).await.contains(finding)) }
    }
    let good = cosigned(&head, &[(1, 10), (2, 10)]);
    let line = good.trim_end().rsplit_once('\n').unwrap().1.to_owned();
    let place = line.len() - 10;
    let damaged = format!("{}{}{}", &line[..place], if line.as_bytes()[place] == b'A' { "B" } else { "A" }, &line[place + 1..]);
    for (note, finding) in [
        (good.replace(&line, &damaged), "does not verify"),
        (good.replacen(&world.info.origin, "other.example/log", 1), "not signed by the log"),
        ("no checkpoint".to_owned(), "not signed by the log"),
    ] {
        let told = serde_json::to_vec(&serde_json::json!({"checkpoint": note, "stamps": []})).unwrap();
        super::instead(liar, "GET", "/v1/log/kept".to_owned(), Answer::ok(told));
        let found = caught(&ana, ana.vouched(&two).await).await;
        assert!(found.contains(finding), "{found}");
    }
    // More than was asked for.
    let told = cosigned(&head, &[(1, 10)]);
    let told = serde_json::to_vec(&serde_json::json!({"checkpoint": told, "stamps": []})).unwrap();
    super::instead(liar, "GET", "/v1/log/kept".to_owned(), Answer::ok(told));
    assert!(caught(&ana, ana.vouched(&two).await).await.contains("another size than was asked for"));
    liar.be_honest();
    assert_eq!(ana.vouched(&two).await.must(), Vouched::ByNobody);
}
