//! The `OpenAPI` document against the server: `tests/contract` lets schemathesis send what fits it, and what nearly does, signed, unsigned and
//! wrongly signed, to a vault in which a case and an exhibit stand.
//!
//! `CUSTODIA_CONTRACT_EXAMPLES` is how many requests it makes up for each one of the document; the suite asks for few.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use custodia_api::error::ErrorCode;
use custodia_api::messages::{Act, ReadLog};
use custodia_core::custody::body::{Body, Consultation, LogRead, ViewMode};
use custodia_core::digest::Sha256Digest;
use custodia_core::ids::CaseId;
use serde_json::{Value, json};

use super::access::{Scene, scene};
use super::world::TestDevice;
use crate::http::ROUTES;

/// Requests that are made up for each one of the document, unless the environment says otherwise.
const EXAMPLES: u32 = 8;

fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// A route as the document writes it.
fn documented(route: &str) -> String {
    route.replace("{path:.*}", "{path}")
}

/// Names and values of the places of a route, as a path fills them.
fn places(route: &str, path: &str) -> serde_json::Map<String, Value> {
    if let Some(rest) = route.strip_suffix("{path}").and_then(|start| path.strip_prefix(start)) {
        return [("path".to_owned(), Value::from(rest))].into_iter().collect();
    }
    let pairs = route.split('/').zip(path.split('/'));
    pairs.filter_map(|(name, value)| Some((name.strip_prefix('{')?.strip_suffix('}')?.to_owned(), Value::from(value)))).collect()
}

/// A good request of every route, as the driver reads it.
async fn good_requests(scene: &mut Scene, member: &TestDevice, reader: &TestDevice, safes: [&TestDevice; 2]) -> Vec<Value> {
    let mut requests = Vec::new();
    for (method, route) in ROUTES {
        let route = documented(route);
        let sender = if route.starts_with("/v1/log/") { reader } else { member };
        let place = scene.place;
        let request = match route.as_str() {
            // In a case of its own, whose group ends by it.
            "/v1/cases/{case}/succession" => {
                let case = CaseId::from_bytes([0xc5; 16]);
                let body = super::succession::good(&mut scene.world, member, case, safes).await;
                let body = serde_json::to_vec(&body).unwrap();
                scene.world.request(member, "POST", &format!("/v1/cases/{case}/succession"), body)
            }
            _ => scene.request(method, &route, sender, place, true).await,
        };
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let query: serde_json::Map<String, Value> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.parse::<u64>().unwrap().into()))
            .collect();
        requests.push(json!({
            "method": method.to_uppercase(),
            "route": route,
            "path": places(&route, path),
            "query": query,
            "body": String::from_utf8(request.body).unwrap(),
        }));
    }
    requests
}

fn caller(device: &TestDevice) -> Value {
    json!({"keyid": device.id().to_string(), "seed": Sha256Digest::from_bytes(device.key.to_bytes()).to_string()})
}

