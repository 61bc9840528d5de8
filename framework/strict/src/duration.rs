//! Durations as people write them: `97h`, `1h 30m`, `500ms`.

use std::time::Duration;

/// Reads a duration: whole numbers, each with one of the units `ms`, `s`, `m`, `h` and `d`, added up.
///
/// # Errors
///
/// A sentence that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("is no duration: \"{text}\"; write one such as \"97h\", \"1h 30m\", \"45s\" or \"500ms\"");
    let (mut rest, mut total_ms) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
        let unit_ms = unit_ms(unit).ok_or_else(refuse)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)).ok_or_else(refuse)?;
        total_ms = total_ms.checked_add(part).ok_or_else(refuse)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}

fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units() {
        for (text, ms) in [("97h", 349_200_000), ("1h 30m", 5_400_000), ("1h30m", 5_400_000), (" 7 d ", 604_800_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["", " ", "97", "h", "1.5h", "-1h", "1w", "5min", "99999999999999999999h", "9999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
