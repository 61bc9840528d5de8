//! Problems found in a document, and how they are shown.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use crate::suggest::nearest;

/// Bytes of the document.
pub type Span = Range<usize>;

/// What kind of problem it is; each has its line in `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The key means nothing here.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey,
    /// The value is of the wrong type, or says nothing that can be done.
    BadValue,
    /// The document is not TOML.
    Syntax,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "NF101",
            Self::MissingKey => "NF102",
            Self::BadValue => "NF103",
            Self::Syntax => "NF104",
        }
    }
}

/// The problems of one document, collected while it is read.
#[derive(Debug, Default)]
pub struct Problems {
    noted: RefCell<Vec<Problem>>,
    /// The document's name where it is JSON, whose values have no lines: items of arrays are numbered instead.
    json: Option<String>,
}

#[derive(Debug)]
struct Problem {
    code: Code,
    span: Span,
    message: String,
}

impl Problems {
    /// None yet, of a JSON document.
    pub(crate) fn of_json(name: &str) -> Self {
        Self { json: Some(name.to_owned()), ..Self::default() }
    }

    /// What the whole document is called.
    pub(crate) fn document(&self) -> &str {
        self.json.as_deref().unwrap_or("the file")
    }

    /// The place of an array's item.
    pub(crate) fn place_of_item(&self, place: &str, index: usize) -> String {
        if self.json.is_some() { format!("{place}[{index}]") } else { place.to_owned() }
    }

    /// Notes a problem at these bytes.
    pub fn note(&self, code: Code, span: Span, message: impl Into<String>) {
        self.noted.borrow_mut().push(Problem { code, span, message: message.into() });
    }

    /// Notes that a name is unknown, with the nearest known one; `place` such as ` in [feed]`.
    pub fn unknown(&self, code: Code, span: Span, what: &str, name: &str, place: &str, known: &[&str]) {
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None if known.is_empty() => "; there are none".to_owned(),
            None => format!("; known here: {}", known.join(", ")),
        };
        self.note(code, span, format!("unknown {what} \"{name}\"{place}{help}"));
    }

    /// Whether none was noted.
    pub fn is_empty(&self) -> bool {
        self.noted.borrow().is_empty()
    }

    /// Everything that was noted, in order of the document. Without its text, problems name no lines.
    pub(crate) fn report(self, file: &str, text: Option<&str>) -> Report {
        let mut problems = self.noted.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.code));
        let show = |problem: &Problem| match text {
            Some(text) => problem.show(file, text),
            None => format!("{} {}", problem.code.as_str(), problem.message),
        };
        let shown = problems.iter().map(show).collect();
        Report { file: file.to_owned(), problems: shown }
    }
}

impl Problem {
    /// `NF101 job.toml:14: unknown key ...` with the line and carets under the place.
    fn show(&self, file: &str, text: &str) -> String {
        let start = floor_boundary(text, self.span.start);
        let end = floor_boundary(text, self.span.end.max(start));
        let before = text.get(..start).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let indent = before.rsplit('\n').next().unwrap_or_default();
        let rest = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let marked = text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default();
        let gutter = " ".repeat(number.to_string().len());
        let pad: String = indent.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(marked.chars().count().max(1));
        let (code, message) = (self.code.as_str(), &self.message);
        format!("{code} {file}:{number}: {message}\n{gutter} |\n{number} | {indent}{rest}\n{gutter} | {pad}{carets}")
    }
}

/// The last character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Every problem of one document, in order of its lines: code, `file:line`, cause, next step, and the place marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    file: String,
    problems: Vec<String>,
}

impl Report {
    /// One text for each problem, each of several lines.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
        }
        let n = self.problems.len();
        write!(f, "{}: {n} {} to mend", self.file, if n == 1 { "problem" } else { "problems" })
    }
}

impl std::error::Error for Report {}
