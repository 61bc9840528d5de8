//! Instants and durations as people write them.

use std::time::Duration;

use nowfold_core::time::Timestamp;

/// An instant: RFC 3339, or milliseconds since the Unix epoch.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(ms) = text.parse() {
        return Ok(Timestamp::from_millis(ms));
    }
    // A plus that was not percent-encoded arrives as a blank.
    let with_plus = text.replace(' ', "+");
    let parsed: Result<jiff::Timestamp, _> = with_plus.parse();
    parsed.map(|instant| Timestamp::from_millis(instant.as_millisecond())).map_err(|_| {
        format!(
            "{text:?} is not an instant; write 2026-11-23T10:00:00Z or milliseconds since 1970, such as 1795428000000"
        )
    })
}

/// A duration in one unit: `500ms`, `30s`, `5m`, `24h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("{text:?} is not a duration; write 500ms, 30s, 5m, 24h or 7d"))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
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
    use nowfold_core::time::{days, hours, millisecs, minutes, seconds};

    use super::*;

    #[test]
    fn reads_instants_in_both_forms() {
        let cases = [
            ("1795428000123", 1_795_428_000_123),
            ("-5", -5),
            ("2026-11-23T10:00:00.123Z", 1_795_428_000_123),
            ("2026-11-23T11:00:00.123+01:00", 1_795_428_000_123),
            ("2026-11-23T11:00:00.123 01:00", 1_795_428_000_123),
        ];
        for (text, ms) in cases {
            assert_eq!(instant(text), Ok(Timestamp::from_millis(ms)), "{text:?}");
        }
        for text in ["", "yesterday", "2026-11-23", "2026-11-23T10:00:00", "99999999999999999999"] {
            assert!(instant(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_durations_in_one_unit() {
        let cases =
            [("500ms", millisecs(500)), ("30s", seconds(30)), ("5m", minutes(5)), ("24h", hours(24)), ("7d", days(7))];
        for (text, expected) in cases {
            assert_eq!(duration(text), Ok(expected), "{text:?}");
        }
        for text in ["", "24", "h", "-5m", "1.5h", "24 h", "24H", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
