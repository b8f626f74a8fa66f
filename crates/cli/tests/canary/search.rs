//! Looks for planted texts and keys in bytes: as they are, in UTF-16, in hexadecimal digits, in Base64 of any alignment, and in one within the other.

/// Base64 within Base64 within hexadecimal: a certificate's text in an intent in an answer.
const DEPTH: usize = 3;
/// Shorter runs of digits hold nothing that is looked for.
const RUN: usize = 16;

/// What is looked for, by the name under which it is reported.
#[derive(Debug, Clone)]
pub struct Needle {
    pub name: String,
    bytes: Vec<u8>,
}

/// Needles, ready for searching.
pub struct Needles {
    needles: Vec<Needle>,
    /// Whether some needle begins with these two bytes.
    begins: Vec<bool>,
}

impl Needle {
    pub fn key(name: impl Into<String>, bytes: &[u8]) -> Self {
        assert!(bytes.len() >= RUN, "too short to be found by design alone");
        Self { name: name.into(), bytes: bytes.to_vec() }
    }

    /// A text, once as it is and once as UTF-16.
    pub fn text(text: &str) -> [Self; 2] {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [Self::key(text, text.as_bytes()), Self::key(format!("{text} as UTF-16"), &wide)]
    }
}

impl Needles {
    pub fn new(needles: Vec<Needle>) -> Self {
        let mut begins = vec![false; 1 << 16];
        for needle in &needles {
            begins[usize::from(u16::from_be_bytes([needle.bytes[0], needle.bytes[1]]))] = true;
        }
        Self { needles, begins }
    }

    pub fn len(&self) -> usize {
        self.needles.len()
    }

    /// The names of what is found, each once.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        self.search(bytes, DEPTH, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn search(&self, bytes: &[u8], depth: usize, found: &mut Vec<String>) {
        let mut run = 0;
        for at in 0..bytes.len() {
            if at + 1 < bytes.len() && self.begins[usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])] {
                let here = self.needles.iter().filter(|needle| bytes[at..].starts_with(&needle.bytes));
                found.extend(here.map(|needle| needle.name.clone()));
            }
            if digit(bytes[at]).is_some() {
                run += 1;
                if at + 1 < bytes.len() {
                    continue;
                }
            }
            let end = if digit(bytes[at]).is_some() { at + 1 } else { at };
            if run >= RUN && depth > 0 {
                self.decoded(&bytes[end - run..end], depth - 1, found);
            }
            run = 0;
        }
    }

    /// Reads a run of digits in every way in which it may have been written.
    fn decoded(&self, run: &[u8], depth: usize, found: &mut Vec<String>) {
        for start in 0..4.min(run.len()) {
            self.search(&base64(&run[start..]), depth, found);
        }
        for start in 0..2.min(run.len()) {
            for piece in run[start..].split(|byte| !byte.is_ascii_hexdigit()).filter(|piece| piece.len() >= 2 * RUN) {
                self.search(&hexadecimal(piece), depth, found);
                self.search(&hexadecimal(&piece[1..]), depth, found);
            }
        }
    }
}

/// The value of a digit of Base64, in either alphabet.
fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

fn base64(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let mut group = 0;
    for (at, value) in digits.iter().filter_map(|byte| digit(*byte)).enumerate() {
        group = group << 6 | value;
        if at % 4 == 3 {
            bytes.extend_from_slice(&u32::to_be_bytes(group)[1..]);
            group = 0;
        }
    }
    match digits.len() % 4 {
        2 => bytes.extend_from_slice(&u32::to_be_bytes(group << 12)[1..2]),
        3 => bytes.extend_from_slice(&u32::to_be_bytes(group << 6)[1..3]),
        _ => {}
    }
    bytes
}

fn hexadecimal(digits: &[u8]) -> Vec<u8> {
    let value = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default();
    digits.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

#[test]
fn a_planted_text_or_key_is_found_however_it_was_written() {
    use core::fmt::Write as _;
    let key: Vec<u8> = (0..32).map(|at| 200 - 3 * at).collect();
    let mut needles = Needle::text("canary-control-text").to_vec();
    needles.push(Needle::key("key", &key));
    let needles = Needles::new(needles);
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let encode = |bytes: &[u8]| {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bytes.chunks(3).fold(Vec::new(), |mut text, chunk| {
            let group = chunk.iter().fold(0, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            text.extend((0..=chunk.len()).map(|at| ALPHABET[usize::try_from(group >> (18 - 6 * at) & 63).unwrap()]));
            text
        })
    };
    for (name, secret) in [("canary-control-text", &b"canary-control-text"[..]), ("key", &key)] {
        for before in 0..4 {
            let plain = [&b"xyz!"[..before], secret, b"!end"].concat();
            let digits = hex(&plain);
            for written in [plain.clone(), digits.to_uppercase().into(), encode(&plain), encode(&encode(&plain)), encode(digits.as_bytes())]
            {
                assert_eq!(needles.found_in(&[&b"{\""[..], &written, b"\"}"].concat()), [name], "{before}");
                assert_eq!(needles.found_in(&written), [name], "{before}");
            }
        }
        assert!(needles.found_in(&secret[1..]).is_empty());
    }
    let wide: Vec<u8> = "a canary-control-text".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(needles.found_in(&wide), ["canary-control-text as UTF-16"]);
}
