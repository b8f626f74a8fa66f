//! Split views: a log that signs two trees for two publics, before agents, an auditor and witnesses under a policy of k of n.
//!
//! A seed chooses people, witnesses (some of them in league with the log), the plan of the attack and every delay. Each party does what its program
//! does, over the same functions of the core: a witness cosigns only what extends what it cosigned, an agent demands that each head extends the last one and
//! that the quorum vouched for it no longer ago than its configuration says, an auditor's watch compares the tree that it replayed with what witnesses hold.
//!
//! ```text
//! somebody honest is shown the second view ──► due: FRESH later, when the quorum must have vouched for it ──► in time: at most one INTERVAL after that
//! ```
//! `tests/split-views COUNT [FROM]` plays more.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use custodia_core::log::merkle::{Frontier, MerkleError, NodeHash, NodeId, RootHash, TreeSize, leaf_hash};
use custodia_core::log::proof::consistency_proof;
use custodia_core::log::{CosignatureTime, Cosigner, LogSigner, Policy, VerifiedCheckpoint};
use custodia_core::watch::Limits;
use custodia_core::watch::rules::heads::{self, Waiting};
use ed25519_dalek::SigningKey;

use crate::choices::Choices;

/// How often witnesses are asked, an agent comes in touch and an auditor's watch takes a turn, at least, in seconds.
const INTERVAL: u64 = 300;
/// How old the newest checkpoint that was vouched for may be, by the agents' configuration: an interval, and half a minute for delays.
const FRESH: u64 = INTERVAL + 30;
const BORN: u64 = 1_795_467_845;

/// How the log goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// Every witness is asked to cosign both views.
    AskAll,
    /// Each honest witness is shown one view only, those in league cosign both.
    Divide,
    /// The victims' view is shown to no honest witness; they are kept on the last checkpoint that everybody vouched for.
    Freeze,
    /// A victim is shown the one view, then the other.
    Switch,
    /// The auditor alone is shown the second view.
    Auditor,
}

const PLANS: [Plan; 5] = [Plan::AskAll, Plan::Divide, Plan::Freeze, Plan::Switch, Plan::Auditor];

/// Who found it, and how long after somebody honest was first shown the second view, in seconds; 0 if nobody was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub by: &'static str,
    pub after: u64,
}

/// One tree, with all of its nodes.
#[derive(Clone)]
struct Tree {
    frontier: Frontier,
    nodes: HashMap<NodeId, NodeHash>,
    roots: Vec<RootHash>,
    times: Vec<u64>,
}

impl Tree {
    fn new() -> Self {
        Self { frontier: Frontier::empty(), nodes: HashMap::new(), roots: vec![RootHash::empty()], times: Vec::new() }
    }

    fn append(&mut self, entry: [u8; 16], time: u64) {
        self.nodes.extend(self.frontier.append(leaf_hash(&entry)).unwrap());
        self.roots.push(self.frontier.root());
        self.times.push(time);
    }

    fn head(&self, signer: &LogSigner) -> VerifiedCheckpoint {
        signer.sign(self.frontier.size(), self.frontier.root()).unwrap()
    }

    /// Whether a head of this tree is shown to extend another one, as its holder checks it.
    fn extends(&self, head: &VerifiedCheckpoint, older: &VerifiedCheckpoint) -> bool {
        if older.size() > head.size() {
            return false;
        }
        let node = |id| self.nodes.get(&id).copied().ok_or(MerkleError::RootMismatch);
        consistency_proof(older.size(), head.size(), node).is_ok_and(|proof| head.extends(older, &proof).is_ok())
    }

    fn root_at(&self, size: TreeSize) -> Option<RootHash> {
        self.roots.get(usize::try_from(size.get()).unwrap()).copied()
    }

    fn first_from(&self, size: u64) -> Option<Waiting> {
        self.times.get(usize::try_from(size).unwrap()).map(|seconds| Waiting { index: size, seconds: *seconds })
    }
}

struct Witness {
    cosigner: Cosigner,
    in_league: bool,
    held: Option<VerifiedCheckpoint>,
    view: usize,
}

/// What a reader of one view holds.
struct Reader {
    view: usize,
    held: Option<VerifiedCheckpoint>,
    auditor: bool,
}

pub struct Attack {
    pub plan: Plan,
    /// Quorum and witnesses.
    pub policy: (usize, usize),
    choices: Choices,
    signer: LogSigner,
    judge: Policy,
    witnesses: Vec<Witness>,
    readers: Vec<Reader>,
    /// The two views; the first is the one that others would call true.
    views: [Tree; 2],
    /// The newest checkpoint of each view that the quorum vouched for, and when.
    vouched: [Option<(VerifiedCheckpoint, u64)>; 2],
    /// When somebody was first shown the second view.
    shown: Option<u64>,
}

