//! Windows as text: `24h`, `last-10-within-24h`, `tumbling-24h-from-9h-previous`, `session-30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use nowfold_core::time::label;

use super::window::{Kind, Window};

/// A text that is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a window; write 24h, 24h-end-excluded, 24h-offset-1h, last-10, last-10-within-24h, tumbling-24h, \
     tumbling-24h-previous, tumbling-24h-from-9h or session-30m"
)]
pub struct WindowError {
    /// What was written.
    pub text: String,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Sliding { w, offset, end_excluded } => {
                f.write_str(&time(w))?;
                if offset != 0 {
                    write!(f, "-offset-{}", time(offset))?;
                }
                f.write_str(if end_excluded { "-end-excluded" } else { "" })
            }
            Kind::Last { n, within } => {
                write!(f, "last-{n}")?;
                within.map_or(Ok(()), |w| write!(f, "-within-{}", time(w)))
            }
            Kind::Tumbling { w, from, previous } => {
                write!(f, "tumbling-{}", time(w))?;
                if from != 0 {
                    write!(f, "-from-{}", time(from))?;
                }
                f.write_str(if previous { "-previous" } else { "" })
            }
            Kind::Session { gap } => write!(f, "session-{}", time(gap)),
        }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    /// Reads what [`Display`](fmt::Display) writes. Durations may be in any unit of `ms`, `s`, `m`, `h` and `d`.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let parts: Vec<_> = text.split('-').collect();
        parse(&parts).ok_or_else(|| WindowError { text: text.to_owned() })
    }
}

fn parse(parts: &[&str]) -> Option<Window> {
    Some(match parts {
        ["last", n] => Window::last(count(n)?),
        ["last", n, "within", w] => Window::last(count(n)?).within(duration(w)?),
        ["session", gap] => Window::session(duration(gap)?),
        ["tumbling", rest @ ..] => tumbling(rest)?,
        [w, rest @ ..] => sliding(Window::sliding(duration(w)?), rest)?,
        [] => return None,
    })
}

fn sliding(window: Window, rest: &[&str]) -> Option<Window> {
    match rest {
        [] => Some(window),
        ["end", "excluded"] => Some(window.end_excluded()),
        ["offset", offset, rest @ ..] => match rest {
            [] | ["end", "excluded"] => sliding(window.offset(duration(offset)?), rest),
            _ => None,
        },
        _ => None,
    }
}

fn tumbling(parts: &[&str]) -> Option<Window> {
    match parts {
        [w] => Some(Window::tumbling(duration(w)?)),
        [w, "previous"] => Some(Window::tumbling(duration(w)?).previous()),
        [w, "from", from] => Some(Window::tumbling(duration(w)?).aligned(duration(from)?)),
        [w, "from", from, "previous"] => Some(Window::tumbling(duration(w)?).aligned(duration(from)?).previous()),
        _ => None,
    }
}

fn time(ms: i64) -> String {
    label(Duration::from_millis(ms.unsigned_abs()))
}

fn count(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::hours;

    use super::*;

    #[test]
    fn windows_read_as_they_print() {
        for text in [
            "24h",
            "90m",
            "24h-end-excluded",
            "24h-offset-1h",
            "24h-offset-1h-end-excluded",
            "last-10",
            "last-10-within-24h",
            "tumbling-24h",
            "tumbling-24h-previous",
            "tumbling-24h-from-9h",
            "tumbling-24h-from-9h-previous",
            "session-30m",
            "session-1500ms",
        ] {
            assert_eq!(text.parse::<Window>().map(|window| window.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn durations_may_be_in_any_unit() {
        assert_eq!("1d".parse(), Ok(Window::sliding(hours(24))));
        assert_eq!("tumbling-1440m-from-540m".parse(), Ok(Window::tumbling(hours(24)).aligned(hours(9))));
    }

    #[test]
    fn refuses_what_is_no_window() {
        for text in [
            "",
            "24",
            "h",
            "-24h",
            "24h-",
            "24h-end-excluded-offset-1h",
            "24h-offset-1h-offset-2h",
            "last",
            "last-",
            "last-+3",
            "last-x",
            "last-3-within",
            "tumbling-24h-previous-from-9h",
            "session",
            "sliding-24h",
            "99999999999999999999h",
        ] {
            assert_eq!(text.parse::<Window>(), Err(WindowError { text: text.to_owned() }), "{text:?}");
        }
    }
}
