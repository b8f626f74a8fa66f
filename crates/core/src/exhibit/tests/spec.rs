//! The specification's worked example has real bytes, and its labels and rules are those of the code.

use super::super::ManifestRule;
use super::super::keys::{ExhibitKeyCommitment, GroupShare, ReleaseShare, ReleaseShareCommitment, RingKey, RingVersion};
use super::super::segment::{ObjectListDigest, Segment, SegmentPlan};
use super::super::wrap::{GroupShareWrap, wrap};
use super::{Aes, CASE, EXHIBIT, exhibit_key, salt, secret, stream};

const SPEC: &str = include_str!("../../../../../docs/spec/exhibit.md");

#[test]
fn worked_example_of_the_specification_has_real_bytes() {
    let plan = SegmentPlan::new(5000).unwrap();
    let segment = Segment::new(EXHIBIT, &plan, plan.segment(0).unwrap()).unwrap();
    let mut padded = stream(5000);
    padded.resize(5120, 0);
    let mut object = Vec::new();
    let name = segment.seal::<Aes>(&exhibit_key(), &salt(0x5a), &padded, &mut object).unwrap();
    let ring = RingKey::from_secret(secret(3));
    let place = GroupShareWrap { case: CASE, version: RingVersion(7), exhibit: EXHIBIT };
    let wrapped = wrap::<Aes, _>(&place, &ring, &GroupShare::from_secret(secret(1)), &salt(1)).unwrap();
    let release = ReleaseShare::from_secret(secret(2));
    for line in [
        format!("exhibit key             {}", hex::encode(exhibit_key().expose())),
        format!("its commitment          {}", ExhibitKeyCommitment::of(EXHIBIT, &exhibit_key()).digest()),
        format!("release share, comm.    {}", ReleaseShareCommitment::of(EXHIBIT, &release).digest()),
        format!("segment 0, context      {}", hex::encode(segment.context())),
        format!("segment 0, bytes 0-55   {}", hex::encode(&object[..56])),
        format!("segment 0, name         {name}"),
        format!("object list, digest     {}", ObjectListDigest::of(&[name]).digest()),
        format!("group share, wrapped    {}", hex::encode(wrapped.as_bytes())),
        format!("object of {} bytes", object.len()),
    ] {
        assert!(SPEC.contains(&line), "{line}");
    }
}

#[test]
fn no_label_of_the_specification_begins_another_and_every_rule_is_named() {
    let mut labels: Vec<&str> = SPEC.split('"').filter(|text| text.starts_with("custodia/")).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 11);
    assert!(labels.windows(2).all(|pair| !pair[1].starts_with(pair[0])));
    for rule in ManifestRule::ALL {
        assert!(SPEC.contains(&format!("`{rule:?}`")), "{rule:?}");
    }
}