impl Attack {
    /// The world of a seed. `strong`: quorums of k of n of which no two can do without an honest witness in common; else they can.
    pub fn new(seed: u64, strong: bool) -> Self {
        let mut choices = Choices::new(seed);
        let plan = if strong { PLANS[usize::try_from(seed % 5).unwrap()] } else { Plan::Divide };
        let below = |choices: &mut Choices, limit: usize| usize::try_from(choices.below(limit as u64)).unwrap();
        let count = if strong { 3 + below(&mut choices, 5) } else { 4 };
        let quorum = if strong { count / 2 + 1 + below(&mut choices, count - count / 2) } else { 2 };
        // Two quorums of k have 2k - n witnesses in common at least; one fewer may be in league.
        let league = if strong { below(&mut choices, 2 * quorum - count) } else { 0 };
        let signer = LogSigner::new("vault.example/log".parse().unwrap(), SigningKey::from_bytes(&[9; 32])).unwrap();
        let witnesses: Vec<Witness> = (0..count)
            .map(|place| Witness {
                cosigner: Cosigner::new(format!("w{place}.example/witness").parse().unwrap(), SigningKey::from_bytes(&choices.bytes()))
                    .unwrap(),
                in_league: place < league,
                held: None,
                view: place % 2,
            })
            .collect();
        let mut policy = format!("log {}\n", signer.log_key());
        for (place, witness) in witnesses.iter().enumerate() {
            writeln!(policy, "witness w{place} {}", witness.cosigner.cosigner_key()).expect("a text takes what is written");
        }
        let names: Vec<String> = (0..count).map(|place| format!("w{place}")).collect();
        write!(policy, "group q {quorum} {}\nquorum q\n", names.join(" ")).expect("a text takes what is written");
        let agents = 2 + below(&mut choices, 5);
        let victims = 1 + below(&mut choices, agents - 1);
        let reader = |place: usize| Reader { view: usize::from(place < victims && plan != Plan::Auditor), held: None, auditor: false };
        let mut readers: Vec<Reader> = (0..agents).map(reader).collect();
        readers.push(Reader { view: usize::from(plan == Plan::Auditor), held: None, auditor: true });
        Self {
            plan,
            policy: (quorum, count),
            choices,
            signer,
            judge: Policy::parse(policy.as_bytes()).unwrap(),
            witnesses,
            readers,
            views: [Tree::new(), Tree::new()],
            vouched: [None, None],
            shown: None,
        }
    }

    /// Plays until somebody honest has told, or three intervals have passed after the split was due; none if nobody did.
    pub fn play(&mut self) -> Option<Found> {
        let mut now = BORN;
        // An honest time, in which everybody comes to hold the same tree.
        for _ in 0..3 + self.choices.below(20) {
            now += 1 + self.choices.below(40);
            let entry = self.choices.bytes();
            self.views.iter_mut().for_each(|view| view.append(entry, now));
        }
        assert_eq!(self.collect(now, true), None, "an honest log is accused");
        for place in 0..self.readers.len() {
            assert_eq!(self.touch(place, now, true), None, "an honest log is accused");
        }
        // From here on the log shows two trees. Moments of all parties within the intervals that follow, in order.
        let split = now + 1 + self.choices.below(60);
        let due = split + FRESH;
        let mut moments: BTreeMap<(u64, usize), Moment> = BTreeMap::new();
        let mut add = |time: u64, moment| {
            let place = moments.len();
            moments.insert((time, place), moment);
        };
        for view in 0..2 {
            add(split, Moment::Record(view));
            for _ in 0..self.choices.below(6) {
                add(split + self.choices.below(2 * INTERVAL), Moment::Record(view));
            }
        }
        for start in (split..due + 3 * INTERVAL).step_by(usize::try_from(INTERVAL).unwrap()) {
            add(start + self.choices.below(25), Moment::Collect);
        }
        for place in 0..self.readers.len() {
            let mut time = split + self.choices.below(INTERVAL);
            while time < due + 3 * INTERVAL {
                add(time, Moment::Touch(place));
                time += INTERVAL / 2 + self.choices.below(INTERVAL / 2);
            }
        }
        for ((time, _), moment) in moments {
            let by = match moment {
                Moment::Record(view) => {
                    let entry = self.choices.bytes();
                    self.views[view].append(entry, time);
                    None
                }
                Moment::Collect => self.collect(time, false),
                Moment::Touch(place) => self.touch(place, time, false),
            };
            if let Some(by) = by {
                return Some(Found { by, after: time - self.shown.unwrap_or(time) });
            }
        }
        None
    }

    /// When one interval has passed after the quorum must have vouched for what somebody was shown, in seconds after they were.
    pub const fn in_time() -> u64 {
        FRESH + INTERVAL
    }

