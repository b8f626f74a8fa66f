//! Dossiers of one exhibit whose chain grows: what of them are records, proofs and the rest is told by `benches/proofs.py`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use custodia_client::Joining;
use custodia_client::dossier::{NewDossier, Transmission};
use custodia_core::custody::body::Terms;
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::Files;
use custodia_core::identity::Role;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use serde_json::json;

use crate::actor::Actor;
use crate::{option, tell};

/// How many devices open the exhibit, so that the chain grows quickly.
const COLLEAGUES: u8 = 4;

/// So many openings by all together.
async fn openings(colleagues: Vec<Actor>, count: u64) -> Vec<Actor> {
    let all = colleagues.len() as u64;
    let tasks: Vec<_> = (0..)
        .zip(colleagues)
        .map(|(place, mut colleague)| {
            tokio::spawn(async move {
                for _ in 0..(count + place) / all {
                    colleague.open_once().await;
                    colleague.receipts.clear();
                }
                colleague
            })
        })
        .collect();
    let mut back = Vec::new();
    for task in tasks {
        back.push(task.await.unwrap());
    }
    back
}

/// Makes a dossier of digests at each of `--sizes` (records of the exhibit's chain, ascending, separated by commas) in the folder `--into`, which
/// gets a trust file too. Prints one line for each.
pub async fn measure() {
    let into = PathBuf::from(option("--into").unwrap());
    let sizes: Vec<u64> = option("--sizes").unwrap().split(',').map(|size| size.parse().unwrap()).collect();
    let world = World::new().await;
    let info = &world.info;
    let trust = format!("origin = \"{}\"\nlog = \"{}\"\ntrust_pin = \"{}\"\n", info.origin, info.log_key, info.trust_pin);
    std::fs::write(into.join("trust.toml"), trust).unwrap();
    let agent = world.device(0, "ana", Role::Prosecutor).await;
    let case = case(&agent).await;
    let files = world.path("evidence");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("note.txt"), "seen at the station\n").unwrap();
    let collected = agent.add_exhibit(exhibit(case, &files, "Note"), |_| {}).await.must();
    let exhibit = collected.exhibit;
    // Which follows the case's chain, whose last record is the collection.
    agent.prove(case, collected.index).await.must();
    let collection = agent.exhibits_of_chain(case).await.must()[0].1.commitment;
    let mut colleagues = Vec::new();
    for place in 0..COLLEAGUES {
        let mut colleague = Actor::enrolled(&world, place).await;
        colleague.become_colleague(case, exhibit, collection).await;
        colleagues.push(colleague);
    }
    agent.sync().await.must();
    let joining = colleagues.iter().map(|colleague| Joining { device: colleague.id(), terms: Terms::Full }).collect();
    agent.add_members(case, joining, Vec::new(), &statement()).await.must();
    // Its collection, and what was granted to the colleagues.
    let mut records = agent.exhibit_status(case, exhibit).await.must().entries.len() as u64;
    for size in sizes {
        let begun = Instant::now();
        // The dossier is two records itself: the files are disclosed, then the dossier.
        colleagues = openings(colleagues, size - 2 - records).await;
        records = size - 2;
        let acts = begun.elapsed();
        let new = NewDossier {
            case,
            exhibits: vec![exhibit],
            recipients: vec!["Court".to_owned()],
            purpose: Purpose::Trial,
            statement: statement(),
            files: Files::Digests,
            withheld: Vec::new(),
            languages: Vec::new(),
            report_program: None,
            transmission: Transmission::default(),
            trust: None,
            wait: Duration::ZERO,
            target: into.join(format!("{size}.zip")),
        };
        let begun = Instant::now();
        let made = agent.make_dossier(&new, &|_| {}).await.must();
        records += 2;
        tell(
            &json!({"records": records, "dossier": made.path, "tree": made.tree_size, "acts_seconds": acts.as_secs_f64(), "making_seconds": begun.elapsed().as_secs_f64()}),
        );
    }
}
