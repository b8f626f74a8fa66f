//! What the demo seals: a fictional sample case, or the user's own files whatever they are.

use std::path::{Path, PathBuf};

use custodia_client::seal::scan::scan;

use crate::failure::Failure;
use crate::terminal::printable_path;

/// Up to three exhibits: sources and intake form.
pub struct Evidence {
    /// The exhibits in order.
    pub exhibits: Vec<Exhibit>,
    /// What lies in the folder and cannot be evidence, and why.
    pub left_out: Vec<String>,
    forms: Vec<String>,
}

/// One exhibit to be taken in.
pub struct Exhibit {
    /// Files and folders.
    pub sources: Vec<PathBuf>,
    /// Name of its form in the demo's folder.
    pub form: String,
    /// What to call it on the screen.
    pub name: String,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample");

/// Collects the exhibits.
pub fn gather(own: Option<&Path>) -> Result<Evidence, Failure> {
    own.map_or_else(sample, own_files)
}

fn sample() -> Result<Evidence, Failure> {
    let folder = Path::new(SAMPLE);
    let mut evidence = Evidence { exhibits: vec![], forms: vec![], left_out: vec![] };
    for (number, (name, what)) in [
        ("exhibit-1-phone", "photos and a chat export from a phone"),
        ("exhibit-2-bank", "bank records: PDF, spreadsheet, CSV"),
        ("exhibit-3-interview", "a recorded interview with its protocol"),
    ]
    .into_iter()
    .enumerate()
    {
        let form = folder.join(format!("exhibit-{}.toml", number + 1));
        let text = std::fs::read_to_string(&form).map_err(|error| Failure::file(&form, &error))?;
        evidence.push(vec![folder.join(name)], what.to_owned(), text);
    }
    Ok(evidence)
}

/// Each entry of the folder is an exhibit; from the third on they go together into the last one. What cannot be evidence is left out and named.
fn own_files(folder: &Path) -> Result<Evidence, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    let (mut paths, mut left_out) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(|error| Failure::file(folder, &error))?.path();
        match readable(&path) {
            Ok(()) => paths.push(path),
            Err(problem) => left_out.push(format!("{}: {problem}", printable_path(&path))),
        }
    }
    paths.sort();
    left_out.sort();
    if paths.is_empty() {
        let nothing = format!("{}: nothing in this folder can be evidence", printable_path(folder));
        let message = std::iter::once(nothing).chain(left_out).collect::<Vec<_>>().join("\n");
        return Err(Failure::usage(message, "Put files or folders in it, or leave --evidence away."));
    }
    // Two people share, one exhibit stays closed to the late joiner: the story needs three.
    let mut groups: Vec<Vec<PathBuf>> = (0..3).map(|number| paths.iter().skip(number).take(1).cloned().collect()).collect();
    groups[2].extend(paths.iter().skip(3).cloned());
    for group in &mut groups {
        if group.is_empty() {
            group.push(paths[0].clone());
        }
    }
    let mut evidence = Evidence { exhibits: vec![], forms: vec![], left_out };
    for (number, sources) in groups.into_iter().enumerate() {
        let names: Vec<String> = sources.iter().filter_map(|path| path.file_name()).map(|name| printable_path(Path::new(name))).collect();
        let name = if names.len() > 4 { format!("{} and {} more", names[..3].join(", "), names.len() - 3) } else { names.join(", ") };
        evidence.push(sources, name, own_form(number + 1));
    }
    Ok(evidence)
}

/// Whether a file or folder can be taken in, looked at as an intake looks at it, and read.
fn readable(path: &Path) -> Result<(), String> {
    let files = scan(&[path.to_owned()]).map_err(|error| error.to_string())?;
    files
        .iter()
        .try_for_each(|file| std::fs::File::open(&file.path).map(drop).map_err(|error| format!("{}: {error}", printable_path(&file.path))))
}

fn own_form(number: usize) -> String {
    format!(
        "exhibit_number = \"DEMO-{number}\"\ntitle = \"Your own files, part {number}\"\nkind = \"other\"\nhandling = \"H0\"\nperson_categories = []\n\
         special_category = false\nchild = false\nreview_date = \"2030-01-01\"\n[collected]\nby = \"you\"\nat = \"2026-01-01T00:00:00Z\"\nplace = \"this machine\"\n\
         [source]\nperson = \"you\"\n[acquisition]\nmethod = \"copied for the demo\"\n[legal_basis]\ntype = \"other\"\nidentifier = \"demo\"\nauthority = \"nobody\"\n\
         state = \"XX\"\nvalid_from = \"2026-01-01\"\n[evaluation]\nsource = \"X\"\ninformation = \"4\"\n"
    )
}

impl Evidence {
    fn push(&mut self, sources: Vec<PathBuf>, name: String, form: String) {
        let file = format!("exhibit-{}.toml", self.exhibits.len() + 1);
        self.exhibits.push(Exhibit { sources, form: file, name });
        self.forms.push(form);
    }

    /// Writes the intake forms into the demo's folder.
    pub fn write_forms(&self, folder: &Path) -> Result<(), Failure> {
        for (exhibit, text) in self.exhibits.iter().zip(&self.forms) {
            let path = folder.join(&exhibit.form);
            std::fs::write(&path, text).map_err(|error| Failure::file(&path, &error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_lies_in_a_folder_makes_three_exhibits_and_what_is_no_evidence_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        for (files, sources) in [(1, [1, 1, 1]), (2, [1, 1, 1]), (3, [1, 1, 1]), (7, [1, 1, 5])] {
            for number in 0..files {
                std::fs::write(folder.path().join(format!("file-{number}")), [0]).unwrap();
            }
            let evidence = gather(Some(folder.path())).unwrap();
            let counts: Vec<usize> = evidence.exhibits.iter().map(|exhibit| exhibit.sources.len()).collect();
            assert_eq!(counts, sources, "{files} files");
            assert_eq!(evidence.left_out.len(), 2, "{:?}", evidence.left_out);
        }
        assert_eq!(gather(Some(folder.path())).unwrap().exhibits[2].name, "file-2, file-3, file-4 and 2 more");
    }
}
