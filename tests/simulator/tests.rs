//! Ten thousand seeds; and worlds that are wrong on purpose, each of which the checker must find.

use crate::lies::Tampering;
use crate::people::log_time;
use crate::run::{Run, Tally};
use crate::{add, play};

/// Seeds of one half of the suite's share.
const HALF: u64 = 5000;

/// What must have happened in so many runs, or they show less than they say: acts, faults, lies, and refusals by these rules.
const HAPPENS: &str = "alteration case.create collection consent.give consultation disclosure erasure hold.place hold.lift log.read member.change \
    member.leave restriction.place restriction.lift LostRequest LostAnswer Twice ServerDiesBeforeCommit ServerDiesAfterCommit SenderDies \
    SenderClock ServerClock forked REC-04 REC-05 REC-06 REC-08 ACC-01 ACC-02 ACC-03 ACC-04 ACC-05 ACC-06 ACC-07 ACC-08 ACC-09 ACC-10 \
    ACC-11 ACC-12 ACC-13 MEM-02 MEM-03 MEM-04 MEM-06 MEM-07 GRP-15 GRP-16 GRP-17 GRP-22 IDN-09 IDN-13 IDN-15";

fn half(seeds: core::ops::Range<u64>) {
    let tally = play(seeds);
    let missing: Vec<&str> = HAPPENS.split_whitespace().filter(|what| !tally.contains_key(*what)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}; {tally:?}");
    assert!(tally.contains_key("rolled back") && tally.contains_key("stale epoch") && tally.contains_key("late arrival"));
}

#[test]
fn every_seed_keeps_the_world_whole_first_half() {
    half(0..HALF);
}

#[test]
fn every_seed_keeps_the_world_whole_second_half() {
    half(HALF..2 * HALF);
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().expect("a number"))
}

/// As many as `tests/simulate` asks for, on every core; else a handful.
#[test]
fn seeds_that_a_command_names_keep_the_world_whole() {
    let (count, from) = (number("CUSTODIA_SEEDS", 4), number("CUSTODIA_SEED", 0));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(count.max(1));
    let share = |core: u64| from + count * core / cores;
    let parts: Vec<Tally> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..cores).map(|core| scope.spawn(move || play(share(core)..share(core + 1)))).collect();
        started.into_iter().map(|part| part.join().expect("a seed failed, see above")).collect()
    });
    let mut tally = Tally::new();
    for part in parts {
        add(&mut tally, part);
    }
    #[expect(clippy::print_stdout, reason = "a long run says what it played")]
    {
        println!("{count} seeds from {from}: {tally:#?}");
    }
}

#[test]
fn a_seed_repeats_its_run_step_by_step() {
    let told = |seed| {
        let mut run = Run::new(seed, true);
        run.play().unwrap();
        (run.told.unwrap(), run.server.disk.checkpoint.root())
    };
    for seed in [7, 77, 777] {
        assert_eq!(told(seed), told(seed));
    }
    assert_ne!(told(7).1, told(77).1);
}

#[test]
fn a_record_that_is_dropped_repeated_moved_or_rewritten_after_its_acknowledgement_is_caught() {
    let mut caught = 0;
    for seed in 0..12 {
        let mut run = Run::new(seed, false);
        run.play().unwrap();
        let (disk, now) = (&run.server.disk, log_time(run.now));
        let honest = run.checker.anew().check(disk, now);
        assert_eq!(honest, Ok(()), "seed {seed}: the world is whole, read from its first record");
        for at in run.checker.acknowledged_indexes() {
            for tampering in Tampering::ALL {
                let wrong = tampering.of(disk, at);
                let found = run.checker.anew().check(&wrong, now);
                assert!(found.is_err(), "seed {seed}: {tampering:?} of record {at} of {} is not caught", disk.size());
                caught += 1;
            }
        }
    }
    assert!(caught > 300, "{caught}");
}
