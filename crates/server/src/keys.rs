//! Keys that the server holds: the log's signing key, and the key-encryption keys of the release shares.
//!
//! The log key is one line as Go's `note` writes it, in a file that its owner alone may read:
//!
//! ```text
//! PRIVATE+KEY+<origin>+<key id, 8 hexadecimal digits>+<Base64 of 0x01 ‖ Ed25519 seed (32)>
//! ```
//! A witness's key is such a line too, with its own name and 0x04.
//!
//! A key-encryption key is a file `<KEK id>.kek` of 32 bytes, the id 16 random bytes in hexadecimal digits; `current` names the one that wraps new
//! shares. Every folder holds all of them.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use custodia_core::exhibit::keys::KekId;
use custodia_core::log::checkpoint::{LogSigner, Origin};
use custodia_core::log::cosignature::Cosigner;
use custodia_core::log::note::{KeyKind, KeyName, VerifierKey};
use custodia_core::secret::Secret32;
use ed25519_dalek::SigningKey;

use crate::durable;
use crate::error::StartError;

/// Draws random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn no_random(error: getrandom::Error) -> StartError {
    StartError::Io { what: "draw random bytes from", path: "the operating system".into(), source: io::Error::other(error.to_string()) }
}

/// Makes the log's key in a file that must not exist yet.
pub(crate) fn create_log_key(path: &Path, origin: &Origin) -> Result<LogSigner, StartError> {
    let seed = random::<32>().map_err(no_random)?;
    let signer = signer(path, origin, &seed)?;
    write_note_key(path, signer.log_key().verifier_key(), &seed).map_err(StartError::io("write the log key", path))?;
    Ok(signer)
}

/// Reads the log's key.
///
/// # Errors
/// A file that others may read, one of another form, or the key of another log.
pub(crate) fn read_log_key(path: &Path, origin: &Origin) -> Result<LogSigner, StartError> {
    let (name, seed) = read_note_key(path, KeyKind::Ed25519)?;
    if name != origin.as_str() {
        let message = "it is the key of another log than the configured origin";
        return Err(StartError::Key { path: path.to_owned(), message });
    }
    signer(path, origin, &seed)
}

/// Writes a note's private key in a file that must not exist yet.
fn write_note_key(path: &Path, key: &VerifierKey, seed: &[u8; 32]) -> io::Result<()> {
    let (name, id, kind) = (key.name(), hexadecimal(key.id().as_bytes()), key.kind().type_byte());
    let line = format!("PRIVATE+KEY+{name}+{id}+{}\n", STANDARD.encode([&[kind][..], seed].concat()));
    durable::write_new_secret(path, line.as_bytes())
}

/// Reads a note's private key of that kind: its name and seed.
fn read_note_key(path: &Path, kind: KeyKind) -> Result<(String, [u8; 32]), StartError> {
    let bad = |message: &'static str| StartError::Key { path: path.to_owned(), message };
    let bytes = durable::read_secret(path, 1024).map_err(StartError::io("read the key", path))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not text"))?;
    let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or_else(|| bad("it does not begin with PRIVATE+KEY+"))?;
    // The key itself may hold '+'; name and id may not.
    let mut parts = rest.splitn(3, '+');
    let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(bad("parts are missing")) };
    let key = STANDARD.decode(key).map_err(|_| bad("the key is not Base64"))?;
    let seed = key.split_first().filter(|(found, _)| **found == kind.type_byte());
    let (_, seed) = seed.ok_or_else(|| bad("it is not a key of the kind that is used here"))?;
    Ok((name.to_owned(), seed.try_into().map_err(|_| bad("the seed is not 32 bytes"))?))
}

/// Makes a witness's key in a file that must not exist yet.
pub(crate) fn create_witness_key(path: &Path, name: KeyName) -> Result<Cosigner, StartError> {
    let seed = random::<32>().map_err(no_random)?;
    let cosigner = cosigner(path, name, &seed)?;
    write_note_key(path, cosigner.cosigner_key().verifier_key(), &seed).map_err(StartError::io("write the witness's key", path))?;
    Ok(cosigner)
}

/// Reads a witness's key.
///
/// # Errors
/// A file that others may read, or one of another form.
pub(crate) fn read_witness_key(path: &Path) -> Result<Cosigner, StartError> {
    let (name, seed) = read_note_key(path, KeyKind::CosignatureV1)?;
    let name = name.parse().map_err(|_| StartError::Key { path: path.to_owned(), message: "its name cannot be that of a key" })?;
    cosigner(path, name, &seed)
}

fn cosigner(path: &Path, name: KeyName, seed: &[u8; 32]) -> Result<Cosigner, StartError> {
    Cosigner::new(name, SigningKey::from_bytes(seed))
        .map_err(|_| StartError::Key { path: path.to_owned(), message: "no note key can be made of it" })
}

