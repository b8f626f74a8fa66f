//! What an opening is given: objects, their list, the manifest, the release share.

use std::fs;

use custodia_client::AgentError;
use custodia_client::http::HttpError;
use custodia_client::open::Opening;
use custodia_core::custody::kind::Purpose;
use custodia_tests::liar::{Answer, Told};
use custodia_tests::world::{Must as _, statement};

use super::{Json, altered, caught, world};
use crate::agent::view;

/// What is made of an object's bytes; the second are those of the first object that was asked for.
type Bytes = fn(Vec<u8>, &[u8]) -> Vec<u8>;

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_an_object_are_not_written_out() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let opening = || Opening::Export { recipients: vec!["Court".to_owned()] };
    let opened = ana.open_exhibit(case, exhibit, opening(), Purpose::Trial, &statement()).await.must();
    let target = world.path("export");
    let objects = format!("/v1/cases/{case}/exhibits/{exhibit}/objects/");
    let lies: [(&str, Bytes); 5] = [
        ("flipped", |mut bytes, _| {
            bytes[77] ^= 1;
            bytes
        }),
        ("cut", |mut bytes, _| {
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        ("longer", |mut bytes, _| {
            bytes.push(0);
            bytes
        }),
        ("empty", |_, _| Vec::new()),
        ("another of the same exhibit", |_, other| other.to_vec()),
    ];
    for (what, lie) in lies {
        let objects = objects.clone();
        let mut other: Option<Vec<u8>> = None;
        liar.lie(move |asked, answer| {
            if !asked.target.starts_with(&objects) {
                return Told::Answer(answer);
            }
            let before = other.get_or_insert_with(|| answer.body.clone()).clone();
            Told::Answer(Answer { body: lie(answer.body, &before), ..answer })
        });
        let written = opened.export(&target, |_| {}).await;
        assert!(caught(&ana, written).await.contains("other bytes"), "{what}");
        assert!(!target.exists(), "{what}");
    }
    liar.be_honest();
    opened.export(&target, |_| {}).await.must();
    let left: Vec<_> = fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".custodia-export")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_does_not_look_finished() {
    let (world, ana, case, exhibit) = world().await;
    let opened = ana.open_exhibit(case, exhibit, Opening::View, Purpose::Investigation, &statement()).await.must();
    let objects = format!("/v1/cases/{case}/exhibits/{exhibit}/objects/");
    world.liars[0].lie(move |asked, answer| {
        if !asked.target.starts_with(&objects) {
            return Told::Answer(answer);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.body.len());
        Told::Raw([head.as_bytes(), &answer.body[..answer.body.len() / 3]].concat())
    });
    let target = world.path("export");
    let broken = opened.export(&target, |_| {}).await;
    assert!(matches!(broken, Err(AgentError::Http(HttpError::Unavailable(_)))), "{broken:?}");
    assert!(!target.exists());
    let mut bytes = Vec::new();
    opened.write_file(0, &mut bytes).await.unwrap_err();
    assert!(bytes.is_empty(), "no segment is shown before it is whole");
    world.liars[0].be_honest();
    opened.write_file(0, &mut bytes).await.must();
    assert_eq!(bytes.len(), 9_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_dropped_and_repeated_segments_and_another_share_open_nothing() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let lies: [(&str, Json); 5] = [
        ("swapped", |released| released["objects"].as_array_mut().unwrap().reverse()),
        ("dropped", |released| drop(released["objects"].as_array_mut().unwrap().pop())),
        ("repeated", |released| {
            let first = released["objects"][0].clone();
            released["objects"][1] = first;
        }),
        ("another manifest", |released| released["manifest_object"] = released["objects"][0].clone()),
        ("another share", |released| released["release_share"] = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=".into()),
    ];
    for (what, lie) in lies {
        altered(liar, "POST", format!("/exhibits/{exhibit}/acts"), lie);
        let said = caught(&ana, view(&ana, case, exhibit).await).await;
        assert!(said.contains("than those that were collected") || said.contains("than the one that was collected"), "{what}: {said}");
        let evidence = format!("{:?}", ana.evidence().await.must());
        assert!(!evidence.contains("release_share"), "a share is not kept as evidence");
    }
    liar.be_honest();
    view(&ana, case, exhibit).await.must();
}
