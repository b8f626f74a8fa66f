//! The two words that every text of the log uses: a decimal number and a Base64 string, each with one spelling only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Reads an ASCII decimal without sign, spaces or leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

/// Reads padded standard Base64 (RFC 4648 §4) with zero trailing bits; the caller limits the length of `text`.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Reads the Base64 of exactly 32 bytes: 44 characters.
pub(super) fn base64_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 44 {
        return None;
    }
    base64(text)?.try_into().ok()
}

/// Writes padded standard Base64.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
