//! Segments, keys and reasons: what a storage, a server or a member might try with whole objects.

use super::super::cobblestone::{CHUNK_LEN, HEADER_LEN};
use super::super::file_digest::{FileDigester, FileDigests, PiecesDigester, TREE_LEAF_LEN, WholeDigester};
use super::super::keys::{ExhibitKey, ExhibitKeyCommitment, GroupShare, ReleaseShare, ReleaseShareCommitment};
use super::super::padding::{MIN_PADDED_LEN, padme};
use super::super::segment::{MAX_SEGMENT_OBJECT_LEN, MAX_STREAM_LEN, ObjectListDigest, SEGMENT_LEN, Segment, SegmentPlan};
use super::super::{ExhibitError, Part};
use super::{Aes, EXHIBIT, OTHER_EXHIBIT, exhibit_key, outcome, salt, secret, stream};
use crate::digest::{Blake3Digest, Sha256Digest};

const SEGMENT: usize = 8 * 1024 * 1024;

struct Sealed {
    plan: SegmentPlan,
    content: Vec<u8>,
    objects: Vec<(Blake3Digest, Vec<u8>)>,
}

fn sealed(len: usize) -> Sealed {
    let plan = SegmentPlan::new(len as u64).unwrap();
    let mut content = stream(len);
    content.resize(usize::try_from(plan.padded_len()).unwrap(), 0);
    let objects = plan
        .segments()
        .zip(content.chunks(SEGMENT))
        .map(|(index, padded)| {
            let mut object = Vec::new();
            let segment = Segment::new(EXHIBIT, &plan, index).unwrap();
            let name = segment.seal::<Aes>(&exhibit_key(), &salt(index.get().to_le_bytes()[0]), padded, &mut object).unwrap();
            assert_eq!(object.len() as u64, plan.object_len(index));
            assert_eq!(name, Blake3Digest::of(&object));
            (name, object)
        })
        .collect();
    Sealed { plan, content, objects }
}

impl Sealed {
    fn open(&self, place: u64, object: usize) -> Result<Vec<u8>, ExhibitError> {
        let (name, bytes) = &self.objects[object];
        let segment = Segment::new(EXHIBIT, &self.plan, self.plan.segment(place).unwrap()).unwrap();
        segment.open::<Aes>(&exhibit_key(), name, bytes, &mut Vec::new()).map(<[u8]>::to_vec)
    }
}

#[test]
fn swapped_repeated_or_foreign_segments_are_refused() {
    let sealed = sealed(2 * SEGMENT + 10);
    let whole: Vec<u8> = (0..3).flat_map(|i| sealed.open(i, usize::try_from(i).unwrap()).unwrap()).collect();
    assert!(whole == sealed.content[..2 * SEGMENT + 10]);
    for (place, object, expected) in [
        (0, 1, "wrong key or context of segment"),
        (1, 0, "wrong key or context of segment"),
        (2, 1, "malformed segment"),
        (1, 2, "malformed segment"),
    ] {
        assert_eq!(outcome(&sealed.open(place, object)), expected, "object {object} at place {place}");
    }
    let (name, bytes) = &sealed.objects[0];
    let foreign = Segment::new(OTHER_EXHIBIT, &sealed.plan, sealed.plan.segment(0).unwrap()).unwrap();
    let opened = foreign.open::<Aes>(&exhibit_key(), name, bytes, &mut Vec::new()).map(<[u8]>::to_vec);
    assert_eq!(opened, Err(ExhibitError::WrongKeyOrContext { part: Part::Segment }));
    // An exhibit that ends after segment 0 would have another last flag there.
    let shorter = SegmentPlan::new(SEGMENT_LEN).unwrap();
    let last = Segment::new(EXHIBIT, &shorter, shorter.segment(0).unwrap()).unwrap();
    let opened = last.open::<Aes>(&exhibit_key(), name, bytes, &mut Vec::new()).map(<[u8]>::to_vec);
    assert_eq!(opened, Err(ExhibitError::WrongKeyOrContext { part: Part::Segment }));
}