fn signer(path: &Path, origin: &Origin, seed: &[u8; 32]) -> Result<LogSigner, StartError> {
    LogSigner::new(origin.clone(), SigningKey::from_bytes(seed))
        .map_err(|_| StartError::Key { path: path.to_owned(), message: "no note key can be made of it" })
}

fn hexadecimal(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

fn id_text(id: KekId) -> String {
    hexadecimal(id.as_bytes())
}

/// The folders of key-encryption keys, and the key that wraps new shares.
#[derive(Debug)]
pub(crate) struct Keks {
    folders: Vec<PathBuf>,
    current: (KekId, Secret32),
}

impl Keks {
    /// Makes the first key in every folder.
    pub fn create(folders: &[PathBuf]) -> Result<(), StartError> {
        let id = KekId::from_bytes(random().map_err(no_random)?);
        let key = random::<32>().map_err(no_random)?;
        for folder in folders {
            durable::make_private_folder(folder).map_err(StartError::io("make the KEK folder", folder))?;
            let path = folder.join(format!("{}.kek", id_text(id)));
            durable::write_new_secret(&path, &key).map_err(StartError::io("write the key-encryption key", &path))?;
            let path = folder.join("current");
            durable::write_new_secret(&path, id_text(id).as_bytes()).map_err(StartError::io("name the current key in", &path))?;
        }
        Ok(())
    }

    /// Opens the folders: all must name the same current key and hold the same bytes for it.
    pub fn open(folders: &[PathBuf]) -> Result<Self, StartError> {
        let mut current: Option<(KekId, Secret32)> = None;
        for folder in folders {
            let path = folder.join("current");
            let text = durable::read_secret(&path, 64).map_err(StartError::io("read which key is current in", &path))?;
            let id = parse_id(&text).ok_or_else(|| StartError::Key { path: path.clone(), message: "it does not name a key" })?;
            let key = read_key(folder, id).map_err(StartError::io("read the key-encryption key in", folder))?;
            match &current {
                None => current = Some((id, key)),
                Some((first, bytes)) if *first == id && bytes.expose() == key.expose() => {}
                Some(_) => return Err(StartError::Key { path, message: "the KEK folders do not hold the same current key" }),
            }
        }
        let current = current.ok_or(StartError::Key { path: PathBuf::new(), message: "no KEK folder is configured" })?;
        Ok(Self { folders: folders.to_vec(), current })
    }

    /// The key that wraps new shares.
    pub const fn current(&self) -> &(KekId, Secret32) {
        &self.current
    }

    /// A key by its id, from whichever folder has it.
    ///
    /// # Errors
    /// No folder has it: it was destroyed, or the folders are not there.
    pub fn key(&self, id: KekId) -> io::Result<Secret32> {
        if id == self.current.0 {
            return Ok(self.current.1.clone());
        }
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for folder in &self.folders {
            match read_key(folder, id) {
                Ok(key) => return Ok(key),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn parse_id(text: &[u8]) -> Option<KekId> {
    let id: custodia_core::ids::IntentId = core::str::from_utf8(text).ok()?.trim_end().parse().ok()?;
    Some(KekId::from_bytes(*id.as_bytes()))
}

fn read_key(folder: &Path, id: KekId) -> io::Result<Secret32> {
    let bytes = durable::read_secret(&folder.join(format!("{}.kek", id_text(id))), 32)?;
    let key = bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a key-encryption key is 32 bytes"))?;
    Ok(Secret32::from_bytes(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn origin() -> Origin {
        "custody.example.org/log".parse().unwrap()
    }

    #[test]
    fn a_log_key_reads_back_and_another_logs_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        let made = create_log_key(&path, &origin()).unwrap();
        assert_eq!(read_log_key(&path, &origin()).unwrap().log_key(), made.log_key());
        assert!(create_log_key(&path, &origin()).is_err(), "a key is never overwritten");
        assert!(read_log_key(&path, &"other.example.org/log".parse().unwrap()).is_err());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        create_log_key(&path, &origin()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_log_key(&path, &origin()).is_err());
    }

    #[test]
    fn both_kek_folders_must_hold_the_same_current_key() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("a"), folder.path().join("b")];
        Keks::create(&folders).unwrap();
        let keks = Keks::open(&folders).unwrap();
        assert_eq!(keks.key(keks.current().0).unwrap().expose(), keks.current().1.expose());
        assert!(keks.key(KekId::from_bytes([0; 16])).is_err());
        std::fs::write(folders[1].join(format!("{}.kek", id_text(keks.current().0))), [9; 32]).unwrap();
        assert!(Keks::open(&folders).is_err());
    }
}
