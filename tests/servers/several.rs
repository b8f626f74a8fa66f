//! Three processes on one database and one bucket are one log.

use std::collections::BTreeSet;
use std::fs;

use custodia_client::http::HttpError;
use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError, Joining};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::identity::Role;
use custodia_core::ids::CaseId;
use custodia_core::log::checkpoint::{LogKey, SignedCheckpoint, VerifiedCheckpoint};
use custodia_core::log::merkle::{Frontier, RootHash, leaf_hash};
use custodia_tests::backends::Pair;
use custodia_tests::world::{Must as _, World, case, exhibit, get, statement};

use crate::process::ServerProcess;

/// Acts of one agent while all others act too: every one of them leaves exactly one entry. Answers how many there were.
async fn work(agent: &Agent, world: &World, case: CaseId, name: &str) -> u64 {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), name).unwrap();
    let collected = agent.add_exhibit(exhibit(case, &folder, name), |_| {}).await.must().exhibit;
    let opened = agent.open_exhibit(case, collected, Opening::View, Purpose::Investigation, &statement()).await.must();
    let mut bytes = Vec::new();
    opened.write_file(0, &mut bytes).await.must();
    assert_eq!(bytes, name.as_bytes());
    // A change of the members: of those that are made for one epoch, one wins, and the others are made again for the next.
    while let Err(error) = agent.add_members(case, Vec::new(), Vec::new(), &statement()).await {
        assert!(matches!(error, AgentError::Http(HttpError::Stale { .. })), "{error}");
    }
    // A case is two entries: it, and the recovery device of the office that joins.
    custodia_tests::world::case_called(agent, &format!("Own {name}")).await;
    5
}

/// The head that a process shows.
pub fn checkpoint(server: &ServerProcess, key: &LogKey) -> VerifiedCheckpoint {
    SignedCheckpoint::parse(&get(server.listens, "/checkpoint")).unwrap().verify(key).unwrap()
}

/// The root of the first `size` entries as a server publishes them, and how many of these differ from all others.
pub fn root_of_entries(server: &ServerProcess, size: u64) -> (RootHash, usize) {
    let mut frontier = Frontier::empty();
    let mut distinct = BTreeSet::new();
    for first in (0..size).step_by(256) {
        let (tile, width) = (first / 256, (size - first).min(256));
        let path = if width == 256 { format!("/tile/entries/{tile:03}") } else { format!("/tile/entries/{tile:03}.p/{width}") };
        for entry in get(server.listens, &path).chunks(35) {
            frontier.append(leaf_hash(&entry[2..])).unwrap();
            distinct.insert(entry.to_vec());
        }
    }
    (frontier.root(), distinct.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_with_one_database_and_bucket_write_one_log_on_postgres_and_ceph() {
    let mut world = World::on(Pair::PostgresAndCeph).await;
    let servers: Vec<ServerProcess> = ["one", "two", "three"].map(|name| ServerProcess::start(&world.further(name, |text| text))).into();
    world.hand_over(servers[0].address()).await;
    let key: LogKey = world.info.log_key.parse().unwrap();

    let mut agents = Vec::new();
    for (place, name) in ["ana", "luc", "eva", "ion", "mia", "jan"].into_iter().enumerate() {
        agents.push(world.device_at(&servers[place % 3].address(), place % 2, name, Role::Prosecutor).await);
    }
    let shared = case(&agents[0]).await;
    agents[0].sync().await.must();
    let joining = agents[1..].iter().map(|agent| Joining { device: agent.certificate_id().unwrap(), terms: Terms::Full }).collect();
    agents[0].add_members(shared, joining, Vec::new(), &statement()).await.must();
    for agent in &agents[1..] {
        assert_eq!(agent.join_new_cases().await.must(), [shared], "what one server entered, another tells at once");
    }

    let before = checkpoint(&servers[1], &key).size().get();
    let (one, two, three, four, five, six) = tokio::join!(
        work(&agents[0], &world, shared, "a"),
        work(&agents[1], &world, shared, "b"),
        work(&agents[2], &world, shared, "c"),
        work(&agents[3], &world, shared, "d"),
        work(&agents[4], &world, shared, "e"),
        work(&agents[5], &world, shared, "f"),
    );
    let acts = one + two + three + four + five + six;

    // One log: every server shows the same head, every act stands in it once, and the root is that of the entries.
    let heads: Vec<_> = servers.iter().map(|server| checkpoint(server, &key)).collect();
    for (server, head) in servers.iter().zip(&heads) {
        assert_eq!((head.size(), head.root()), (heads[0].size(), heads[0].root()));
        assert_eq!(head.size().get(), before + acts, "as many entries as acts, none lost and none twice");
        let (root, distinct) = root_of_entries(server, head.size().get());
        assert_eq!(root, head.root());
        assert_eq!(distinct as u64, head.size().get());
    }
    // One commit for each epoch: every member stands in the same one.
    agents[0].refresh(shared).await.must();
    let members = agents[0].members(shared).await.must();
    for agent in &agents {
        agent.refresh(shared).await.must();
        agent.sync().await.must();
        assert_eq!(agent.members(shared).await.must(), members);
        assert_eq!(agent.exhibits(shared).await.must().len(), 6);
    }
    let rows = agents[0].cases_at_server().await.must();
    let row = rows.cases.iter().find(|row| row.case == shared).unwrap();
    assert_eq!(row.epoch, 2 + 6, "as many epochs as commits were acknowledged");
}
