//! Durable appends: many clients who open their exhibits, and single-row commits of the same database in between.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::actor::Actor;
use crate::stage::Stage;
use crate::{at, number, option, raw, tell};

/// So many actors act for so long; gives what each act took.
async fn acts(actors: Vec<Actor>, clients: usize, time: Duration) -> (Vec<Actor>, Vec<Duration>, f64) {
    let begun = Instant::now();
    let tasks: Vec<_> = actors
        .into_iter()
        .enumerate()
        .map(|(place, mut actor)| {
            tokio::spawn(async move {
                let mut took = Vec::new();
                while place < clients && begun.elapsed() < time {
                    let asked = Instant::now();
                    actor.open_once().await;
                    took.push(asked.elapsed());
                    actor.receipts.clear();
                }
                (actor, took)
            })
        })
        .collect();
    let (mut actors, mut all) = (Vec::new(), Vec::new());
    for task in tasks {
        let (actor, took) = task.await.unwrap();
        actors.push(actor);
        all.extend(took);
    }
    (actors, all, begun.elapsed().as_secs_f64())
}

fn figures(kind: &str, clients: usize, mut took: Vec<Duration>, seconds: f64) {
    took.sort_unstable();
    tell(
        &json!({"kind": kind, "clients": clients, "per_second": took.len() as f64 / seconds, "p50": at(&took, 0.5), "p99": at(&took, 0.99)}),
    );
}

/// Prints one line for each kind, number of clients and round.
pub async fn measure() {
    let (rounds, time) = (number("--rounds", 3), Duration::from_secs(number("--seconds", 5)));
    let beside = option("--beside").unwrap();
    let stage = Stage::open().await;
    let mut actors = Vec::new();
    for place in 0..64 {
        let mut actor = Actor::enrolled(&stage.world, place).await;
        actor.prepare().await;
        actors.push(actor);
    }
    for _ in 0..rounds {
        for clients in [1, 16, 64] {
            let (back, took, seconds) = acts(actors, clients, time).await;
            actors = back;
            figures("ours", clients, took, seconds);
            let (took, seconds) = raw::commits(&beside, clients, time).await;
            figures("raw", clients, took, seconds);
        }
    }
    tell(&json!({"kind": "server", "peak": stage.server_peak()}));
}
