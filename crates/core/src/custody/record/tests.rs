use super::*;

pub(in crate::custody) fn record() -> Record {
    Record {
        core: Core {
            index: 5,
            time: LogTime::from_millis(1_795_467_845_000).unwrap(),
            outcome: Outcome::Accepted,
            attempts: 1,
            intent: "a.b.c".to_owned(),
        },
        case: Place { chain: CaseId::from_bytes([2; 16]), seq: ChainSeq(0), previous: None },
        exhibit: Some(Place {
            chain: ExhibitId::from_bytes([3; 16]),
            seq: ChainSeq(1),
            previous: Some(Commitment(Sha256Digest::of(&[b"before"]))),
        }),
        salts: [Salt([1; 32]), Salt([2; 32]), Salt([3; 32])],
    }
}

#[test]
fn parts_read_back_as_they_were_written() {
    let record = record();
    assert_eq!(Core::from_bytes(&record.part_bytes(Part::Core)), Ok(record.core.clone()));
    assert_eq!(Place::from_bytes(&record.part_bytes(Part::Case)), Ok(record.case));
    assert_eq!(Place::from_bytes(&record.part_bytes(Part::Exhibit)), Ok(record.exhibit.unwrap()));
    assert_eq!(Commitment::from_entry(&record.commitment().entry()), Ok(record.commitment()));
}

#[test]
fn a_refusal_keeps_its_rule_and_its_count() {
    let core = Core { outcome: Outcome::Refused(RuleId::new("ACC-03").unwrap()), attempts: 12, ..record().core };
    assert_eq!(Core::from_bytes(&core.to_bytes()), Ok(core));
}

#[test]
fn every_change_of_a_part_or_salt_changes_the_commitment() {
    let truth = record().commitment();
    let changes: [fn(&mut Record); 8] = [
        |r| r.core.index = 6,
        |r| r.core.intent.push('d'),
        |r| r.core.time = LogTime::from_millis(1).unwrap(),
        |r| r.case.chain = CaseId::from_bytes([9; 16]),
        |r| r.exhibit = None,
        |r| r.salts[0].0[0] ^= 1,
        |r| r.salts[1].0[0] ^= 1,
        |r| r.salts[2].0[31] ^= 1,
    ];
    for change in changes {
        let mut changed = record();
        change(&mut changed);
        assert_ne!(changed.commitment(), truth, "{changed:?}");
    }
}

#[test]
fn a_part_does_not_serve_as_another() {
    let salt = Salt([0; 32]);
    assert_ne!(Part::Core.commit(&salt, b"x"), Part::Case.commit(&salt, b"x"));
    assert_ne!(Part::Case.commit(&salt, b"x"), Part::Exhibit.commit(&salt, b"x"));
}

#[test]
fn cut_lengthened_and_foreign_core_parts_are_refused() {
    let bytes = record().part_bytes(Part::Core);
    for end in 0..bytes.len() {
        assert!(Core::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Core::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
    for (at, value) in [(0, 2), (9, 0xff), (17, 2), (17, 1), (18, 1), (22, 0), (22, 2)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        assert!(Core::from_bytes(&changed).is_err(), "byte {at} as {value}");
    }
}

#[test]
fn a_place_of_another_length_or_without_its_previous_is_refused() {
    let bytes = record().part_bytes(Part::Exhibit);
    assert!(Place::<ExhibitId>::from_bytes(&bytes[..56]).is_err());
    assert!(Place::<ExhibitId>::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let mut orphan = bytes.clone();
    orphan[25..].fill(0);
    assert!(Place::<ExhibitId>::from_bytes(&orphan).is_err());
    let mut first_with_previous = bytes;
    first_with_previous[17..25].fill(0);
    assert!(Place::<ExhibitId>::from_bytes(&first_with_previous).is_err());
}

#[test]
fn an_entry_of_another_version_or_length_is_refused() {
    let entry = record().commitment().entry();
    assert!(Commitment::from_entry(&entry[..32]).is_err());
    assert!(Commitment::from_entry(&[&entry[..], &[0]].concat()).is_err());
    let mut newer = entry;
    newer[0] = 2;
    assert!(Commitment::from_entry(&newer).is_err());
}

#[test]
fn rule_ids_have_one_form() {
    for bad in ["", "acc-03", "ACC 03", "ACC-0000000000-3"] {
        assert!(RuleId::new(bad).is_err(), "{bad}");
    }
}
