//! Kills at moments that nobody chose: any command, either victim, at a random fail point or after a random time. `tests/kills` plays thousands.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kill::{Step, Victim, addition, device, export, founding, intake, making, one, opening, removal};
use crate::process::Moment;
use crate::stage::Scene;

/// A generator of numbers for choices, not for secrets. Source: Marsaglia, xorshift64.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_nothing_is_lost() {
    let (wanted, seed) = (number("CUSTODIA_KILLS", 8), number("CUSTODIA_KILL_SEED", 20_261_124));
    let mut choices = Choices(seed.wrapping_mul(2).wrapping_add(1));
    let scene = Scene::open().await;
    let steps: [Step; 8] =
        [intake(&scene), founding(), addition(&scene), removal(&scene), opening(&scene), export(&scene), making(&scene), device(&scene)];
    let stage = scene.leave().await;
    let mut kills: BTreeMap<String, u64> = BTreeMap::new();
    while kills.values().sum::<u64>() < wanted {
        let step = &steps[usize::try_from(choices.below(8)).unwrap()];
        let victim = if choices.below(2) == 0 { Victim::Agent } else { Victim::Server };
        let moment = match choices.below(2) {
            0 => Moment::Point(1 + choices.below(if victim == Victim::Agent { 20 } else { 10 })),
            _ => Moment::Time(Duration::from_millis(choices.below(800))),
        };
        stage.restore();
        if let Some(point) = one(&stage, step, victim, moment).await {
            *kills.entry(point).or_default() += 1;
        }
        let so_far: u64 = kills.values().sum();
        #[expect(clippy::print_stdout, reason = "a long run shows where it is")]
        {
            println!("{so_far} of {wanted} kills, seed {seed}: {victim:?} {moment:?} {:?}", &step.words[..2]);
        }
    }
    #[expect(clippy::print_stdout, reason = "the numbers are what this test is for")]
    {
        println!("kills by where: {kills:#?}");
    }
}
