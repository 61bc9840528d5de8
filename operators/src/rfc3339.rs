//! Timestamps as text: RFC 3339 in UTC with milliseconds.

use nowfold_core::time::Timestamp;

/// `2026-11-23T10:00:00.123Z`. Years outside 0 to 9999 are written with a sign and as many digits as they need.
pub fn rfc3339(timestamp: Timestamp) -> String {
    let ms = timestamp.as_millis();
    let (day, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(day);
    let year = if (0..=9_999).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", in_day % 1_000)
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar; the algorithm is
/// `civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts from Python's `datetime`.
    #[test]
    fn writes_utc_with_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_442_020_044_524, "2015-09-12T01:07:24.524Z"),
            (1_795_428_000_123, "2026-11-23T10:00:00.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(rfc3339(Timestamp::from_millis(ms)), text);
        }
    }

    #[test]
    fn writes_the_ends_of_time() {
        assert_eq!(rfc3339(Timestamp::MIN), "-292275055-05-16T16:47:04.192Z");
        assert_eq!(rfc3339(Timestamp::MAX), "+292278994-08-17T07:12:55.807Z");
    }
}