#[test]
fn range_of_a_segment_opens_without_the_rest_and_only_under_its_place() {
    let sealed = sealed(SEGMENT + 300_000);
    let (_, object) = &sealed.objects[1];
    let segment = Segment::new(EXHIBIT, &sealed.plan, sealed.plan.segment(1).unwrap()).unwrap();
    let opener = segment.open_ranges::<Aes>(&exhibit_key(), object.first_chunk().unwrap(), object.len() as u64).unwrap();
    let (index, range) = sealed.plan.segments_for(SEGMENT_LEN + 20_000..SEGMENT_LEN + 40_000).unwrap().next().unwrap();
    assert_eq!((index.get(), range.clone()), (1, 20_000..40_000));
    let chunks = opener.chunks_for(&range).unwrap();
    assert_eq!(chunks, 1..3);
    let span = opener.span_of(&chunks).unwrap();
    let mut out = Vec::new();
    opener.open_chunks(chunks, &object[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()], &mut out).unwrap();
    assert!(out[20_000 - CHUNK_LEN..][..20_000] == sealed.content[SEGMENT + 20_000..][..20_000]);
    let cut = segment.open_ranges::<Aes>(&exhibit_key(), object.first_chunk().unwrap(), object.len() as u64 - 1);
    assert_eq!(outcome(&cut.map(drop)), "malformed segment");
    let first = Segment::new(EXHIBIT, &sealed.plan, sealed.plan.segment(0).unwrap()).unwrap();
    let moved = first.open_ranges::<Aes>(&exhibit_key(), object.first_chunk::<HEADER_LEN>().unwrap(), MAX_SEGMENT_OBJECT_LEN);
    assert_eq!(outcome(&moved.map(drop)), "wrong key or context of segment");
}

#[test]
fn ranges_over_several_segments_are_cut_at_their_borders() {
    let plan = SegmentPlan::new(3 * SEGMENT_LEN).unwrap();
    let parts = |range| plan.segments_for(range).unwrap().map(|(i, r)| (i.get(), r)).collect::<Vec<_>>();
    assert_eq!(parts(SEGMENT_LEN - 1..2 * SEGMENT_LEN + 1), [(0, SEGMENT_LEN - 1..SEGMENT_LEN), (1, 0..SEGMENT_LEN), (2, 0..1)]);
    assert_eq!(parts(SEGMENT_LEN..2 * SEGMENT_LEN), [(1, 0..SEGMENT_LEN)]);
    assert_eq!(parts(5..5), []);
    assert!(plan.segments_for(0..3 * SEGMENT_LEN + 1).is_err());
}

#[test]
fn sealing_refuses_a_buffer_of_another_length_or_with_dirty_padding() {
    let plan = SegmentPlan::new(5000).unwrap();
    let segment = Segment::new(EXHIBIT, &plan, plan.segment(0).unwrap()).unwrap();
    let mut padded = stream(5000);
    padded.resize(5120, 0);
    let seal = |bytes: &[u8]| outcome(&segment.seal::<Aes>(&exhibit_key(), &salt(0), bytes, &mut Vec::new()));
    assert_eq!(seal(&padded), "ok");
    assert_eq!(seal(&padded[..5119]), "misuse of segment");
    padded[5119] = 1;
    assert_eq!(seal(&padded), "misuse of segment");
    assert!(Segment::new(EXHIBIT, &plan, SegmentPlan::new(SEGMENT_LEN * 2).unwrap().segment(1).unwrap()).is_err());
}

#[test]
fn padded_lengths_cost_little_grow_steadily_and_are_stable() {
    let mut before = 0;
    for len in (0..200_000_u64).step_by(97).chain((17..=44).flat_map(|e| [(1 << e) - 1, 1 << e, (1 << e) + 1])) {
        let padded = padme(len);
        assert!(padded >= len.max(MIN_PADDED_LEN) && padded == padme(padded), "{len}");
        assert!(len < MIN_PADDED_LEN || (padded - len) * 16 <= len, "{len}");
        if len >= before {
            assert!(padded >= padme(before));
            before = len;
        }
    }
    assert_eq!(padme(MAX_STREAM_LEN), MAX_STREAM_LEN);
    assert!(SegmentPlan::new(MAX_STREAM_LEN + 1).is_err());
    assert_eq!(SegmentPlan::new(MAX_STREAM_LEN).unwrap().segment_count(), 1 << 21);
    assert_eq!(MAX_SEGMENT_OBJECT_LEN, 8_396_872);
}

