//! Writes the good inputs of one target into a folder: `write-seeds TARGET FOLDER`.

use std::path::Path;
use std::process::ExitCode;

use custodia_fuzz::{seeds, targets};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, folder] = arguments.as_slice() else {
        eprintln!("write-seeds TARGET FOLDER");
        return ExitCode::FAILURE;
    };
    let Some(target) = targets::ALL.iter().find(|target| target.name == name) else {
        eprintln!("no such target: {name}");
        return ExitCode::FAILURE;
    };
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let good = seeds::all(&fuzz.join("../tests/vectors"), fuzz).into_iter().filter(|piece| (target.feed)(piece));
    let mut written = 0;
    for (number, piece) in good.enumerate() {
        let path = Path::new(folder).join(format!("seed-{number}"));
        if let Err(error) = std::fs::write(&path, piece) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        written += 1;
    }
    println!("{written} good inputs of {name}");
    ExitCode::SUCCESS
}
