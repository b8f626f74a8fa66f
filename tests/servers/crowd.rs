//! Many agents on three processes of which one after another dies: every act that was acknowledged stands once, and nobody waits for ever.
//!
//! `CUSTODIA_CROWD_AGENTS` and `CUSTODIA_CROWD_ROUNDS` play more of it than the suite does.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use custodia_client::http::{HttpError, ServerAddress};
use custodia_client::open::Opening;
use custodia_client::{Agent, AgentError, Joining};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::{Kind, Purpose};
use custodia_core::identity::Role;
use custodia_core::ids::{CaseId, ExhibitId};
use custodia_core::log::checkpoint::LogKey;
use custodia_tests::backends::Pair;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use tokio::sync::mpsc::UnboundedSender;

use crate::process::ServerProcess;
use crate::several::{checkpoint, root_of_entries};

/// Agents and rounds that the suite plays: three agents for each process.
const AGENTS: usize = 9;
const ROUNDS: usize = 4;
/// After so many openings of all agents, the next process is killed and started again.
const KILL_EACH: usize = 12;
/// No single attempt may take longer than this, with every agent at work. A turn whose wake-up is lost stays silent until the client's
/// limit of a minute.
const PATIENCE: Duration = Duration::from_secs(50);

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// What all agents share.
struct Crowd {
    world: World,
    case: CaseId,
    exhibit: ExhibitId,
    rounds: usize,
    /// Where the processes are; one that is started again is found elsewhere.
    servers: Mutex<Vec<ServerAddress>>,
    /// Commits that were acknowledged.
    commits: AtomicU64,
    /// Attempts that failed because a process died.
    failed: AtomicUsize,
    /// Attempts at commits that another's came before.
    stale: AtomicUsize,
    /// Milliseconds that the longest attempt took.
    longest: AtomicU64,
}

impl Crowd {
    /// Whether an agent may try again after an error, and where: at another process if its own died.
    async fn again(&self, agent: &mut Agent, error: AgentError) {
        match error {
            AgentError::Http(HttpError::Stale { .. }) => {
                self.stale.fetch_add(1, Ordering::SeqCst);
            }
            AgentError::Http(error) if error.is_passing() => {
                let place = self.failed.fetch_add(1, Ordering::SeqCst);
                let address = self.servers.lock().unwrap()[place % 3].clone();
                if let Err(error) = agent.bind(&address, &self.world.info).await {
                    assert!(matches!(&error, AgentError::Http(error) if error.is_passing()), "{error}");
                }
            }
            other => panic!("{other}"),
        }
    }