#[test]
fn empty_stream_is_one_segment_of_zeros() {
    let plan = SegmentPlan::new(0).unwrap();
    let index = plan.segment(0).unwrap();
    assert_eq!((plan.segment_count(), plan.segment_len(index), plan.content_len(index)), (1, 4096, 0));
    assert!(plan.is_last(index) && plan.segment(1).is_none());
}

#[test]
fn exhibit_key_needs_both_shares_and_the_exhibit() {
    let share = |byte| (GroupShare::from_secret(secret(byte)), ReleaseShare::from_secret(secret(byte)));
    let ((group, release), (other_group, other_release)) = (share(1), share(2));
    let key = ExhibitKey::derive(&group, &release, EXHIBIT);
    let commitment = ExhibitKeyCommitment::of(EXHIBIT, &key);
    commitment.check(EXHIBIT, &key).unwrap();
    for wrong in [
        ExhibitKey::derive(&other_group, &release, EXHIBIT),
        ExhibitKey::derive(&group, &other_release, EXHIBIT),
        ExhibitKey::derive(&group, &release, OTHER_EXHIBIT),
    ] {
        assert_eq!(commitment.check(EXHIBIT, &wrong), Err(ExhibitError::NotCommitted { part: Part::ExhibitKey }));
    }
    assert!(commitment.check(OTHER_EXHIBIT, &key).is_err());
    let to_share = ReleaseShareCommitment::of(EXHIBIT, &release);
    to_share.check(EXHIBIT, &release).unwrap();
    assert_eq!(to_share.check(EXHIBIT, &other_release), Err(ExhibitError::NotCommitted { part: Part::ReleaseShare }));
    assert_ne!(to_share.digest(), commitment.digest());
}

#[test]
fn secrets_and_texts_do_not_show_in_debug_output() {
    let shown = format!("{:?} {:?}", exhibit_key(), GroupShare::from_secret(secret(0x41)));
    assert_eq!(shown, "ExhibitKey(Secret32(…)) GroupShare(Secret32(…))");
    let title = super::super::text::Line::<64>::new("canary").unwrap();
    assert!(!format!("{title:?}").contains("canary"));
}

#[test]
fn object_list_digest_tells_order_count_and_names() {
    let [a, b] = [1, 2].map(|byte| Blake3Digest::of(&[byte]));
    let lists = [ObjectListDigest::of(&[]), ObjectListDigest::of(&[a]), ObjectListDigest::of(&[a, b]), ObjectListDigest::of(&[b, a])];
    for (i, one) in lists.iter().enumerate() {
        assert!(lists[i + 1..].iter().all(|other| other != one));
    }
    let by_hand = [b"custodia/object-list/v1".as_slice(), &[0, 0, 0, 0, 0, 0, 0, 2], a.as_bytes(), b.as_bytes()];
    assert_eq!(*lists[2].digest(), Sha256Digest::of(&by_hand));
}

/// RFC 6962 §2.1 as it is written there: split at the largest power of two below the number of leaves.
fn tree_by_definition(leaves: &[&[u8]]) -> Sha256Digest {
    match leaves {
        [] => Sha256Digest::of(&[]),
        [leaf] => Sha256Digest::of(&[&[0], leaf]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256Digest::of(&[&[1], tree_by_definition(left).as_bytes(), tree_by_definition(right).as_bytes()])
        }
    }
}

#[test]
fn file_digests_do_not_depend_on_how_the_file_is_cut() {
    for len in [0, 1, TREE_LEAF_LEN - 1, TREE_LEAF_LEN, TREE_LEAF_LEN + 1, 3 * TREE_LEAF_LEN, 5 * TREE_LEAF_LEN + 9] {
        let file = stream(len);
        let leaves: Vec<_> = file.chunks(TREE_LEAF_LEN).collect();
        let digests = FileDigests::of(&file);
        assert_eq!((digests.size, digests.sha256), (len as u64, Sha256Digest::of(&[&file])));
        assert_eq!((digests.blake3, digests.tree), (Blake3Digest::of(&file), tree_by_definition(&leaves)));
        let mut pieces = FileDigester::new();
        file.chunks(100_003).for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.finish(), digests);
        let (mut whole, mut others) = (WholeDigester::default(), PiecesDigester::default());
        file.chunks(77_777).for_each(|piece| whole.update(piece));
        file.chunks(100_003).for_each(|piece| others.update(piece));
        assert_eq!(FileDigests::of_halves(whole, others), digests);
    }
}
