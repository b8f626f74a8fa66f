//! A random key under a passphrase: what encrypts an office's key and a device's state at rest.
//!
//! ```text
//! {"v":1,"kdf":{"m":KiB,"t":passes,"p":lanes,"salt":b64 of 16},"nonce":b64 of 12,"wrapped":b64 of 48}
//! K = Argon2id(passphrase, salt, m, t, p)     wrapped = AES-256-GCM(K, nonce, key, "custodia/key-file/v1" ‖ m ‖ t ‖ p ‖ salt)
//! ```
//! How good a passphrase is, is not judged. Source: `docs/spec/identity.md` §7, RFC 9106.

use argon2::{Algorithm, Argon2, Params, Version};
use custodia_core::secret::Secret32;
use zeroize::Zeroizing;

use crate::at_rest::{self, base64_text};

const LABEL: &[u8] = b"custodia/key-file/v1";

/// The longest key file that is read, in bytes.
pub const MAX_KEY_FILE_BYTES: usize = 4096;

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// The key file has not its form, or asks for more work than is permitted.
    #[error("malformed key file: {0}")]
    Malformed(&'static str),
    /// The passphrase is not the one of this key file, or the file was changed: nobody can tell which.
    #[error("wrong passphrase (or the key file was changed)")]
    WrongPassphrase,
    /// A passphrase has at least one character.
    #[error("the passphrase is empty")]
    Empty,
    /// The machine gives no random bytes or not enough memory.
    #[error("no random bytes, or not enough memory for the passphrase")]
    Unavailable,
}

/// How much work one guess of the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, 8 to 1048576 and at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes, 1 to 16.
    pub passes: u32,
    /// Lanes, 1 to 16.
    pub lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 1 lane.
    pub const DEFAULT: Self = Self { memory_kib: 65_536, passes: 3, lanes: 1 };
}

/// A key wrapped under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    v: u8,
    kdf: Kdf,
    #[serde(with = "base64_text")]
    nonce: [u8; 12],
    #[serde(with = "base64_text")]
    wrapped: [u8; 48],
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    m: u32,
    t: u32,
    p: u32,
    #[serde(with = "base64_text")]
    salt: [u8; 16],
}

impl Kdf {
    fn params(&self) -> Result<Params, PassphraseError> {
        let refused = PassphraseError::Malformed("the cost is out of range");
        let permitted = (8..=1_048_576).contains(&self.m) && (1..=16).contains(&self.t) && (1..=16).contains(&self.p);
        if !permitted || self.m < 8 * self.p {
            return Err(refused);
        }
        Params::new(self.m, self.t, self.p, Some(32)).map_err(|_| refused)
    }

    fn derive(&self, passphrase: &str) -> Result<Secret32, PassphraseError> {
        let params = self.params()?;
        let mut key = Zeroizing::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase.as_bytes(), &self.salt, key.as_mut()).map_err(|_| PassphraseError::Unavailable)?;
        Ok(Secret32::from_bytes(*key))
    }

    fn aad(&self) -> Vec<u8> {
        [LABEL, &self.m.to_be_bytes(), &self.t.to_be_bytes(), &self.p.to_be_bytes(), &self.salt].concat()
    }
}

impl KeyFile {
    /// Draws a key and wraps it.
    ///
    /// # Errors
    /// [`PassphraseError`], except for a wrong passphrase.
    pub fn create(passphrase: &str, cost: Cost) -> Result<(Self, Secret32), PassphraseError> {
        let key = Secret32::from_bytes(at_rest::random().map_err(|_| PassphraseError::Unavailable)?);
        Ok((Self::wrap(&key, passphrase, cost)?, key))
    }

    /// Wraps a key that exists: how a passphrase is changed.
    ///
    /// # Errors
    /// [`PassphraseError`], except for a wrong passphrase.
    pub fn wrap(key: &Secret32, passphrase: &str, cost: Cost) -> Result<Self, PassphraseError> {
        if passphrase.is_empty() {
            return Err(PassphraseError::Empty);
        }
        let salt = at_rest::random().map_err(|_| PassphraseError::Unavailable)?;
        let kdf = Kdf { m: cost.memory_kib, t: cost.passes, p: cost.lanes, salt };
        let sealed = at_rest::seal(&kdf.derive(passphrase)?, &kdf.aad(), key.expose());
        let (nonce, wrapped) = sealed.map_err(|_| PassphraseError::Unavailable)?;
        let wrapped = wrapped.try_into().expect("32 bytes and a tag of 16");
        Ok(Self { v: 1, kdf, nonce, wrapped })
    }

