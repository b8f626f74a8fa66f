use std::path::Path;

use custodia_core::secret::Secret32;
use tempfile::TempDir;

use super::super::scan::scan;
use super::*;

const EXHIBIT: ExhibitId = ExhibitId::from_bytes([7; 16]);

fn job(folder: &Path) -> Job {
    let files = scan(&[folder.to_owned()]).unwrap();
    let plan = SegmentPlan::new(files.iter().map(|file| file.size).sum()).unwrap();
    let key = ExhibitKey::from_secret(Secret32::from_bytes([3; 32]));
    Job { exhibit: EXHIBIT, key, plan, files, journal: HashMap::new(), stored: HashSet::new() }
}

fn folder() -> TempDir {
    let temp = TempDir::new().unwrap();
    // Three files over two segments; the second file lies across the border.
    for (name, size, seed) in [("a", 5_000_000, 1_u8), ("b", 4_000_000, 2), ("c", 0, 3)] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8 ^ seed).collect();
        std::fs::write(temp.path().join(name), bytes).unwrap();
    }
    temp
}

async fn run(job: Job) -> (Vec<Result<SealedSegment, PipelineError>>, Result<Vec<FileDigests>, IntakeError>) {
    let mut running = start(job);
    let mut all = Vec::new();
    while let Some(segment) = running.segments.recv().await {
        all.push(segment);
    }
    (all, running.digests.await.unwrap())
}

async fn sealed(job: Job) -> Vec<SealedSegment> {
    run(job).await.0.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn sealed_segments_open_to_the_files_laid_end_to_end() {
    let temp = folder();
    let job = job(temp.path());
    let (plan, key) = (job.plan, job.key.clone());
    let (segments, digests) = run(job).await;
    assert_eq!(segments.len(), 2);
    let mut stream = Vec::new();
    for (index, segment) in plan.segments().zip(segments) {
        let segment = segment.unwrap();
        let mut out = Vec::new();
        let place = Segment::new(EXHIBIT, &plan, index).unwrap();
        stream.extend_from_slice(place.open::<AwsLcCipher>(&key, &segment.row.object, &segment.object.unwrap(), &mut out).unwrap());
    }
    let whole: Vec<u8> = ["a", "b", "c"].iter().flat_map(|name| std::fs::read(temp.path().join(name)).unwrap()).collect();
    assert!(stream == whole);
    let digests = digests.unwrap();
    assert_eq!(digests[1], FileDigests::of(&std::fs::read(temp.path().join("b")).unwrap()));
    assert_eq!(digests[2], FileDigests::of(b""));
}

#[tokio::test]
async fn a_resumed_intake_makes_the_same_objects_and_skips_what_is_stored() {
    let temp = folder();
    let first = sealed(job(temp.path())).await;
    let mut again = job(temp.path());
    again.journal = first.iter().map(|segment| (segment.row.number, segment.row)).collect();
    again.stored = [first[0].row.object].into();
    let second = sealed(again).await;
    assert!(second[0].object.is_none() && second[0].journalled);
    assert_eq!(second[1].object, first[1].object);
    assert_eq!(second.iter().map(|s| s.row).collect::<Vec<_>>(), first.iter().map(|s| s.row).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_resumed_intake_of_other_bytes_ends_before_it_seals_them() {
    let temp = folder();
    let first = sealed(job(temp.path())).await;
    let path = temp.path().join("b");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut again = job(temp.path());
    again.journal = first.iter().map(|segment| (segment.row.number, segment.row)).collect();
    let (segments, _) = run(again).await;
    assert!(segments[0].is_ok());
    assert!(matches!(&segments[1], Err(PipelineError::Intake(IntakeError::OtherFiles(_)))));
}

#[tokio::test]
async fn a_fresh_intake_of_the_same_files_makes_other_objects() {
    let temp = folder();
    let (one, other) = (sealed(job(temp.path())).await, sealed(job(temp.path())).await);
    assert_ne!(one[0].row.object, other[0].row.object);
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_looked_at_ends_the_intake() {
    let temp = folder();
    for (bytes, what) in [(vec![0; 10], "shorter"), (vec![0; 6_000_000], "longer")] {
        let job = job(temp.path());
        std::fs::write(temp.path().join("a"), bytes).unwrap();
        let (_, digests) = run(job).await;
        assert!(matches!(digests, Err(IntakeError::Changed { .. })), "{what}");
    }
    let job = job(temp.path());
    std::fs::remove_file(temp.path().join("b")).unwrap();
    assert!(matches!(run(job).await.1, Err(IntakeError::Unreadable { .. })));
}

#[tokio::test]
async fn an_exhibit_of_nothing_but_empty_files_still_has_a_segment() {
    let temp = TempDir::new().unwrap();
    std::fs::write(temp.path().join("empty"), b"").unwrap();
    assert_eq!(sealed(job(temp.path())).await.len(), 1);
}
