//! Checks LOG-05 to LOG-07: stamped checkpoints, their time stamps, and the times of records between them.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256Digest;
use crate::finding::Finding;
use crate::log::stamp::{StampRoots, StampedBytes, UnverifiedStamp, VerifiedStamp};
use crate::log::{ConsistencyProof, NodeHash, SignedCheckpoint, VerifiedCheckpoint};
use crate::time::LogTime;

/// The folder of stamped checkpoints.
pub const FOLDER: &str = "custody/checkpoints/";

/// The files of one stamped checkpoint, by their names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StampedFiles {
    /// Whether `<size>` is there.
    pub has_note: bool,
    /// Whether `<size>.proof` is there.
    pub has_proof: bool,
    /// The numbers of its stamps.
    pub stamps: BTreeSet<u64>,
}

/// Sorts the names of the folder's files by size of checkpoint; names that have no place there are the second part.
pub fn sort<'a>(names: impl Iterator<Item = &'a str>) -> (BTreeMap<u64, StampedFiles>, Vec<String>) {
    let mut sorted: BTreeMap<u64, StampedFiles> = BTreeMap::new();
    let mut strangers = Vec::new();
    for name in names.filter_map(|name| name.strip_prefix(FOLDER)) {
        let mut parts = name.split('.');
        let size = parts.next().and_then(decimal);
        let rest: Vec<&str> = parts.collect();
        let number = rest.first().copied().and_then(decimal).filter(|number| *number > 0);
        match (size, rest.as_slice(), number) {
            (Some(size), [], _) => sorted.entry(size).or_default().has_note = true,
            (Some(size), ["proof"], _) => sorted.entry(size).or_default().has_proof = true,
            (Some(size), [_, "tsr"], Some(number)) => _ = sorted.entry(size).or_default().stamps.insert(number),
            _ => strangers.push(name.to_owned()),
        }
    }
    (sorted, strangers)
}

/// The name of a stamped checkpoint.
pub fn note(size: u64) -> String {
    format!("{FOLDER}{size}")
}

/// The name of its consistency proof.
pub fn proof(size: u64) -> String {
    format!("{FOLDER}{size}.proof")
}

/// The name of one of its stamps.
pub fn stamp(size: u64, number: u64) -> String {
    format!("{FOLDER}{size}.{number}.tsr")
}

/// A decimal number in its one spelling.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// LOG-05 for one checkpoint: its note is exactly what is stamped, the log signed it, and the final checkpoint appends to it.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn check_checkpoint(
    size: u64,
    files: &StampedFiles,
    note: &[u8],
    proof: &[u8],
    last: &VerifiedCheckpoint,
) -> Result<StampedBytes, String> {
    if !files.has_note {
        return Err("the checkpoint itself is missing".to_owned());
    }
    if !files.has_proof {
        return Err("its consistency proof is missing".to_owned());
    }
    if files.stamps.is_empty() || files.stamps.last() != Some(&(files.stamps.len() as u64)) {
        return Err("it has no stamp, or its stamps are not numbered from 1 without a gap".to_owned());
    }
    let signed = SignedCheckpoint::parse(note).and_then(|signed| signed.verify(last.log_key())).map_err(|error| error.to_string())?;
    let stamped = StampedBytes::of(&signed);
    if signed.size().get() != size || stamped.as_bytes() != note {
        return Err("it is of another size than its name says, or holds more than the log's own signature".to_owned());
    }
    let hashes = core::str::from_utf8(proof).ok().and_then(read_proof).ok_or("its consistency proof is not one hash a line")?;
    last.extends(&signed, &hashes).map_err(|error| format!("the final checkpoint does not append to it: {error}"))?;
    Ok(stamped)
}

fn read_proof(text: &str) -> Option<ConsistencyProof> {
    let lines = match text {
        "" | "\n" => Vec::new(),
        _ => text.strip_suffix('\n')?.split('\n').collect(),
    };
    let hashes = lines.into_iter().map(|line| line.parse::<Sha256Digest>().ok().map(|hash| NodeHash::from_bytes(*hash.as_bytes())));
    ConsistencyProof::from_hashes(hashes.collect::<Option<_>>()?).ok()
}

/// A genuine stamp and the size of the checkpoint on which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenuineStamp {
    /// The checkpoint's size.
    pub size: u64,
    /// The stamp's number among those of the checkpoint.
    pub number: u64,
    /// The stamp.
    pub stamp: VerifiedStamp,
}