/// The Python that `tests/contract/install` made, and the driver.
fn driver() -> (PathBuf, PathBuf) {
    let program = std::env::current_exe().unwrap();
    let python = program.ancestors().map(|folder| folder.join("tools/contract/bin/python")).find(|python| python.exists());
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract/check");
    (python.expect("schemathesis is missing: run tests/contract/install, or tests/run"), check)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_fault_of_the_server_and_no_breach_of_its_document() {
    let (mut scene, people) = scene().await;
    let (member, reader) = (&people["member"], &people["reader"]);
    // What gives leave to fetch the object, and to read the log.
    let place = scene.place;
    let opening =
        Act { intent: scene.intent(member, place.case, Some(place.exhibit), Body::Consultation(Consultation { mode: ViewMode::View })) };
    let acts = format!("/v1/cases/{}/exhibits/{}/acts", place.case, place.exhibit);
    assert_eq!(scene.world.post(member, &acts, &opening).await.status, 200);
    let read = ReadLog { intent: scene.intent(reader, CaseId::REGISTRY, None, Body::LogRead(LogRead { from: 0, to: 2 })) };
    assert_eq!(scene.world.post(reader, "/v1/log/read", &read).await.status, 200);

    let requests = good_requests(&mut scene, member, reader, [&people["recovery"], &people["spare"]]).await;
    let told = json!({
        "url": format!("http://{}", scene.world.addr()),
        "created": scene.world.clock.seconds(),
        "callers": {"member": caller(member), "reader": caller(reader), "stranger": caller(&people["outsider"])},
        "requests": requests,
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("world.json");
    std::fs::write(&file, told.to_string()).unwrap();
    let examples = std::env::var("CUSTODIA_CONTRACT_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_string());
    let seed = std::env::var("CUSTODIA_CONTRACT_SEED").unwrap_or_else(|_| "1".to_owned());
    let (python, check) = driver();
    let mut command = Command::new(python);
    command.arg("-B").arg(check).arg(&file).args([&examples, &seed]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    scene.world.stop().await;
}

#[test]
fn the_openapi_document_lists_exactly_the_routes() {
    let document = document();
    let mut faults = Vec::new();
    for (method, route) in ROUTES {
        if document["paths"][documented(route)][*method].is_null() {
            faults.push(format!("{method} {route} is served and not in crates/server/openapi.json; describe it there"));
        }
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if !ROUTES.iter().any(|(known, route)| known == method && documented(route) == *path) {
                faults.push(format!("{method} {path} stands in crates/server/openapi.json and is not served; take it out, or serve it"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Bodies as `messages.rs` and `error.rs` of the contract write them: name, members, and whether each must be there.
fn bodies() -> Vec<(String, Vec<(String, bool)>)> {
    let source = include_str!("../../../api/src/messages.rs").to_owned() + include_str!("../../../api/src/error.rs");
    let mut bodies = Vec::new();
    let mut body: Option<(String, Vec<(String, bool)>)> = None;
    let mut optional = false;
    for line in source.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let opens = line.strip_suffix('{').map(str::trim).map(|line| line.strip_prefix("pub struct ").unwrap_or(line));
        if let Some(name) = opens.filter(|name| name.chars().all(char::is_alphanumeric) && name.starts_with(char::is_uppercase)) {
            body = Some((name.to_owned(), Vec::new()));
        } else if line.starts_with('}') {
            bodies.extend(body.take());
        } else if line.starts_with("#[serde(default") {
            optional = true;
        } else if let Some(((name, _), (_, members))) = line.split_once(": ").zip(body.as_mut()) {
            members.push((name.trim_start_matches("pub ").to_owned(), !std::mem::take(&mut optional)));
        }
    }
    bodies
}

#[test]
fn the_openapi_document_has_every_body_with_exactly_its_members() {
    let schemas = &document()["components"]["schemas"];
    let bodies = bodies();
    assert!(bodies.len() >= 29, "bodies are not found in the source any more: {bodies:?}");
    let mut faults = Vec::new();
    for (name, members) in bodies {
        let schema = &schemas[&name];
        if schema.is_null() {
            faults.push(format!("{name} has no schema in crates/server/openapi.json; describe it under components.schemas"));
            continue;
        }
        if schema["additionalProperties"] != Value::Bool(false) {
            faults.push(format!("{name} takes unknown members by its schema, and bodies are read strictly"));
        }
        let properties = schema["properties"].as_object().unwrap();
        for (member, required) in &members {
            let demanded = schema["required"].as_array().is_some_and(|all| all.contains(&Value::from(member.as_str())));
            if !properties.contains_key(member) {
                faults.push(format!("{name}.{member} is not in the schema of {name}"));
            } else if demanded != *required {
                faults.push(format!("{name}.{member} {} be left out; its schema says otherwise", if *required { "cannot" } else { "can" }));
            }
        }
        for member in properties.keys().filter(|member| members.iter().all(|(known, _)| known != *member)) {
            faults.push(format!("{name}.{member} stands in the schema, and {name} has no such member"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_openapi_document_has_every_error_code_under_its_status() {
    let document = document();
    let responses = document["components"]["responses"].as_object().unwrap();
    let all: Vec<ErrorCode> =
        serde_json::from_value(document["components"]["schemas"]["ErrorBody"]["properties"]["code"]["enum"].clone()).unwrap();
    let count = include_str!("../../../api/src/error.rs")
        .lines()
        .filter(|line| line.starts_with("    ") && line.ends_with(',') && line.trim().chars().all(|c| c.is_alphanumeric() || c == ','))
        .count();
    assert_eq!(all.len(), count, "ErrorBody.code of crates/server/openapi.json and ErrorCode of crates/api/src/error.rs have other codes");
    let mut faults = Vec::new();
    for code in all {
        let word = serde_json::to_value(code).unwrap();
        let named: Vec<&String> = responses
            .iter()
            .filter(|(_, response)| {
                response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
                    .as_array()
                    .unwrap()
                    .contains(&word)
            })
            .map(|(name, _)| name)
            .collect();
        let [name] = named[..] else {
            faults.push(format!("{word} stands in {} of components.responses, and in one it must", named.len()));
            continue;
        };
        let reference = Value::from(format!("#/components/responses/{name}"));
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap();
                faults.extend(
                    answers
                        .iter()
                        .filter(|(status, answer)| answer["$ref"] == reference && **status != code.status().to_string())
                        .map(|(status, _)| format!("{method} {path} answers {name} as {status}, and {word} is {}", code.status())),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
