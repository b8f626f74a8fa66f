//! Dossiers of one exhibit whose chain grows: what of them are records, proofs and the rest is told by `benches/proofs.py`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use custodia_client::custody::CustodyAct;
use custodia_client::dossier::{NewDossier, Transmission};
use custodia_core::custody::kind::Purpose;
use custodia_core::dossier::Files;
use custodia_core::identity::Role;
use custodia_tests::world::{Must as _, World, case, exhibit, statement};
use serde_json::json;

use crate::{option, tell};

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
    let exhibit = agent.add_exhibit(exhibit(case, &files, "Note"), |_| {}).await.must().exhibit;
    let mut records = 1;
    for size in sizes {
        let begun = Instant::now();
        // The dossier is two records itself: the files are disclosed, then the dossier.
        while records + 2 < size {
            let act = if records % 2 == 1 { CustodyAct::PlaceHold } else { CustodyAct::LiftHold };
            agent.act_on_exhibit(case, exhibit, act, &statement()).await.must();
            records += 1;
        }
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
