//! Every parser of bytes that others send, over good inputs and fixed mutations of them; `fuzz/` does the same with a fuzzer's feedback.

#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::Path;

use targets::Target;

/// How many mutations each target gets.
const MUTATIONS: usize = 4_000;
/// Fewer where one attempt costs milliseconds.
const FEW: usize = 200;
/// Where it does.
const SLOW: &[&str] = &["dossier", "archive", "key_package", "group_info"];
/// Every bit of inputs up to this long is flipped once.
const SHORT: usize = 128;

/// Pseudo-random numbers (splitmix64): the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }
}

/// Values at which lengths and numbers go wrong.
const BORDERS: &[&[u8]] = &[
    &[0],
    &[0xff],
    &[0, 0, 0, 0],
    &[0xff; 4],
    &[0xff; 8],
    &[0x7f, 0xff, 0xff, 0xff],
    b"-1",
    b"18446744073709551616",
    b"\n\n",
    b"\0",
    b"\"",
    b"[[[[",
];

/// Changes an input once to four times: a bit, a byte, a cut, a repetition, a border value, a space, a splice with
/// another input.
fn mutated(input: &[u8], others: &[&Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        match numbers.below(8) {
            _ if bytes.is_empty() => bytes.push(0),
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = u8::try_from(numbers.below(256)).unwrap_or_default(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + 1 + numbers.below(8)).min(bytes.len()))),
            4 => {
                let piece = bytes[at..(at + 1 + numbers.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let border = BORDERS[numbers.below(BORDERS.len())];
                let end = (at + numbers.below(border.len() + 1)).min(bytes.len());
                bytes.splice(at..end, border.iter().copied());
            }
            6 => {
                // What readers of JSON and TOML pass over.
                let gaps: Vec<usize> = (0..bytes.len()).filter(|&at| b",:{[=\n".contains(&bytes[at])).collect();
                if !gaps.is_empty() {
                    bytes.insert(gaps[numbers.below(gaps.len())] + 1, b' ');
                }
            }
            _ => {
                let other = others[numbers.below(others.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[numbers.below(other.len())..]);
            }
        }
    }
    bytes
}

fn pieces() -> BTreeSet<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    seeds::all(&root.join("tests/vectors"), &root.join("fuzz"))
}

/// What broke a promise of a target.
struct Broken(Vec<u8>);

/// Feeds a target; says whether it accepted the input.
fn feed(target: &Target, input: &[u8]) -> Result<bool, Broken> {
    catch_unwind(|| (target.feed)(input)).map_err(|_| Broken(input.to_vec()))
}

/// Tries a target on good inputs, then on what comes of them.
fn try_out(target: &Target, pieces: &BTreeSet<Vec<u8>>, mut numbers: Numbers) -> Result<(), Broken> {
    let mut accepted = Vec::new();
    for piece in pieces {
        if feed(target, piece)? {
            accepted.push(piece);
        }
    }
    assert!(!accepted.is_empty(), "{} accepts no good input", target.name);
    for input in accepted.iter().filter(|input| input.len() <= SHORT).take(8) {
        for bit in 0..input.len() * 8 {
            let mut flipped = (*input).clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            feed(target, &flipped)?;
            feed(target, &input[..bit / 8])?;
        }
    }
    let attempts = if SLOW.contains(&target.name) { FEW } else { MUTATIONS };
    for attempt in 0..attempts {
        feed(target, &mutated(accepted[attempt % accepted.len()], &accepted, &mut numbers))?;
    }
    Ok(())
}

/// Tries every target whose place is `share` modulo `shares`.
fn run(share: usize, shares: usize) {
    let pieces = pieces();
    let mut broken = Vec::new();
    for (place, target) in targets::ALL.iter().enumerate().filter(|(place, _)| place % shares == share) {
        if let Err(Broken(input)) = try_out(target, &pieces, Numbers(place as u64)) {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broke-{}", target.name));
            std::fs::write(&kept, input).expect("the folder of tests can be written");
            broken.push(format!("{}: {}", target.name, kept.display()));
        }
    }
    assert!(broken.is_empty(), "promises were broken; mend them and keep these inputs in fuzz/regressions:\n{}", broken.join("\n"));
}

#[test]
fn no_parser_breaks_its_promises_over_mutations_of_good_inputs_first_half() {
    run(0, 2);
}

#[test]
fn no_parser_breaks_its_promises_over_mutations_of_good_inputs_second_half() {
    run(1, 2);
}

#[test]
fn every_target_can_be_run_by_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path().file_stem().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, targets::ALL.iter().map(|target| target.name.to_owned()).collect());
}
