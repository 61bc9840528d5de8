//! When it happened: from numbers and texts to milliseconds since the Unix epoch.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use nowfold_core::time::Timestamp;
use serde_json::Value;

use crate::text::{NotText, TextSource};

/// Where a record's time stands and how it is written. See `docs/guide/replay.md`, "Times".
///
/// Anything finer than a millisecond is cut off towards the past. A local time that a change of clocks skips or repeats
/// follows jiff's "compatible" rule, as in RFC 5545: the earlier of two, and a skipped one moves forward by the gap.
#[derive(Clone, Debug)]
pub struct TimeSource {
    pub(crate) text: TextSource,
    pub(crate) format: TimeFormat,
}

/// How a time is written.
#[derive(Clone, Debug)]
pub(crate) enum TimeFormat {
    /// A number: this many nanoseconds a unit.
    Epoch(i64),
    /// RFC 3339 or ISO 8601; without an offset it is local to the zone.
    Rfc3339(Option<TimeZone>),
    /// A strptime pattern; without an offset or a zone of its own it is local to the zone.
    Pattern(String, Option<TimeZone>),
}

/// Why a record has no usable time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTime {
    /// It is missing.
    #[error("the record has no time where the mapping's \"timestamp\" looks")]
    Missing,
    /// It is not a text.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// It cannot be read.
    #[error("the time \"{text}\" cannot be read: {cause}")]
    Unreadable {
        /// The text that was found.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl TimeSource {
    /// The record's time.
    ///
    /// # Errors
    ///
    /// When it is missing or cannot be read.
    pub fn time(&self, record: &Value) -> Result<Timestamp, BadTime> {
        let text = self.text.text(record)?.ok_or(BadTime::Missing)?;
        let millis = self.format.millis(text.trim());
        millis.map(Timestamp::from_millis).map_err(|cause| BadTime::Unreadable { text: text.into_owned(), cause })
    }
}

impl TimeFormat {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn millis(&self, text: &str) -> Result<i64, String> {
        match self {
            Self::Epoch(nanos_per_unit) => epoch_millis(text, *nanos_per_unit),
            Self::Rfc3339(zone) => rfc3339(text, zone.as_ref()).map(floor_millis).map_err(|error| error.to_string()),
            Self::Pattern(pattern, zone) => {
                strptime(pattern, text, zone.as_ref()).map(floor_millis).map_err(|error| error.to_string())
            }
        }
    }

    /// Checks that a pattern can be read back into an instant.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self::Pattern(pattern, zone) = self else { return Ok(()) };
        let sample = DateTime::constant(2013, 7, 14, 21, 14, 5, 250_000_000);
        let sample = sample.to_zoned(zone.clone().unwrap_or(TimeZone::UTC)).map_err(|error| error.to_string())?;
        let explain = |error: jiff::Error| format!("is not a strptime pattern for a time: {error}");
        let written = strtime::format(pattern, &sample).map_err(explain)?;
        if zone.is_none() && strptime(pattern, &written, Some(&TimeZone::UTC)).is_ok() {
            let unzoned =
                "needs a \"zone\" beside it, such as \"UTC\" or \"America/New_York\": it has no offset of its own";
            return strptime(pattern, &written, None).map(drop).map_err(|_| unzoned.to_owned());
        }
        strptime(pattern, &written, zone.as_ref()).map(drop).map_err(explain)
    }
}

