//! Instructions per decode, insert and query: the same from run to run where times are not.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::count::N;
use crate::options::{Options, Pass};
use crate::report::print_skipped;

/// The most instructions that each count may take; see docs/guide/benchmarks.md for how to renew them.
const CEILINGS: &str = include_str!("../instructions.json");

const COUNTS: [(&str, Pass, &str); 4] = [
    ("decode", Pass::CountDecode, "counted_decode"),
    ("insert", Pass::CountInsert, "counted_insert"),
    ("query of 5 events", Pass::CountQuery5, "counted_query"),
    ("query of 500 events", Pass::CountQuery500, "counted_query"),
];

/// Counts, prints, and compares with the ceilings where that is asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return print_skipped("instructions", "valgrind is not installed");
    }
    let ceilings: BTreeMap<String, u64> = serde_json::from_str(CEILINGS)?;
    let mut above = Vec::new();
    for (what, pass, function) in COUNTS {
        let each = count(pass, function, options)? / N;
        let ceiling = *ceilings.get(what).with_context(|| format!("there is no ceiling for {what}"))?;
        let line = serde_json::json!({ "name": "instructions", "of": what, "each": each, "ceiling": ceiling, "n": N });
        println!("{}", serde_json::to_string(&line)?);
        if each > ceiling {
            above.push(format!("{what} takes {each} instructions, at most {ceiling} are allowed"));
        }
    }
    ensure!(!options.check || above.is_empty(), "{}", above.join("; "));
    Ok(())
}

/// Instructions inside `function` while this program runs `pass`.
fn count(pass: Pass, function: &str, options: &Options) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    command.arg(format!("--toggle-collect=*{function}*")).arg(std::env::current_exe()?);
    let output = command.args(options.arguments(pass, None)).output().context("cannot run valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind failed ({}): {text}", output.status);
    }
    collected(&text).with_context(|| format!("valgrind counted nothing: {text}"))
}

/// The number behind `Collected :` in callgrind's summary.
fn collected(text: &str) -> Option<u64> {
    let (_, after) = text.rsplit_once("Collected :")?;
    after.split_whitespace().next()?.parse().ok().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_of_callgrind() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 1234567\n==1== \n"), Some(1_234_567));
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("killed"), None);
    }

    #[test]
    fn every_count_has_a_ceiling() {
        let ceilings: BTreeMap<String, u64> = serde_json::from_str(CEILINGS).unwrap();
        assert!(COUNTS.iter().all(|(what, ..)| ceilings.contains_key(*what)));
    }
}