    /// The log asks witnesses for both views, as its plan says; a witness that is asked for what contradicts what it cosigned tells.
    fn collect(&mut self, now: u64, honest: bool) -> Option<&'static str> {
        for view in 0..2 {
            let head = self.views[view].head(&self.signer);
            let mut note = head.clone();
            for witness in &mut self.witnesses {
                let asked = honest
                    || witness.in_league
                    || match self.plan {
                        Plan::AskAll => true,
                        Plan::Divide => witness.view == view,
                        Plan::Freeze | Plan::Switch | Plan::Auditor => view == 0,
                    };
                if !asked {
                    continue;
                }
                // One that is smaller than what it cosigned may be merely old: it is refused, and shows nothing.
                if !witness.in_league && witness.held.as_ref().is_some_and(|held| held.size() > head.size()) {
                    continue;
                }
                let extends = witness.held.as_ref().is_none_or(|held| self.views[view].extends(&head, held));
                if !extends && !witness.in_league {
                    return Some("a witness");
                }
                witness.held = Some(head.clone());
                let time = CosignatureTime::from_seconds(now).unwrap();
                note = note.with_signature(witness.cosigner.cosign(&head, time).line()).unwrap();
            }
            let cosignatures = self.judge.cosignatures(&note).unwrap();
            if self.judge.quorum_met(&cosignatures) {
                self.vouched[view] = Some((note, now));
            }
        }
        None
    }

    /// A reader comes in touch: its head only grows, the quorum vouched for what it is shown, and to an auditor witnesses show what they hold.
    fn touch(&mut self, place: usize, now: u64, honest: bool) -> Option<&'static str> {
        let Reader { view, auditor, .. } = self.readers[place];
        let turns = self.plan == Plan::Switch && view == 1 && self.shown.is_some();
        let view = if turns { usize::from(self.choices.chance(50)) } else { view };
        if view == 1 && !honest {
            self.shown.get_or_insert(now);
        }
        let who = if auditor { "the auditor" } else { "an agent" };
        let tree = &self.views[view];
        let head = tree.head(&self.signer);
        if let Some(held) = &self.readers[place].held
            && !tree.extends(&head, held)
        {
            return Some(who);
        }
        let vouched = self.vouched[view].as_ref();
        if let Some((checkpoint, _)) = vouched
            && !tree.extends(&head, checkpoint)
        {
            return Some(who);
        }
        let limits = Limits { freshness_seconds: FRESH, ..Limits::default() };
        let last = vouched.map(|(checkpoint, time)| (checkpoint.size().get(), *time));
        let behind = tree.first_from(last.map_or(0, |(size, _)| size));
        if heads::not_vouched(last, behind, now, &limits).is_some() {
            return Some(who);
        }
        if auditor {
            let held = self.witnesses.iter().filter(|witness| !witness.in_league).filter_map(|witness| witness.held.as_ref());
            for shown in held {
                let fork = heads::fork(shown, "a witness", |size| tree.root_at(size));
                if fork.or_else(|| heads::shown_newer(shown, "a witness", head.size())).is_some() {
                    return Some("the auditor, beside a witness");
                }
            }
        }
        self.readers[place].held = Some(head);
        None
    }
}

enum Moment {
    Record(usize),
    Collect,
    Touch(usize),
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().expect("a number"))
}

/// As many as `tests/split-views` asks for; else a hundred.
#[test]
fn a_split_view_is_found_within_one_interval_after_it_is_due() {
    let (count, from) = (number("CUSTODIA_SPLITS", 100), number("CUSTODIA_SEED", 1));
    let mut found: BTreeMap<(&str, Plan), u64> = BTreeMap::new();
    let mut after = Vec::new();
    for seed in from..from + count {
        let mut attack = Attack::new(seed, true);
        // Every second attack finds no auditor: the policy alone must do.
        if seed % 2 == 0 && attack.plan != Plan::Auditor {
            attack.readers.pop();
        }
        let told = attack.play();
        let told = told.unwrap_or_else(|| panic!("seed {seed}: {:?} under {:?} was not found", attack.plan, attack.policy));
        assert!(
            told.after <= Attack::in_time(),
            "seed {seed}: {:?} under {:?} was found {} seconds late",
            attack.plan,
            attack.policy,
            told.after
        );
        *found.entry((told.by, attack.plan)).or_default() += 1;
        after.push(told.after);
    }
    after.sort_unstable();
    assert!(count < 100 || PLANS.iter().all(|plan| found.keys().any(|(_, one)| one == plan)));
    #[expect(clippy::print_stdout, reason = "a long run says what it found")]
    {
        println!(
            "{} of {count} split views found in time; seconds after the second view was shown: median {}, longest {}, of {} permitted\n{found:#?}",
            after.len(),
            after[after.len() / 2],
            after[after.len() - 1],
            Attack::in_time()
        );
    }
}

/// Else the test above could not fail: under a policy whose quorums need no witness in common, a log that divides the witnesses is found only by an
/// auditor to whom both halves of them show what they hold.
#[test]
fn under_a_policy_without_a_common_witness_only_comparing_finds_a_split_view() {
    for seed in 0..20 {
        let mut attack = Attack::new(seed, false);
        assert_eq!(attack.play().map(|found| found.by), Some("the auditor, beside a witness"), "seed {seed}");
        let mut alone = Attack::new(seed, false);
        alone.readers.pop();
        assert_eq!(alone.play(), None, "seed {seed}: nobody compares, and yet it was found");
    }
}