    /// One attempt, within the time in which it must be answered.
    async fn within<T>(&self, what: &str, attempt: impl Future<Output = Result<T, AgentError>>) -> Result<T, AgentError> {
        let begun = Instant::now();
        let Ok(ended) = tokio::time::timeout(PATIENCE, attempt).await else { panic!("{what}: no answer in {PATIENCE:?}") };
        self.longest.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap(), Ordering::SeqCst);
        ended
    }

    /// Collects an exhibit of its own, opens the common one in every round, and changes the group in every other.
    async fn work(&self, mut agent: Agent, place: usize, opened: UnboundedSender<()>) -> Agent {
        let folder = self.world.path(&format!("evidence-{place}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("note.txt"), format!("seen by {place}")).unwrap();
        let title = format!("note {place}");
        while let Err(error) = self.within("collect", Box::pin(agent.add_exhibit(exhibit(self.case, &folder, &title), |_| {}))).await {
            self.again(&mut agent, error).await;
        }
        for round in 0..self.rounds {
            while let Err(error) = self.within("open", Box::pin(self.open(&agent))).await {
                self.again(&mut agent, error).await;
            }
            opened.send(()).unwrap();
            if (place + round).is_multiple_of(2) {
                while let Err(error) =
                    self.within("commit", Box::pin(agent.add_members(self.case, Vec::new(), Vec::new(), &statement()))).await
                {
                    self.again(&mut agent, error).await;
                }
                self.commits.fetch_add(1, Ordering::SeqCst);
            }
        }
        agent
    }

    async fn open(&self, agent: &Agent) -> Result<(), AgentError> {
        let opened = agent.open_exhibit(self.case, self.exhibit, Opening::View, Purpose::Investigation, &statement()).await?;
        let mut bytes = Vec::new();
        opened.write_file(0, &mut bytes).await?;
        assert_eq!(bytes, b"seen by many");
        Ok(())
    }
}

/// The world of the crowd, its three processes, and agents who are members of one case with one exhibit.
async fn gather(count: usize, rounds: usize) -> (Crowd, [PathBuf; 3], Vec<ServerProcess>, Vec<Agent>) {
    let mut world = World::on(Pair::PostgresAndCeph).await;
    let configs = ["one", "two", "three"].map(|name| world.further(name, |text| text));
    let servers: Vec<ServerProcess> = configs.iter().map(|config| ServerProcess::start(config)).collect();
    world.hand_over(servers[0].address()).await;
    let mut agents = Vec::new();
    for place in 0..count {
        agents.push(world.device_at(&servers[place % 3].address(), place % 2, &format!("agent-{place}"), Role::Prosecutor).await);
    }
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
    let crowd = Crowd {
        world,
        case,
        exhibit,
        rounds,
        servers: Mutex::new(servers.iter().map(ServerProcess::address).collect()),
        commits: AtomicU64::new(0),
        failed: AtomicUsize::new(0),
        stale: AtomicUsize::new(0),
        longest: AtomicU64::new(0),
    };
    (crowd, configs, servers, agents)
}

/// One log: every process shows the same head, whose root is that of its entries, each there once.
fn is_one_log(servers: &[ServerProcess], key: &LogKey) {
    let heads: Vec<_> = servers.iter().map(|server| checkpoint(server, key)).collect();
    for (server, head) in servers.iter().zip(&heads) {
        assert_eq!((head.size(), head.root()), (heads[0].size(), heads[0].root()));
        let (root, distinct) = root_of_entries(server, head.size().get());
        assert_eq!((root, distinct as u64), (head.root(), head.size().get()));
    }
}

/// Each acknowledged act is one record. Of those whose answer died with a process some are records too, and none is there twice.
async fn acts_stand_once(crowd: &Crowd, agents: &[Agent], openings: usize, before: u64) {
    let case = crowd.case;
    let (failed, commits) = (crowd.failed.load(Ordering::SeqCst), crowd.commits.load(Ordering::SeqCst));
    agents[0].refresh(case).await.must();
    let members = agents[0].members(case).await.must();
    for agent in agents {
        agent.refresh(case).await.must();
        assert_eq!(agent.members(case).await.must(), members, "all stand in one epoch");
        assert_eq!(agent.exhibits(case).await.must().len(), agents.len() + 1, "each exhibit once");
    }
    let log = agents[0].case_log(case).await.must();
    let of_kind = |kind| log.entries.iter().filter(|entry| entry.kind == kind).count();
    assert_eq!(of_kind(Kind::Collection), agents.len() + 1);
    let opened = of_kind(Kind::Consultation);
    assert!((openings..=openings + failed).contains(&opened), "{opened} records of {openings} openings and {failed} failed attempts");
    // One commit for each epoch, and one record for each commit.
    let epoch = agents[0].cases_at_server().await.must().cases[0].epoch;
    assert_eq!(of_kind(Kind::MemberChange) as u64, epoch, "every epoch has one record of a commit");
    assert!((before + commits..=before + commits + failed as u64).contains(&epoch), "epoch {epoch} after {before} and {commits} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_die_among_many_agents_take_no_act_with_them_on_postgres_and_ceph() {
    let (count, rounds) = (number("CUSTODIA_CROWD_AGENTS", AGENTS), number("CUSTODIA_CROWD_ROUNDS", ROUNDS));
    let (crowd, configs, mut servers, mut agents) = gather(count, rounds).await;
    let crowd = Arc::new(crowd);
    let mut auditor = crowd.world.device(0, "auditor", Role::Auditor).await;
    let before = agents[0].cases_at_server().await.must().cases[0].epoch;

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut working = tokio::task::JoinSet::new();
    for (place, agent) in agents.drain(..).enumerate() {
        let (crowd, tell) = (Arc::clone(&crowd), tell.clone());
        working.spawn(async move { Box::pin(crowd.work(agent, place, tell)).await });
    }
    drop(tell);
    let (mut openings, mut kills) = (0, 0);
    while told.recv().await.is_some() {
        openings += 1;
        if openings % KILL_EACH == 0 && openings < count * rounds {
            let victim = kills % 3;
            tokio::task::block_in_place(|| {
                servers[victim].kill();
                servers[victim] = ServerProcess::start(&configs[victim]);
            });
            crowd.servers.lock().unwrap()[victim] = servers[victim].address();
            kills += 1;
        }
    }
    while let Some(ended) = working.join_next().await {
        agents.push(ended.unwrap());
    }
    let (failed, stale, longest) = (&crowd.failed, &crowd.stale, &crowd.longest);
    #[expect(clippy::print_stdout, reason = "what was played is what one asks for by the command")]
    {
        println!("{count} agents, {openings} openings, {} commits, {kills} kills", crowd.commits.load(Ordering::SeqCst));
        println!("{failed:?} attempts failed, {stale:?} came second; the longest took {longest:?} ms");
    }
    assert!(kills > 0 && failed.load(Ordering::SeqCst) > 0, "nobody noticed that {kills} processes died");

    is_one_log(&servers, &crowd.world.info.log_key.parse().unwrap());
    let address = servers[0].address();
    for agent in agents.iter_mut().chain([&mut auditor]) {
        agent.bind(&address, &crowd.world.info).await.must();
    }
    acts_stand_once(&crowd, &agents, openings, before).await;
    // The whole log replays: one history, every chain linear, every commit's epoch after the one before.
    let report = auditor.audit(Purpose::LawfulnessCheck, &statement(), |_| {}).await.must();
    let wrong: Vec<_> = report.failed().collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
