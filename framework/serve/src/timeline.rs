//! The instants of a question about several of them.

use nowfold_core::time::{Timestamp, millis};
use serde::Deserialize;

use crate::question::Instant;
use crate::text;

/// `["2026-11-23T10:00:00Z", ...]`, or `{"from": ..., "to": ..., "step": "1h"}` with both ends included.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Timeline {
    Instants(Vec<Instant>),
    Range(Range),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    from: Instant,
    to: Instant,
    step: String,
}

impl Timeline {
    /// The instants in order, at most `most` of them.
    pub(crate) fn instants(&self, most: usize) -> Result<Vec<Timestamp>, String> {
        let instants = match self {
            Self::Instants(instants) => {
                instants.iter().take(most.saturating_add(1)).map(Instant::read).collect::<Result<Vec<_>, _>>()?
            }
            Self::Range(range) => range.instants(most)?,
        };
        match instants.len() {
            0 => Err("has no instant; name one, or leave it out".to_owned()),
            n if n > most => {
                Err(format!("has more instants than the {most} that one request may ask for all its actors"))
            }
            _ => Ok(instants),
        }
    }
}

impl Range {
    /// One more than `most` where there are more.
    fn instants(&self, most: usize) -> Result<Vec<Timestamp>, String> {
        let (from, to) = (self.from.read()?, self.to.read()?);
        let step = text::duration(&self.step)?;
        if millis(step) == 0 {
            return Err("has a step of nothing; write 1h or another duration".to_owned());
        }
        let next = |at: &Timestamp| Some(at.plus(step)).filter(|next| next > at);
        let all = std::iter::successors(Some(from), next).take_while(|at| *at <= to);
        Ok(all.take(most.saturating_add(1)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn instants(json: Value, most: usize) -> Result<Vec<i64>, String> {
        let timeline: Timeline = serde_json::from_value(json).map_err(|error| error.to_string())?;
        Ok(timeline.instants(most)?.into_iter().map(Timestamp::as_millis).collect())
    }

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(instants(json!({"from": 0, "to": 3_000, "step": "1s"}), 10), Ok(vec![0, 1_000, 2_000, 3_000]));
        assert_eq!(instants(json!({"from": 0, "to": 2_999, "step": "1s"}), 3), Ok(vec![0, 1_000, 2_000]));
        assert_eq!(instants(json!(["1970-01-01T00:00:01Z", 5]), 2), Ok(vec![1_000, 5]));
        let end = json!({"from": i64::MAX - 1, "to": i64::MAX, "step": "1s"});
        assert_eq!(instants(end, 3), Ok(vec![i64::MAX - 1, i64::MAX]));
    }

    #[test]
    fn refuses_none_and_too_many() {
        for (json, most) in [
            (json!([]), 5),
            (json!({"from": 2, "to": 1, "step": "1s"}), 5),
            (json!({"from": 0, "to": 1, "step": "0s"}), 5),
            (json!({"from": 0, "to": 1_000_000_000_000_i64, "step": "1ms"}), 5),
            (json!([1, 2, 3]), 2),
            (json!(["now"]), 2),
            (json!({"from": 0, "to": 1}), 5),
        ] {
            assert!(instants(json.clone(), most).is_err(), "{json}");
        }
    }
}
