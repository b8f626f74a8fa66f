//! Many agents on three processes of which one dies: every act that was acknowledged stands once, and nobody waits for ever.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use custodia_client::http::{HttpError, ServerAddress};
use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError, Joining};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_tests::backends::Pair;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use tokio::sync::Notify;

use crate::process::ServerProcess;

/// Agents, three for each process.
const AGENTS: usize = 9;
/// What each of them opens before it is done.
const OPENINGS: usize = 6;
/// After so many openings of all of them, a process is killed.
const KILL_AFTER: usize = 15;

/// Whether an agent may try again after an error: its server died, or another's commit came first.
fn passes(error: &AgentError) -> bool {
    matches!(error, AgentError::Http(error) if error.is_passing() || matches!(error, HttpError::Stale { .. }))
}

/// What all agents share.
struct Crowd {
    case: CaseId,
    exhibit: ExhibitId,
    /// Openings that were acknowledged.
    opened: AtomicUsize,
    /// Told when it is time to kill.
    enough: Notify,
    /// Where those go whose server is gone.
    refuge: ServerAddress,
}

/// Opens the exhibit again and again, and once changes the group; answers how often the agent had to try again.
async fn work(mut agent: Agent, crowd: Arc<Crowd>, world: Arc<World>) -> (Agent, usize) {
    let mut again = 0;
    let mut done = 0;
    while done < OPENINGS {
        match agent.open_exhibit(crowd.case, crowd.exhibit, Opening::View, Purpose::Investigation, &statement()).await {
            Ok(_) => {
                done += 1;
                if crowd.opened.fetch_add(1, Ordering::SeqCst) + 1 == KILL_AFTER {
                    crowd.enough.notify_one();
                }
            }
            Err(error) => {
                assert!(passes(&error), "{error}");
                again += 1;
                agent.bind(&crowd.refuge, &world.info).await.must();
            }
        }
        if done == OPENINGS / 2 {
            while let Err(error) = agent.add_members(crowd.case, Vec::new(), Vec::new(), &statement()).await {
                assert!(passes(&error), "{error}");
                again += 1;
                if !matches!(error, AgentError::Http(HttpError::Stale { .. })) {
                    agent.bind(&crowd.refuge, &world.info).await.must();
                }
            }
        }
    }
    (agent, again)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_among_many_agents_takes_no_act_with_it_on_postgres_and_ceph() {
    let mut world = World::on(Pair::PostgresAndCeph).await;
    let mut servers: Vec<ServerProcess> =
        ["one", "two", "three"].map(|name| ServerProcess::start(&world.further(name, |text| text))).into();
    world.hand_over(servers[0].address()).await;
    let mut agents = Vec::new();
    for place in 0..AGENTS {
        agents.push(world.device_at(&servers[place % 3].address(), place % 2, &format!("agent-{place}"), Role::Prosecutor).await);
    }
    let auditor = world.device(0, "auditor", Role::Auditor).await;
    let case = case(&agents[0]).await;
    agents[0].sync().await.must();
    let joining = agents[1..].iter().map(|agent| Joining { device: agent.certificate_id().unwrap(), terms: Terms::Full }).collect();
    agents[0].add_members(case, joining, Vec::new(), &statement()).await.must();
    for agent in &agents[1..] {
        assert_eq!(agent.join_new_cases().await.must(), [case]);
    }
    let folder = world.path("evidence");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("note.txt"), "seen by many").unwrap();
    let exhibit = agents[0].add_exhibit(exhibit(case, &folder, "note"), |_| {}).await.must().exhibit;
    let before = agents[0].cases_at_server().await.must().cases[0].epoch;

    let crowd = Arc::new(Crowd { case, exhibit, opened: AtomicUsize::new(0), enough: Notify::new(), refuge: servers[0].address() });
    let world = Arc::new(world);
    let mut working = tokio::task::JoinSet::new();
    for agent in agents.drain(..) {
        working.spawn(work(agent, Arc::clone(&crowd), Arc::clone(&world)));
    }
    crowd.enough.notified().await;
    drop(servers.pop());
    let mut again = 0;
    while let Some(ended) = working.join_next().await {
        let (agent, times) = ended.unwrap();
        agents.push(agent);
        again += times;
    }
    assert!(again > 0, "nobody noticed that a process died");

    // Each acknowledged opening is one record; of those whose answer died with the process, some are records too, and none is there twice.
    let log = agents[0].case_log(case).await.must();
    let openings = log.entries.iter().filter(|entry| entry.kind == Kind::Consultation).count();
    let promised = AGENTS * OPENINGS;
    assert!((promised..=promised + again).contains(&openings), "{openings} openings for {promised} and {again} further attempts");
    // One commit for each epoch, and everybody in the last one.
    let epoch = agents[0].cases_at_server().await.must().cases[0].epoch;
    assert!(epoch >= before + AGENTS as u64, "{epoch} after {before}: a commit that was acknowledged is gone");
    agents[0].refresh(case).await.must();
    let members = agents[0].members(case).await.must();
    for agent in &agents {
        agent.refresh(case).await.must();
        assert_eq!(agent.members(case).await.must(), members);
    }
    // The whole log replays: one history, every chain linear, every commit's epoch after the one before.
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "{failed:?}");
}
