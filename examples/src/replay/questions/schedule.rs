//! When each question is asked.

use std::iter::Peekable;
use std::vec;

use super::file::Question;

/// Questions in order of the lines that have to be fed before them; those for the same line in order of the file.
#[derive(Debug)]
pub struct Schedule {
    waiting: Peekable<vec::IntoIter<Question>>,
}

impl Schedule {
    /// Sorts the questions.
    pub fn new(mut questions: Vec<Question>) -> Self {
        questions.sort_by_key(|question| question.feed_lines.unwrap_or(u64::MAX));
        Self { waiting: questions.into_iter().peekable() }
    }

    /// Takes the questions whose lines are fed when all lines up to `complete_through` are: ask before the first line, with
    /// 0, after each, and with `u64::MAX` at the end of the feed: then all that are left are due.
    pub fn due(&mut self, complete_through: u64) -> Vec<Question> {
        let is_due = |question: &Question| question.feed_lines.unwrap_or(u64::MAX) <= complete_through;
        std::iter::from_fn(|| self.waiting.next_if(is_due)).collect()
    }

    /// Takes the rest, at the end of the feed: those for the whole feed, and those for more lines than it has.
    pub fn rest(self) -> Vec<Question> {
        self.waiting.collect()
    }

    /// Whether none is left.
    pub fn is_empty(&mut self) -> bool {
        self.waiting.peek().is_none()
    }
}
