//! Processes of their own: this test binary, run again with one test of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The variable that tells a child test what to do; such a test does nothing without it.
const TASK: &str = "NOWFOLD_TEST_CHILD";

/// What this process was started for as a child.
pub(crate) fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// A child that is killed, not asked, when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Runs the test `name` in a process of its own.
    pub(crate) fn run(name: &str, task: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture", "--ignored"]).env(TASK, task).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Waits for a line that starts with `word` and returns the rest of it.
    pub(crate) fn wait_for(&mut self, word: &str) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let found =
            lines.map(Result::unwrap).find_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned()));
        found.unwrap_or_else(|| panic!("the child ended without saying {word:?}"))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
