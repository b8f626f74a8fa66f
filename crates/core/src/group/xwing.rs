//! Whether bytes are an X-Wing public key that everybody can encrypt to.

/// Length of an X-Wing public key in bytes: ML-KEM-768 encapsulation key (1184) ‖ X25519 public key (32).
pub const PUBLIC_KEY_LEN: usize = 1216;

const COEFFICIENT_BYTES: usize = 1152;
const Q: u16 = 3329;

/// Whether `key` has 1216 bytes, every ML-KEM coefficient is reduced, and the X25519 part is not zero.
///
/// An unreduced coefficient is what ML-KEM implementations must refuse, so that a leaf with one could be added but nobody could
/// encrypt to it afterwards. The X25519 part can be any other point. Whether anyone holds the private key is *not* checked.
///
/// Source: FIPS 203 §7.2 (modulus check); draft-connolly-cfrg-xwing-kem §5.
pub fn is_well_formed(key: &[u8]) -> bool {
    if key.len() != PUBLIC_KEY_LEN {
        return false;
    }
    let (coefficients, rest) = key.split_at(COEFFICIENT_BYTES);
    let reduced = coefficients.chunks_exact(3).all(|three| {
        // ByteDecode12: two 12-bit numbers in three bytes, little end first.
        let low = u16::from(three[0]) | (u16::from(three[1] & 0x0f) << 8);
        let high = u16::from(three[1] >> 4) | (u16::from(three[2]) << 4);
        low < Q && high < Q
    });
    let x25519 = &rest[32..];
    reduced && x25519.iter().any(|byte| *byte != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Vec<u8> {
        // 3328 twice is the largest pair of coefficients: 0x00, 0x0d, 0xd0.
        let mut key: Vec<u8> = [0x00, 0x0d, 0xd0].repeat(384);
        key.extend([7; 64]);
        key
    }

    #[test]
    fn largest_reduced_coefficients_are_well_formed() {
        assert!(is_well_formed(&key()));
    }

    #[test]
    fn unreduced_coefficient_anywhere_is_refused() {
        for (at, value) in [(0, 0x01), (1149, 0x01), (1, 0x1d), (1150, 0x1d), (1151, 0xd1)] {
            let mut key = key();
            key[at] = value;
            assert!(!is_well_formed(&key), "byte {at}");
        }
    }

    #[test]
    fn key_of_another_length_or_with_a_zero_point_is_refused() {
        assert!(!is_well_formed(&key()[..1215]));
        assert!(!is_well_formed(&[key(), vec![0]].concat()));
        assert!(!is_well_formed(&[]));
        let mut zero = key();
        zero[1184..].fill(0);
        assert!(!is_well_formed(&zero));
    }
}