/// LOG-06 for one stamp of a checkpoint that LOG-05 found good.
pub fn check_stamp(size: u64, number: u64, response: &[u8], stamped: &StampedBytes, roots: &StampRoots) -> (Finding, Option<GenuineStamp>) {
    let subject = format!("stamp {number} of the checkpoint of {size} records");
    match UnverifiedStamp::parse(response).and_then(|stamp| stamp.verify(stamped, roots)) {
        Ok(stamp) => {
            let when = if stamp.earliest() == stamp.latest() {
                format!("at {}", stamp.earliest())
            } else {
                format!("between {} and {}", stamp.earliest(), stamp.latest())
            };
            let text = format!("genuine: {} stamped it {when}, number {}", stamp.authority(), stamp.serial());
            (Finding::passed("LOG-06", subject, text), Some(GenuineStamp { size, number, stamp }))
        }
        Err(error) if error.counts_for_nothing() => {
            (Finding::not_checked("LOG-06", subject, format!("{error}: it counts for nothing")), None)
        }
        Err(error) => (Finding::failed("LOG-06", subject, error.to_string()), None),
    }
}

/// What the verifier's trust file asks of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeDemand {
    /// Whether a time that is only stated keeps a dossier from PASSED.
    pub is_demanded: bool,
    /// How far apart the stamps around a record may be, in milliseconds.
    pub window_millis: Option<u64>,
}

/// Whether stamps bear a record's time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeIs {
    /// It lies between two stamps, close enough together.
    Proven,
    /// The log states it; stamps do not bound it on both sides, or not closely enough.
    Stated,
    /// A stamp shows that it is wrong.
    Contradicted,
}

/// A record's time and the stamps around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTime<'a> {
    /// What the stamps make of it.
    pub is: TimeIs,
    /// The latest stamp of a checkpoint without the record.
    pub after: Option<&'a GenuineStamp>,
    /// The earliest stamp of a checkpoint with it.
    pub before: Option<&'a GenuineStamp>,
}

/// The genuine stamps of a dossier, to be asked about any record.
#[derive(Debug, Default)]
pub struct StampTimes {
    stamps: Vec<GenuineStamp>,
    /// For each number of stamps from the front, the one that is latest by its earliest time.
    latest_of_first: Vec<usize>,
    /// For each stamp, the one from there on that is earliest by its latest time.
    earliest_from: Vec<usize>,
}

impl StampTimes {
    /// Takes the stamps, in any order.
    pub fn new(mut stamps: Vec<GenuineStamp>) -> Self {
        stamps.sort_by_key(|one| (one.size, one.number));
        let mut latest_of_first: Vec<usize> = Vec::with_capacity(stamps.len());
        for (at, one) in stamps.iter().enumerate() {
            let best = latest_of_first.last().copied().filter(|best| stamps[*best].stamp.earliest() >= one.stamp.earliest());
            latest_of_first.push(best.unwrap_or(at));
        }
        let mut earliest_from = vec![0; stamps.len()];
        for (at, one) in stamps.iter().enumerate().rev() {
            let best = earliest_from.get(at + 1).copied().filter(|best| stamps[*best].stamp.latest() < one.stamp.latest());
            earliest_from[at] = best.unwrap_or(at);
        }
        Self { stamps, latest_of_first, earliest_from }
    }

    /// The stamps, by size and number.
    pub fn stamps(&self) -> &[GenuineStamp] {
        &self.stamps
    }

    /// What the stamps make of the time of the record at `index`.
    pub fn around(&self, index: u64, time: LogTime, window_millis: Option<u64>) -> BoundTime<'_> {
        let without = self.stamps.partition_point(|one| one.size <= index);
        let after = without.checked_sub(1).map(|last| &self.stamps[self.latest_of_first[last]]);
        let before = self.earliest_from.get(without).map(|best| &self.stamps[*best]);
        let contradicts = after.is_some_and(|one| time < one.stamp.earliest()) || before.is_some_and(|one| time > one.stamp.latest());
        let is_close = |(after, before): (&GenuineStamp, &GenuineStamp)| {
            let apart = before.stamp.latest().millis().saturating_sub(after.stamp.earliest().millis());
            window_millis.is_none_or(|window| apart <= window)
        };
        let is = match after.zip(before) {
            _ if contradicts => TimeIs::Contradicted,
            Some(both) if is_close(both) => TimeIs::Proven,
            _ => TimeIs::Stated,
        };
        BoundTime { is, after, before }
    }

    /// LOG-07 for the `all` records of one exhibit's chain, of which `records` gives index and time where they could be read.
    pub fn check(&self, records: &[(u64, LogTime)], all: usize, demand: TimeDemand) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut stated = all.saturating_sub(records.len());
        for &(index, time) in records {
            let bound = self.around(index, time, demand.window_millis);
            match bound.is {
                TimeIs::Proven => {}
                TimeIs::Stated => stated += 1,
                TimeIs::Contradicted => {
                    let said = bound.contradiction(time);
                    findings.push(Finding::failed("LOG-07", format!("record {index}"), said));
                }
            }
        }
        if findings.is_empty() {
            findings.push(if stated == 0 && all > 0 {
                Finding::passed("LOG-07", format!("{all} records"), "the time of each lies between two time stamps")
            } else {
                let text = "their times are the log's own statement: no genuine stamps stand on both sides, close enough together";
                Finding::not_checked("LOG-07", format!("{stated} of {all} records"), text)
            });
        }
        findings
    }
}

