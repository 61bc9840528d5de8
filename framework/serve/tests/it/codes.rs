//! `docs/errors.md` and the codes in the workspace's sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Codes with the crates that use them.
type Codes = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_list_of_errors_names_every_code_and_where_it_comes_from() {
    let (mut used, root) = (Codes::new(), root());
    ["framework", "operators", "schemas", "examples", "benches", "xtask"].iter().for_each(|folder| {
        collect(&root.join(folder), "", &mut used);
    });
    assert!(used.len() > 25, "the sources were not found: {used:?}");
    let listed: Codes = rows().into_iter().map(|[code, crates, ..]| (code, names(&crates))).collect();
    assert_eq!(listed, used, "left: docs/errors.md, right: the sources");
}

#[test]
fn the_list_of_errors_is_in_order_and_says_what_to_do() {
    let rows = rows();
    assert!(rows.is_sorted_by(|a, b| a[0] < b[0]), "codes are out of order or listed twice");
    for row in &rows {
        assert!(row[2].len() > 10 && row[3].len() > 10, "{row:?} says too little");
    }
}

/// Code, crates, meaning and next step of each line.
fn rows() -> Vec<[String; 4]> {
    let text = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| NF"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("not four cells: {cells:?}"))
    })
    .collect()
}

fn names(crates: &str) -> BTreeSet<String> {
    crates.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Adds the codes of every source below a folder that ships: no tests, no comments.
fn collect(folder: &Path, package: &str, codes: &mut Codes) {
    let package = package_of(folder).unwrap_or_else(|| package.to_owned());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if name != "tests" && name != "target" && name != "tests.rs" {
                collect(&path, &package, codes);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for code in codes_of(&text) {
                codes.entry(code).or_default().insert(package.clone());
            }
        }
    }
}

fn package_of(folder: &Path) -> Option<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    Some(name.trim_end_matches('"').to_owned())
}

/// Codes that follow a quotation mark, up to the file's unit tests.
fn codes_of(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let literals = lines.flat_map(|line| line.split('"').skip(1));
    let codes = literals.filter_map(|literal| literal.get(..5)).filter(|code| is_code(code));
    codes.map(str::to_owned).collect()
}

fn is_code(text: &str) -> bool {
    text.strip_prefix("NF").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
}
