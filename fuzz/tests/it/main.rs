//! Every seed, and every case that fuzzing found, on each run of the tests.

use std::fs;
use std::path::{Path, PathBuf};

use nowfold_fuzz::TARGETS;

fn cases(folder: &str, target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[test]
fn seeds_and_found_cases_pass() {
    for (name, target) in TARGETS {
        let seeds = cases("seeds", name);
        assert!(!seeds.is_empty(), "no seed for {name}");
        for path in seeds.into_iter().chain(cases("found", name)) {
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
        }
    }
}

/// Cut at every byte, with one byte changed, and doubled: a fixed share of what fuzzing does, without its compiler.
#[test]
fn damaged_seeds_pass() {
    let mut random = fastrand::Rng::with_seed(0x6e6f_7766);
    for (name, target) in TARGETS {
        let seeds = cases("seeds", name);
        for path in &seeds {
            let seed = fs::read(path).unwrap();
            for _ in 0..1_000 / seeds.len() {
                target(&damage(&seed, &mut random));
            }
        }
    }
}

fn damage(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 => bytes.extend_from_within(at..),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
        }
    }
    bytes
}

#[test]
fn every_target_has_its_line_for_libfuzzer() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("run/fuzz_targets");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(dir.join(format!("{name}.rs"))).unwrap();
        assert!(text.contains(&format!("nowfold_fuzz::{name}(data)")), "{name}: {text}");
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), TARGETS.len());
}
