//! What a store says of its memory, against what its process grew by.

use std::process::Command;
use std::sync::Arc;

use nowfold_core::time::{Timestamp, hours};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains, Vectors};
use nowfold_schemas::action::{Action, Attribute};

use crate::support::{HOUR, Random};

const CHILD: &str = "NOWFOLD_MEMORY_CHILD";

/// Actors, events of each, and how many different vectors there are; 0: every event has its own.
const SHAPES: [(u64, u64, u64); 5] =
    [(100_000, 5, 0), (100_000, 5, 2_000), (100_000, 1, 2_000), (2_000, 100, 0), (2, 100_000, 2_000)];

#[test]
#[cfg(target_os = "linux")]
fn memory_agrees_with_what_the_process_grew_by() {
    for (number, shape) in SHAPES.iter().enumerate() {
        let arguments = ["memory::fills_a_store_and_compares", "--exact", "--ignored", "--nocapture"];
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(arguments).env(CHILD, number.to_string()).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let figures =
            printed.lines().find_map(|line| line.split_once("figures ")).unwrap_or_else(|| panic!("{printed}"));
        let [total, resident] = figures.1.split(' ').map(|n| n.parse::<f64>().unwrap()).collect::<Vec<_>>()[..] else {
            panic!("{printed}")
        };
        let ratio = total / resident;
        assert!((0.85..=1.15).contains(&ratio), "{shape:?}: {total} of {resident} bytes are accounted for");
    }
}

/// Only means something in a process of its own.
#[test]
#[ignore = "run by memory_agrees_with_what_the_process_grew_by"]
fn fills_a_store_and_compares() {
    let Some(number) = std::env::var(CHILD).ok().and_then(|number| number.parse::<usize>().ok()) else { return };
    let (actors, events, n_vectors) = SHAPES[number];
    let mut random = Random(9);
    let pool: Vec<_> = (0..n_vectors).map(|_| vector(&mut random)).collect();
    // In lockstep all actors would grow through the same sizes at once, and leave the allocator holes that none can use.
    let mut turns: Vec<_> = (0..actors * events).map(|i| i % actors).collect();
    random.shuffle(&mut turns);
    let before = resident_bytes();
    let store = EventChains::new(ChainConfig::new(hours(97)));
    for (i, actor) in (0_i64..).zip(turns) {
        let vector = if pool.is_empty() { vector(&mut random) } else { Arc::from(&**random.pick(&pool)) };
        let action = Action::new(format!("member-{actor}"), *random.pick(&["apply", "view"]), format!("job-{i}"))
            .at_ms(1_000 * HOUR + i)
            .id(format!("event-{i}"))
            .object_attribute("embedding", Attribute::Vector(vector));
        let appended = Appended::new(i, Timestamp::from_millis(2_000 * HOUR));
        assert!(store.apply(&action, appended).is_admitted());
    }
    println!("figures {} {}", store.memory().total(), resident_bytes() - before);
}

fn vector(random: &mut Random) -> Arc<[f32]> {
    (0..64).map(|_| random.below(1_000_000) as f32).collect()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn events_share_equal_vectors_until_the_last_of_them_is_gone() {
    let memory = |vectors: Vectors, n: i64| {
        let store = EventChains::new(ChainConfig::new(hours(97)).vectors(vectors));
        let appended = |offset| Appended::new(offset, Timestamp::from_millis(2_000 * HOUR));
        for i in 0..n {
            let vector = Attribute::from(vec![0.5_f32; 1_000]);
            let action = Action::new(format!("m{i}"), "apply", "x").at_ms(1_000 * HOUR + i).id("e");
            store.apply(&action.object_attribute("embedding", vector), appended(i));
        }
        let full = store.memory();
        for i in 0..n {
            store.erase(&format!("m{i}"), appended(n + i));
        }
        (full, store.memory())
    };
    let (own, _) = memory(Vectors::WithEvent, 100);
    assert!(own.events > 400_000, "{own:?}");
    let (shared, erased) = memory(Vectors::Shared, 100);
    assert!(shared.events < 20_000 && (4_000..6_000).contains(&shared.vectors), "{shared:?}");
    assert!(erased.events == 0 && erased.vectors < 1_000 && erased.tombstones > 0, "{erased:?}");
}

#[test]
fn vectors_that_hardly_come_again_lie_with_their_events() {
    let mut random = Random(1);
    let store = EventChains::new(ChainConfig::new(hours(97)));
    for i in 0..40_000 {
        let vector: Vec<f32> = (0..8).map(|_| random.below(1_000_000) as f32).collect();
        let action = Action::new(format!("m{}", i % 999), "apply", "x").at_ms(1_000 * HOUR + i).id(format!("{i}"));
        let appended = Appended::new(i, Timestamp::from_millis(2_000 * HOUR));
        store.apply(&action.object_attribute("embedding", Attribute::from(vector)), appended);
    }
    let memory = store.memory();
    let all = 40_000 * 32;
    assert!(memory.vectors > all / 2 && memory.vectors < 3 * all, "the first 32,768 are shared: {memory:?}");
    assert!(memory.events > 7_232 * 32 + 32_768 * 16, "{memory:?}");
}
