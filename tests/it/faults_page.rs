//! `docs/faults.md` names tests that exist.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_page_of_faults_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let (mut file, mut missing, mut n) = (String::new(), Vec::new(), 0);
    let held = page.split("## Not held yet").next().unwrap();
    for code in held.lines().filter(|line| line.starts_with("| ")).flat_map(codes) {
        if code.ends_with(".rs") {
            file = fs::read_to_string(root.join(code)).unwrap_or_else(|error| panic!("{code}: {error}"));
        } else if code.contains('_') && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            n += 1;
            if !file.contains(&format!("fn {code}(")) {
                missing.push(code);
            }
        }
    }
    assert!(n > 50, "only {n} tests are named");
    assert!(missing.is_empty(), "named, but not there: {missing:?}");
}

/// What stands between backticks in the last cell of a row.
fn codes(row: &str) -> Vec<&str> {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or("");
    cell.split('`').skip(1).step_by(2).collect()
}