impl BoundTime<'_> {
    fn contradiction(&self, time: LogTime) -> String {
        match (self.after, self.before) {
            (Some(one), _) if time < one.stamp.earliest() => format!(
                "the log says {time}, and {} had stamped a checkpoint without it at {} already",
                one.stamp.authority(),
                one.stamp.earliest()
            ),
            (_, Some(one)) => {
                format!("the log says {time}, and {} stamped a checkpoint with it at {} already", one.stamp.authority(), one.stamp.latest())
            }
            _ => format!("the log says {time}, which no stamp contradicts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Failed, NotChecked, Passed};

    fn time(seconds: u64) -> LogTime {
        LogTime::from_millis(seconds * 1000).unwrap()
    }

    fn times(stamps: &[(u64, u64, u64)]) -> StampTimes {
        let stamp = |&(size, earliest, latest): &(u64, u64, u64)| GenuineStamp {
            size,
            number: 1,
            stamp: VerifiedStamp::for_test("CN=Stamps", time(earliest), time(latest)),
        };
        StampTimes::new(stamps.iter().map(stamp).collect())
    }

    #[test]
    fn files_are_sorted_by_size_and_names_in_another_spelling_have_no_place() {
        let names =
            ["5", "5.proof", "5.1.tsr", "5.2.tsr", "0", "7.1.tsr", "05", "5.01.tsr", "5.0.tsr", "5.tsr", "+5", "5.1.tsr.bak", "5.Proof"];
        let names: Vec<String> = names.iter().map(|name| format!("{FOLDER}{name}")).chain(["custody/checkpoint".to_owned()]).collect();
        let (sorted, strangers) = sort(names.iter().map(String::as_str));
        assert_eq!(sorted.keys().collect::<Vec<_>>(), [&0, &5, &7]);
        assert_eq!(sorted[&5], StampedFiles { has_note: true, has_proof: true, stamps: BTreeSet::from([1, 2]) });
        assert_eq!(strangers, ["05", "5.01.tsr", "5.0.tsr", "5.tsr", "+5", "5.1.tsr.bak", "5.Proof"]);
    }

    #[test]
    fn a_time_is_proven_between_two_stamps_and_contradicted_outside_them() {
        // Stamps on the trees of 2, 5 and 9 records, at 100, 200 and 300 seconds, each give or take 1.
        let times = times(&[(9, 299, 301), (2, 99, 101), (5, 199, 201)]);
        let is = |index, seconds| times.around(index, time(seconds), None).is;
        assert_eq!([is(0, 50), is(1, 101)], [TimeIs::Stated; 2]);
        assert_eq!([is(2, 99), is(2, 150), is(4, 201), is(5, 199), is(8, 301)], [TimeIs::Proven; 5]);
        assert_eq!([is(1, 102), is(2, 98), is(4, 202), is(5, 198), is(8, 302), is(9, 298)], [TimeIs::Contradicted; 6]);
        assert_eq!([is(9, 299), is(9, 9_999)], [TimeIs::Stated; 2]);
        let around = times.around(5, time(250), None);
        assert_eq!((around.after.unwrap().size, around.before.unwrap().size), (5, 9));
        // The window counts from the earliest of the one to the latest of the other: 199 to 301.
        assert_eq!(times.around(5, time(250), Some(102_000)).is, TimeIs::Proven);
        assert_eq!(times.around(5, time(250), Some(101_999)).is, TimeIs::Stated);
    }

    #[test]
    fn the_closest_stamp_counts_even_if_a_checkpoint_was_stamped_late() {
        // The smaller checkpoint was stamped once more after the larger.
        let times = times(&[(2, 100, 100), (5, 200, 200), (5, 150, 150), (2, 140, 140)]);
        let around = times.around(3, time(145), None);
        assert_eq!((around.after.unwrap().stamp.earliest(), around.before.unwrap().stamp.latest()), (time(140), time(150)));
        assert_eq!(around.is, TimeIs::Proven);
    }

    #[test]
    fn findings_name_each_contradiction_or_say_once_what_is_only_stated() {
        let stamps = times(&[(2, 100, 100), (5, 200, 200)]);
        let check = |records: &[(u64, u64)]| {
            let records: Vec<_> = records.iter().map(|&(index, seconds)| (index, time(seconds))).collect();
            stamps
                .check(&records, records.len(), TimeDemand::default())
                .into_iter()
                .map(|one| (one.status, one.subject))
                .collect::<Vec<_>>()
        };
        assert_eq!(check(&[(2, 110), (4, 190)]), [(Passed, "2 records".to_owned())]);
        assert_eq!(check(&[(0, 1), (4, 190), (6, 300)]), [(NotChecked, "2 of 3 records".to_owned())]);
        assert_eq!(check(&[(0, 101), (2, 99), (4, 201)]).iter().filter(|(status, _)| *status == Failed).count(), 3);
    }
}
