//! Questions about a feed, and their answers, in the formats that outside checkers read.
//!
//! A question file is one JSON object with a list `queries`; an answer is one JSON object on a line of its own. The
//! meaning of both: `docs/guide/replay.md`, "Questions and answers".

mod answer;
mod check;
mod file;
mod schedule;

pub use answer::Answer;
pub use check::{Tolerance, differences};
pub use file::{Question, QuestionFile, QuestionFileError};
pub use schedule::Schedule;
