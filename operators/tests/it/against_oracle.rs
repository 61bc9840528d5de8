//! Law 1 of `docs/semantics.md`, section 8: every answer equals a naive filter over all admitted events.

use crate::differential::run;
use crate::support::n_cases;

/// `NOWFOLD_CASES` sets another number of cases, of about a hundred operations each.
#[test]
fn law_1_answers_equal_a_naive_filter_over_all_admitted_events() {
    let n_operations = n_cases(3_000) * 100;
    let (coverage, failure) = run::run(1, n_operations, run::Small::Shrunk, |_| {});
    if let Some(failure) = failure {
        panic!("case {} of seed {}:\n{}", failure.number, failure.seed, failure.report);
    }
    assert!(coverage.n_operations() >= n_operations && coverage.n_answers() >= n_operations);
    if n_operations >= 100_000 {
        assert_eq!(coverage.gaps(), Vec::<String>::new(), "never came up:\n{}", coverage.table());
    }
}
