//! Answers that are not of the contract, and words that play tricks.

use custodia_client::AgentError;
use custodia_client::http::HttpError;
use custodia_tests::liar::{Answer, Told};
use custodia_tests::world::Must as _;

use super::{about, caught, instead, world};
use crate::agent::view;

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_of_the_contract_are_neither_believed_nor_held() {
    let (world, ana, case, exhibit) = world().await;
    let liar = &world.liars[0];
    let html = || b"<!doctype html><title>Sign in to the hotel</title>".to_vec();
    let told: [(&str, Answer); 6] = [
        ("a page", Answer::ok(html())),
        ("a page that says not found", Answer { status: 404, body: html() }),
        ("a page that leads elsewhere", Answer { status: 302, body: html() }),
        ("nothing", Answer::ok("")),
        ("half a body", Answer::ok(r#"{"exhibits":[{"exhi"#)),
        ("a code with another status", Answer { status: 404, body: br#"{"code":"internal","message":"","next":""}"#.to_vec() }),
    ];
    for (what, answer) in told {
        instead(liar, "GET", "/exhibits".to_owned(), answer);
        let said = caught(&ana, ana.exhibits(case).await).await;
        assert!(said.contains("not the JSON") || said.contains("without its reason"), "{what}: {said}");
    }
    about(liar, "GET", "/exhibits".to_owned(), |_, _| Told::Endless);
    assert!(caught(&ana, ana.exhibits(case).await).await.contains("over its limit"));
    about(liar, "GET", "/checkpoint".to_owned(), |_, _| Told::Endless);
    assert!(caught(&ana, ana.sync().await).await.contains("over its limit"));
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n".to_vec();
    about(liar, "GET", "/exhibits".to_owned(), move |_, _| Told::Raw(raw.clone()));
    assert!(caught(&ana, ana.exhibits(case).await).await.contains("over its limit"));
    // A server that is down is not one that lies.
    for told in [Answer { status: 500, body: html() }, Answer { status: 502, body: Vec::new() }] {
        instead(liar, "GET", "/exhibits".to_owned(), told);
        assert!(matches!(ana.exhibits(case).await, Err(AgentError::Http(HttpError::Unavailable(_)))));
    }
    liar.be_honest();
    view(&ana, case, exhibit).await.must();
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_the_server_cannot_play_tricks_on_a_terminal() {
    let (world, ana, case, _) = world().await;
    let told = serde_json::json!({"code": "not-found", "message": "\u{1b}[2Jgone\ncustodia: all is well", "next": "\u{202e}kcab"});
    instead(&world.liars[0], "GET", "/exhibits".to_owned(), Answer { status: 404, body: told.to_string().into_bytes() });
    let said = ana.exhibits(case).await.unwrap_err().to_string();
    assert!(!said.contains(['\u{1b}', '\n', '\u{202e}']), "{said:?}");
    assert!(said.contains("gone\\u{a}custodia"), "{said}");
}
