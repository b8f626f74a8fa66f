//! The collector: witnesses that answer, hang, lie and come back; a database that was set back; stamps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use custodia_api::error::ErrorCode;
use custodia_api::messages::Kept;
use custodia_core::digest::Sha256Digest;
use custodia_core::identity::Role;
use custodia_core::log::checkpoint::SignedCheckpoint;
use custodia_core::log::cosignature::CosignatureTime;
use custodia_core::log::policy::Policy;
use custodia_core::log::{AddCheckpoint, CosignerKey};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::offices::DIICOT;
use super::witness::Place;
use super::world::{World, witness};
use crate::backends::Pair;
use crate::config::{StampAuthority, StampsConfig};
use crate::tsa::{Tsa, read_body};

const NOW: Duration = Duration::ZERO;

/// What somebody answers to a request.
type Lie = Box<dyn Fn(&[u8]) -> Said + Send + Sync>;

/// An answer: status, media type, body.
pub(super) type Said = (u16, &'static str, Vec<u8>);

/// Somebody on loopback who answers each request by a function of it, and counts them.
pub(super) async fn somebody(answer: impl Fn(&[u8]) -> Said + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(body) = read_body(&mut stream).await else { continue };
            counted.fetch_add(1, Ordering::SeqCst);
            let (status, media, body) = answer(&body);
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    (url, count)
}

/// A vault whose log is still empty, under a policy of these witnesses.
pub(super) async fn world(witnesses: &[(CosignerKey, String)], quorum: &str) -> World {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    ask(&mut world, witnesses, quorum).await;
    world
}

async fn ask(world: &mut World, witnesses: &[(CosignerKey, String)], quorum: &str) {
    world.stop().await;
    let lines = witnesses.iter().enumerate().map(|(number, (key, url))| format!("witness w{number} {key} {url}\n"));
    let text = format!("log {}\n{}{quorum}\n", world.log_key, lines.collect::<Vec<_>>().concat());
    std::fs::write(&world.config.witnesses.as_ref().unwrap().policy, text).unwrap();
    world.start().await;
}

pub(super) async fn turn(world: &World) {
    world.running.as_ref().unwrap().collector().ask_witnesses(NOW).await;
}

/// The policy as the server reads it.
fn policy(world: &World) -> Policy {
    Policy::parse(&std::fs::read(&world.config.witnesses.as_ref().unwrap().policy).unwrap()).unwrap()
}

/// By whom the head is cosigned.
async fn signers(world: &World) -> Vec<String> {
    let note = world.public("/checkpoint").await.body;
    let verdict = policy(world).judge(&SignedCheckpoint::parse(&note).unwrap()).unwrap();
    verdict.cosignatures.iter().map(|cosignature| cosignature.key().name().to_string()).collect()
}

/// An own cosignature of whatever is sent.
pub(super) fn honest(number: u8, body: &[u8]) -> String {
    let request = AddCheckpoint::parse(body).unwrap();
    let head = SignedCheckpoint::parse(request.checkpoint().as_str().as_bytes()).unwrap();
    let key = request_key(&head);
    witness(number).cosign(&head.verify(&key).unwrap(), CosignatureTime::from_seconds(1_795_467_845).unwrap()).line().to_string()
}

/// The key of the world's log, which a fake witness takes from a file that the test wrote.
fn request_key(head: &SignedCheckpoint) -> custodia_core::log::LogKey {
    LOG_KEY.lock().unwrap().iter().find(|key| head.verify(key).is_ok()).cloned().expect("the test named its log")
}

static LOG_KEY: std::sync::Mutex<Vec<custodia_core::log::LogKey>> = std::sync::Mutex::new(Vec::new());

pub(super) fn known(world: &World) {
    LOG_KEY.lock().unwrap().push(world.log_key.clone());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_witnesses_make_the_quorum_while_a_third_hangs_and_acts_are_entered() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let places = [1, 2].map(|number| Place::new(&format!("witness.example/w{number}"), &world.log_key.to_string()));
    let (one, two) = (places[0].run().await, places[1].run().await);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let hanging = format!("http://{}/", listener.local_addr().unwrap());
    let at = |running: &crate::witness::RunningWitness| (running.key.clone(), format!("http://{}", running.addr));
    let three = [at(&one), at(&two), (witness(3).cosigner_key(), hanging)];
    ask(&mut world, &three, "group g 2 w0 w1 w2\nquorum g").await;
    world.begin().await;

    let collector = world.running.as_ref().unwrap().collector();
    let asked = tokio::spawn(async move { collector.ask_witnesses(NOW).await });
    // The third was asked, and says nothing.
    let (mut stream, _) = listener.accept().await.unwrap();
    read_body(&mut stream).await.unwrap();
    // Acts are entered all the while, and what the other two said is kept.
    world.prosecutor(11).await;
    let kept = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let answer = world.public("/v1/log/kept?at_least=0&with=cosignature").await;
            if answer.status == 200 {
                let kept: Kept = answer.json();
                let verdict = policy(&world).judge(&SignedCheckpoint::parse(kept.checkpoint.as_bytes()).unwrap()).unwrap();
                if verdict.quorum_met {
                    return verdict.checkpoint.size().get();
                }
            }
        }
    });
    assert_eq!(kept.await.unwrap(), 1);
    assert!(!asked.is_finished(), "the third still hangs");
    world.prosecutor(12).await;
    drop((stream, listener));
    asked.await.unwrap();
    // The next turn shows the other two what came since, by a proof from what they have.
    turn(&world).await;
    assert_eq!(signers(&world).await, ["witness.example/w1", "witness.example/w2"]);
    for witness in [one, two] {
        witness.stop().await.unwrap();
    }
    for place in &places {
        assert_eq!(crate::witness::status(&place.state()).unwrap().logs[0].size, 3);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_witness_that_lies_is_kept_and_it_stops_nobody() {
    let text = |status: u16, body: &str| (status, "text/plain", body.as_bytes().to_vec());
    let size = |body: &str| (409, "text/x.tlog.size", body.as_bytes().to_vec());
    let lies: Vec<Lie> = vec![
        Box::new(move |body| text(200, &honest(2, body))),
        Box::new(move |body| {
            let line = honest(1, body);
            let place = line.len() - 12;
            text(200, &format!("{}{}{}", &line[..place], if &line[place..=place] == "A" { "B" } else { "A" }, &line[place + 1..]))
        }),
        Box::new(move |_| text(200, "no lines")),
        Box::new(move |_| text(200, "")),
        Box::new(move |_| (200, "text/plain", vec![b'a'; 200_000])),
        Box::new(move |_| size("281474976710656\n")),
        Box::new(move |_| size("99999999999999999999\n")),
        Box::new(move |_| size("01\n")),
        Box::new(move |_| size("1")),
        Box::new(move |_| text(409, "1\n")),
        Box::new(move |_| text(422, "no")),
        Box::new(move |_| text(404, "no")),
        Box::new(move |_| text(500, "no")),
        Box::new(move |_| text(302, "no")),
    ];
    let mut members = Vec::new();
    for (number, lie) in lies.into_iter().enumerate() {
        // Each claims to be witness 1 under a name that is as good as any; the key decides.
        let key = witness(u8::try_from(number).unwrap() + 20).cosigner_key();
        let key = if number < 2 { if number == 0 { key } else { witness(1).cosigner_key() } } else { key };
        members.push((key, somebody(lie).await.0));
    }
    let (good, _) = somebody(move |body| text(200, &honest(9, body))).await;
    members.push((witness(9).cosigner_key(), good));
    let names: Vec<String> = (0..members.len()).map(|number| format!("w{number}")).collect();
    let mut world = world(&members, &format!("group g any {}\nquorum g", names.join(" "))).await;
    known(&world);
    world.begin().await;
    for seed in 11..13 {
        turn(&world).await;
        assert_eq!(signers(&world).await, ["witness.example/w9"]);
        world.prosecutor(seed).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_comes_back_is_shown_the_head_of_that_time() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let place = Place::new("witness.example/w1", &world.log_key.to_string());
    let running = place.run().await;
    let (key, addr) = (running.key.clone(), running.addr);
    ask(&mut world, &[(key, format!("http://{addr}"))], "quorum w0").await;
    world.begin().await;
    turn(&world).await;
    assert_eq!(signers(&world).await.len(), 1);
    running.stop().await.unwrap();
    world.prosecutor(11).await;
    turn(&world).await;
    assert!(signers(&world).await.is_empty());
    let said = crate::doctor::kept::examine(&world.config).await;
    assert!(said.len() == 1 && said[0].found.starts_with("w0: 1 of 2 records, at 20"), "{said:?}");
    world.prosecutor(12).await;
    let running = crate::witness::run(&crate::witness::WitnessConfig { listen: addr, ..place.config() }).await.unwrap();
    turn(&world).await;
    assert_eq!(signers(&world).await, ["witness.example/w1"]);
    // Sizes 1 and 3; what it missed is not asked for later, since the head includes it.
    let kept: Kept = world.public("/v1/log/kept?at_least=2").await.json();
    assert_eq!(SignedCheckpoint::parse(kept.checkpoint.as_bytes()).unwrap().claim().size.get(), 3);
    running.stop().await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_twice_for_one_head_nor_soon_after_another_process_asked() {
    let (url, count) = somebody(|body| (200, "text/plain", honest(1, body).into_bytes())).await;
    let mut world = world(&[(witness(1).cosigner_key(), url)], "quorum w0").await;
    known(&world);
    world.begin().await;
    let collector = world.running.as_ref().unwrap().collector();
    collector.ask_witnesses(Duration::from_secs(1)).await;
    let asked = count.load(Ordering::SeqCst);
    collector.ask_witnesses(Duration::from_secs(1)).await;
    assert_eq!(count.load(Ordering::SeqCst), asked, "no new records");
    world.prosecutor(11).await;
    world.clock.set(1_795_467_845 + 10);
    collector.ask_witnesses(Duration::from_secs(u64::from(u32::MAX))).await;
    assert_eq!(count.load(Ordering::SeqCst), asked, "cosigned lately");
    world.clock.set(1_795_467_845 + 100);
    collector.ask_witnesses(Duration::from_secs(50)).await;
    assert_eq!(count.load(Ordering::SeqCst), asked + 1);
    drop(collector);
    world.stop().await;
}

/// Copies a folder's files.
fn copied(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_set_back_with_its_head_file_is_noticed_by_the_witness() {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    let place = Place::new("witness.example/w1", &world.log_key.to_string());
    let running = place.run().await;
    ask(&mut world, &[(running.key.clone(), format!("http://{}", running.addr))], "quorum w0").await;
    world.begin().await;
    world.prosecutor(11).await;
    world.stop().await;
    let database = world.config.sqlite_file().unwrap().parent().unwrap().to_owned();
    let head = world.config.data.head_file.parent().unwrap().to_owned();
    let away = tempfile::tempdir().unwrap();
    copied(&database, &away.path().join("db"));
    copied(&head, &away.path().join("head"));
    world.start().await;
    world.prosecutor(12).await;
    turn(&world).await;
    assert_eq!(signers(&world).await.len(), 1);
    world.stop().await;
    let truth = tempfile::tempdir().unwrap();
    copied(&database, &truth.path().join("db"));
    copied(&head, &truth.path().join("head"));

    for (from, to) in [("db", &database), ("head", &head)] {
        std::fs::remove_dir_all(to).unwrap();
        copied(&away.path().join(from), to);
    }
    world.start().await;
    turn(&world).await;
    let certificate = super::offices::device_certificate(DIICOT, Role::Prosecutor, 13, world.born);
    let enrol = custodia_core::custody::body::DeviceEnrol { certificate: custodia_core::custody::wire::Base64(certificate) };
    let body = custodia_core::custody::body::Body::DeviceEnrol(enrol);
    let told = world.registry(DIICOT, body.clone()).await.refused(ErrorCode::Unavailable);
    assert!(told.message.contains("it has cosigned 3 records of this log"), "{told:?}");
    assert_eq!(world.checkpoint().await.size().get(), 2, "what is there is read");
    world.stop().await;

    for (from, to) in [("db", &database), ("head", &head)] {
        std::fs::remove_dir_all(to).unwrap();
        copied(&truth.path().join(from), to);
    }
    world.start().await;
    turn(&world).await;
    assert_eq!(world.registry(DIICOT, body).await.status, 200, "the database that holds them goes on");
    running.stop().await.unwrap();
    world.stop().await;
}

/// A vault with one stamping authority.
async fn stamped_by(url: String, tsa_roots: Option<std::path::PathBuf>) -> World {
    let mut world = World::on(Pair::SqliteAndFolder).await;
    world.stop().await;
    let authorities = vec![StampAuthority { name: "tsa".to_owned(), url }];
    world.config.stamps = Some(StampsConfig { authorities, every_seconds: 3600, timeout_seconds: 20, tls_authorities: None, tsa_roots });
    world.start().await;
    world.begin().await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_stamped_once_and_openssl_accepts_the_stamp() {
    let tsa = Arc::new(Tsa::new());
    let mut world = stamped_by(Arc::clone(&tsa).serve().await, Some(tsa.root())).await;
    let collector = world.running.as_ref().unwrap().collector();
    for _ in 0..2 {
        collector.ask_authorities(NOW).await;
        let kept: Kept = world.public("/v1/log/kept?at_least=0&with=stamp").await.json();
        assert_eq!(kept.checkpoint, world.checkpoint().await.note().as_str());
        assert_eq!(kept.stamps.len(), 1);
        assert!(tsa.verifies(&kept.stamps[0].0, kept.checkpoint.as_bytes()));
        assert!(!tsa.verifies(&kept.stamps[0].0, b"something else"));
    }
    world.prosecutor(11).await;
    let said = || async { crate::doctor::kept::examine(&world.config).await.pop().unwrap().found };
    assert!(said().await.starts_with("tsa: 1 of 2 records, at 20"));
    collector.ask_authorities(NOW).await;
    assert!(said().await.starts_with("tsa: 2 of 2 records, at 20"));
    let kept: Kept = world.public("/v1/log/kept?at_least=2&with=stamp").await.json();
    assert!(tsa.verifies(&kept.stamps[0].0, kept.checkpoint.as_bytes()));
    drop(collector);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stamp_of_other_bytes_or_for_another_query_is_not_kept() {
    let tsa = Arc::new(Tsa::new());
    let own = Arc::clone(&tsa);
    let turns = AtomicUsize::new(0);
    let (url, count) = somebody(move |query| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        let other = own.stamp(b"something else");
        let genuine = own.reply(query);
        let body = match turn {
            0 => other,
            // The imprint is right, and the nonce is another's: the last eight bytes before `certReq`.
            1 => {
                let mut query = query.to_vec();
                let place = query.len() - 4;
                query[place] ^= 1;
                own.reply(&query)
            }
            2 => genuine[..genuine.len() - 1].to_vec(),
            3 => [genuine, vec![0]].concat(),
            4 => vec![0x30, 5, 0x30, 3, 2, 1, 2],
            _ => genuine,
        };
        (200, "application/timestamp-reply", body)
    })
    .await;
    let mut world = stamped_by(url, None).await;
    let collector = world.running.as_ref().unwrap().collector();
    for turns in 1..=5 {
        collector.ask_authorities(NOW).await;
        assert_eq!(count.load(Ordering::SeqCst), turns);
        world.public("/v1/log/kept?at_least=0&with=stamp").await.refused(ErrorCode::NotFound);
    }
    collector.ask_authorities(NOW).await;
    let kept: Kept = world.public("/v1/log/kept?at_least=0&with=stamp").await.json();
    let digest = Sha256Digest::of(&[&kept.stamps[0].0]);
    assert!(tsa.verifies(&kept.stamps[0].0, kept.checkpoint.as_bytes()), "{digest}");
    drop(collector);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_roots_are_pinned_a_stamp_of_another_authority_is_not_kept() {
    let (tsa, other) = (Arc::new(Tsa::new()), Tsa::new());
    let mut world = stamped_by(Arc::clone(&tsa).serve().await, Some(other.root())).await;
    world.running.as_ref().unwrap().collector().ask_authorities(NOW).await;
    world.public("/v1/log/kept?at_least=0&with=stamp").await.refused(ErrorCode::NotFound);
    world.stop().await;
}
