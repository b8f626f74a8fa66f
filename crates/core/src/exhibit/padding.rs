//! PADMÉ: lengths are rounded up so that only their order of magnitude and a few leading bits are seen.
//!
//! Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", Proceedings on Privacy Enhancing Technologies 2019, §4.

/// The smallest padded length: what is shorter is padded to it, so that nothing is ever empty and small sizes look alike.
pub const MIN_PADDED_LEN: u64 = 4096;

/// The padded length of `len` bytes: at least [`MIN_PADDED_LEN`]; above it at most a sixteenth more than `len`,
/// a 32nd from 64 KiB, a 64th from 4 GiB.
///
/// With E the place of the highest bit of `len` and S the number of bits of E, the lowest E − S bits are rounded up to zero.
///
/// Meant for lengths up to 2^63; callers have smaller limits.
pub const fn padme(len: u64) -> u64 {
    let len = if len < MIN_PADDED_LEN { MIN_PADDED_LEN } else { len };
    let exponent = len.ilog2();
    let mask = (1_u64 << (exponent - (exponent.ilog2() + 1))) - 1;
    len.saturating_add(mask) & !mask
}

/// Whether all bytes are zero; reads every byte.
pub(super) fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

/// `len` as fixed-width prefix, then `content`, then zeros up to `padded` bytes; the caller has checked that it fits.
pub(super) fn prefixed<const N: usize>(prefix: [u8; N], content: &[u8], padded: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(padded);
    out.extend_from_slice(&prefix);
    out.extend_from_slice(content);
    out.resize(padded, 0);
    out
}
