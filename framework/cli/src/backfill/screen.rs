//! Progress for people: a bar on a terminal, else a line every five seconds.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// How far a pass over the files is.
pub(super) struct Screen {
    what: &'static str,
    /// Where the pass begins, and its last line where that is known.
    begin: u64,
    total: Option<u64>,
    started: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(super) fn new(what: &'static str, total: Option<u64>) -> Self {
        Self::from(what, 0, total)
    }

    pub(super) fn from(what: &'static str, begin: u64, total: Option<u64>) -> Self {
        let bar = stderr().is_terminal().then(|| bar(what, total).with_position(begin));
        let now = Instant::now();
        Self { what, begin, total, started: now, told: now, bar }
    }

    /// Line `number` is done.
    pub(super) fn at(&mut self, number: u64) {
        if !number.is_multiple_of(256) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(number);
        } else if self.told.elapsed() >= BETWEEN_LINES {
            self.told = Instant::now();
            eprintln!("{}", progress(self.what, number, self.begin, self.total, self.started.elapsed()));
        }
    }

    pub(super) fn finish(self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{prefix}  [{bar:30}]  {human_pos} / {human_len} lines  {per_sec}  ETA {eta}")
        }
        None => (ProgressBar::new_spinner(), "{prefix}  {human_pos} lines  {per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("##-")).with_prefix(what)
}

/// `send  1,310,720 of 1,800,000 lines  412,000/s  ETA 1 s`.
fn progress(what: &str, done: u64, begin: u64, total: Option<u64>, took: Duration) -> String {
    let per_second = u128::from(done.saturating_sub(begin)) * 1_000 / took.as_millis().max(1);
    let Some(total) = total else { return format!("{what}  {done} lines  {per_second}/s") };
    let left = u128::from(total.saturating_sub(done)).div_ceil(per_second.max(1));
    format!("{what}  {done} of {total} lines  {per_second}/s  ETA {left} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_eta_count_what_this_run_has_done() {
        let took = Duration::from_secs(10);
        assert_eq!(progress("send", 3_000, 1_000, Some(4_000), took), "send  3000 of 4000 lines  200/s  ETA 5 s");
        assert_eq!(progress("survey", 3_000, 0, None, took), "survey  3000 lines  300/s");
        assert_eq!(progress("send", 0, 0, Some(7), Duration::ZERO), "send  0 of 7 lines  0/s  ETA 7 s");
    }
}