fn epoch_millis(text: &str, nanos_per_unit: i64) -> Result<i64, String> {
    let far = || "it is too far from 1970".to_owned();
    if let Ok(whole) = text.parse::<i64>() {
        let nanos = i128::from(whole) * i128::from(nanos_per_unit);
        return i64::try_from(nanos.div_euclid(1_000_000)).map_err(|_| far());
    }
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    #[expect(clippy::cast_precision_loss, reason = "one of 1, 1e3, 1e6 and 1e9, all exact in f64")]
    let micros = (number * (nanos_per_unit as f64 / 1_000.0)).round();
    if !micros.is_finite() || micros.abs() > 9e18 {
        return Err(far());
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of i64, as just checked")]
    Ok((micros as i64).div_euclid(1_000))
}

fn rfc3339(text: &str, zone: Option<&TimeZone>) -> Result<jiff::Timestamp, jiff::Error> {
    match (text.parse::<jiff::Timestamp>(), zone) {
        (Err(_), Some(zone)) => Ok(text.parse::<DateTime>()?.to_zoned(zone.clone())?.timestamp()),
        (instant, _) => instant,
    }
}

fn strptime(pattern: &str, text: &str, zone: Option<&TimeZone>) -> Result<jiff::Timestamp, jiff::Error> {
    let parts = strtime::parse(pattern, text)?;
    if parts.iana_time_zone().is_some() {
        return Ok(parts.to_zoned()?.timestamp());
    }
    match zone {
        Some(zone) if parts.offset().is_none() && parts.timestamp().is_none() => {
            Ok(parts.to_datetime()?.to_zoned(zone.clone())?.timestamp())
        }
        _ => parts.to_timestamp(),
    }
}

/// Whole milliseconds, cut towards the past.
fn floor_millis(instant: jiff::Timestamp) -> i64 {
    let millis = instant.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn zone(name: &str) -> Option<TimeZone> {
        (!name.is_empty()).then(|| TimeZone::get(name).unwrap())
    }

    #[rstest]
    #[case::millis(1_000_000, "1442018818771", 1_442_018_818_771)]
    #[case::millis_as_float(1_000_000, "1442018818771.0", 1_442_018_818_771)]
    #[case::seconds(1_000_000_000, "1442018818", 1_442_018_818_000)]
    #[case::fractional_seconds(1_000_000_000, "1442018818.771", 1_442_018_818_771)]
    #[case::finer_than_a_millisecond(1_000_000_000, "1442018818.7719", 1_442_018_818_771)]
    #[case::before_1970(1_000_000_000, "-0.0005", -1)]
    #[case::micros(1_000, "1442018818771999", 1_442_018_818_771)]
    #[case::nanos(1, "1442018818771999999", 1_442_018_818_771)]
    #[case::exponent(1_000_000_000, "1.5e9", 1_500_000_000_000)]
    fn reads_numbers(#[case] nanos_per_unit: i64, #[case] text: &str, #[case] expected: i64) {
        assert_eq!(TimeFormat::Epoch(nanos_per_unit).millis(text), Ok(expected));
    }

    #[rstest]
    #[case("2015-09-12T00:46:58.771Z", "", 1_442_018_818_771)]
    #[case("2015-09-12 00:46:58.771999Z", "", 1_442_018_818_771)]
    #[case("2015-09-12T02:46:58+02:00", "", 1_442_018_818_000)]
    #[case("2015-09-12T02:46:58+02:00", "America/New_York", 1_442_018_818_000)]
    #[case("2015-09-12T00:46:58", "UTC", 1_442_018_818_000)]
    #[case("2015-09-11 20:46:58", "America/New_York", 1_442_018_818_000)]
    fn reads_rfc3339(#[case] text: &str, #[case] name: &str, #[case] expected: i64) {
        assert_eq!(TimeFormat::Rfc3339(zone(name)).millis(text), Ok(expected));
    }

    #[rstest]
    #[case::online_retail("%Y-%m-%d %H:%M:%S", "UTC", "2010-12-01 08:26:00", 1_291_191_960_000)]
    #[case::unpadded("%Y-%m-%d %H:%M", "America/New_York", "2013-7-1 5:7", 1_372_669_620_000)]
    #[case::glued("%Y%m%d%H%M", "UTC", "201307010507", 1_372_655_220_000)]
    #[case::fraction("%Y-%m-%d %H:%M:%S%.f", "UTC", "2010-12-01 08:26:00.25", 1_291_191_960_250)]
    #[case::own_offset("%d/%b/%Y:%H:%M:%S %z", "", "01/Dec/2010:09:26:00 +0100", 1_291_191_960_000)]
    #[case::offset_beats_zone("%Y-%m-%dT%H:%M:%S%:z", "UTC", "2010-12-01T09:26:00+01:00", 1_291_191_960_000)]
    #[case::seconds_of_epoch("%s", "", "1291191960", 1_291_191_960_000)]
    #[case::twelve_hours("%m/%d/%y %I:%M %p", "UTC", "12/1/10 8:26 AM", 1_291_191_960_000)]
    #[case::date_only("%Y-%m-%d", "UTC", "2010-12-01", 1_291_161_600_000)]
    #[case::first_of_two("%Y-%m-%d %H:%M", "America/New_York", "2013-11-03 01:30", 1_383_456_600_000)]
    #[case::skipped("%Y-%m-%d %H:%M", "America/New_York", "2013-03-10 02:30", 1_362_900_600_000)]
    fn reads_patterns(#[case] pattern: &str, #[case] name: &str, #[case] text: &str, #[case] expected: i64) {
        let format = TimeFormat::Pattern(pattern.to_owned(), zone(name));
        assert_eq!(format.check(), Ok(()));
        assert_eq!(format.millis(text), Ok(expected));
    }

    #[rstest]
    #[case(TimeFormat::Epoch(1_000_000), "yesterday")]
    #[case(TimeFormat::Epoch(1_000_000_000), "1e300")]
    #[case(TimeFormat::Epoch(1_000_000_000), "9223372036854775807")]
    #[case(TimeFormat::Epoch(1_000_000_000), "nan")]
    #[case(TimeFormat::Rfc3339(None), "2015-09-12T00:46:58")]
    #[case(TimeFormat::Pattern("%Y-%m-%d".to_owned(), zone("UTC")), "2015-13-12")]
    #[case(TimeFormat::Pattern("%Y-%m-%d".to_owned(), zone("UTC")), "2015-12-12 more")]
    fn refuses_what_is_no_time(#[case] format: TimeFormat, #[case] text: &str) {
        assert!(format.millis(text).is_err(), "{text}");
    }

    #[rstest]
    #[case::no_zone("%Y-%m-%d %H:%M", "needs a \"zone\"")]
    #[case::no_date("%H:%M", "is not a strptime pattern")]
    #[case::unknown("%Y-%m-%d %!", "is not a strptime pattern")]
    fn refuses_patterns_that_give_no_instant(#[case] pattern: &str, #[case] message: &str) {
        let error = TimeFormat::Pattern(pattern.to_owned(), None).check().unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