    /// Reads a key file of at most [`MAX_KEY_FILE_BYTES`] and refuses costs out of range before any work.
    ///
    /// # Errors
    /// [`PassphraseError::Malformed`].
    pub fn parse(text: &[u8]) -> Result<Self, PassphraseError> {
        if text.len() > MAX_KEY_FILE_BYTES {
            return Err(PassphraseError::Malformed("longer than 4096 bytes"));
        }
        let file: Self = serde_json::from_slice(text).map_err(|_| PassphraseError::Malformed("not a key file"))?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), PassphraseError> {
        if self.v != 1 {
            return Err(PassphraseError::Malformed("not version 1"));
        }
        self.kdf.params().map(|_| ())
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of texts and numbers serialises")
    }

    /// Unwraps the key.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub fn unlock(&self, passphrase: &str) -> Result<Secret32, PassphraseError> {
        self.check()?;
        let key = at_rest::open(&self.kdf.derive(passphrase)?, self.nonce, &self.kdf.aad(), &self.wrapped);
        let key = key.map_err(|_| PassphraseError::WrongPassphrase)?;
        let key: &[u8; 32] = key.as_slice().try_into().expect("48 bytes open to 32");
        Ok(Secret32::from_bytes(*key))
    }
}

/// A cost for tests, which guess no passphrases.
#[cfg(test)]
pub(crate) const TEST_COST: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passphrase_that_wrapped_a_key_unwraps_it() {
        let (file, key) = KeyFile::create("correct horse", TEST_COST).unwrap();
        let read = KeyFile::parse(file.to_json().as_bytes()).unwrap();
        assert_eq!(read, file);
        assert_eq!(read.unlock("correct horse").unwrap().expose(), key.expose());
    }

    #[test]
    fn another_passphrase_is_told_to_be_wrong() {
        let (file, key) = KeyFile::create("correct horse", TEST_COST).unwrap();
        assert_eq!(file.unlock("correct horsE").unwrap_err(), PassphraseError::WrongPassphrase);
        assert_eq!(KeyFile::create("", TEST_COST).unwrap_err(), PassphraseError::Empty);
        let changed = KeyFile::wrap(&key, "battery staple", TEST_COST).unwrap();
        assert_eq!(changed.unlock("correct horse").unwrap_err(), PassphraseError::WrongPassphrase);
        assert_eq!(changed.unlock("battery staple").unwrap().expose(), key.expose());
    }

    #[test]
    fn every_part_of_a_key_file_is_authenticated() {
        let (file, _) = KeyFile::create("p", TEST_COST).unwrap();
        let changes: [fn(&mut KeyFile); 6] = [
            |file| file.kdf.m += 1,
            |file| file.kdf.t += 1,
            |file| file.kdf.salt[0] ^= 1,
            |file| file.nonce[0] ^= 1,
            |file| file.wrapped[0] ^= 1,
            |file| file.wrapped[47] ^= 1,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut changed = file.clone();
            change(&mut changed);
            assert_eq!(changed.unlock("p").unwrap_err(), PassphraseError::WrongPassphrase, "change {at}");
        }
    }

    #[test]
    fn a_hostile_key_file_does_not_make_the_machine_work() {
        let (file, _) = KeyFile::create("p", TEST_COST).unwrap();
        for (m, t, p) in [(7, 1, 1), (1_048_577, 1, 1), (64, 0, 1), (64, 17, 1), (1024, 1, 0), (1024, 1, 17), (64, 1, 9)] {
            let mut greedy = file.clone();
            (greedy.kdf.m, greedy.kdf.t, greedy.kdf.p) = (m, t, p);
            let refused = PassphraseError::Malformed("the cost is out of range");
            assert_eq!(KeyFile::parse(greedy.to_json().as_bytes()), Err(refused), "{m} {t} {p}");
            assert_eq!(greedy.unlock("p").unwrap_err(), refused);
        }
        let json = file.to_json();
        for bad in [json.replace("\"v\":1", "\"v\":2"), json.replace("\"v\":1", "\"v\":1,\"w\":1"), json[1..].to_owned(), " ".repeat(4097)]
        {
            assert!(matches!(KeyFile::parse(bad.as_bytes()), Err(PassphraseError::Malformed(_))));
        }
    }

    #[test]
    fn the_default_cost_is_within_the_limits() {
        let Cost { memory_kib, passes, lanes } = Cost::DEFAULT;
        assert!(Kdf { m: memory_kib, t: passes, p: lanes, salt: [0; 16] }.params().is_ok());
    }
}
