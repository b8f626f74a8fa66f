//! The AES-256-GCM of one chunk by `aws-lc-rs`, for client and verifier; behind a feature, so that `core` needs no C compiler.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::cobblestone::{ChunkCipher, ChunkRefused, TAG_LEN};

/// AES-256-GCM of AWS-LC.
#[derive(Debug)]
pub struct AwsLcCipher(LessSafeKey);

impl ChunkCipher for AwsLcCipher {
    fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes keys of 32 bytes")))
    }

    fn seal(&self, nonce: &[u8; 12], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8; TAG_LEN]) -> Result<(), ChunkRefused> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.seal_out_of_place_scatter(nonce, Aad::empty(), plaintext, ciphertext, &[], tag).map_err(|_| ChunkRefused)
    }

    fn open(&self, nonce: &[u8; 12], ciphertext: &[u8], tag: &[u8; TAG_LEN], plaintext: &mut [u8]) -> Result<(), ChunkRefused> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, plaintext).map_err(|_| ChunkRefused)
    }
}
