//! Times: where they stand, how they are written, in which zone.

use jiff::tz::TimeZone;

use super::text::{Bare, source, source_in};
use crate::time::{TimeFormat, TimeSource};
use nowfold_strict::{Node, Section};

const FORMATS: [&str; 5] = ["rfc3339", "epoch-s", "epoch-ms", "epoch-us", "epoch-ns"];

/// A time; a plain text stands for one in RFC 3339.
pub(super) fn time(node: &Node<'_>) -> Option<TimeSource> {
    if !node.value().is_table() {
        return source(node, Bare::Refused).map(|text| TimeSource { text, format: TimeFormat::Rfc3339(None) });
    }
    let mut section = node.section()?;
    let text = source_in(&mut section);
    let format = format(&mut section);
    section.finish();
    let text = text?.or_else(|| node.wrong("needs one of \"pointer\", \"template\", \"join\" and \"first_of\""));
    Some(TimeSource { text: text?, format: format? })
}

fn format(section: &mut Section<'_>) -> Option<TimeFormat> {
    let zone_node = section.get("zone");
    let zone = section.maybe("zone", zone);
    let Some(node) = section.get("format") else { return Some(TimeFormat::Rfc3339(zone?)) };
    let name = node.text()?;
    let epoch = match name {
        "rfc3339" => return Some(TimeFormat::Rfc3339(zone?)),
        "epoch-s" => 1_000_000_000,
        "epoch-ms" => 1_000_000,
        "epoch-us" => 1_000,
        "epoch-ns" => 1,
        pattern if pattern.contains('%') => {
            let format = TimeFormat::Pattern(pattern.to_owned(), zone?);
            return format.check().map_or_else(|error| node.wrong(error), |()| Some(format));
        }
        other => return node.unknown("format", other, &FORMATS),
    };
    match zone_node {
        Some(zone) => zone.wrong("says nothing here: time since the epoch has no zone"),
        None => Some(TimeFormat::Epoch(epoch)),
    }
}

fn zone(node: &Node<'_>) -> Option<TimeZone> {
    let name = node.text()?;
    TimeZone::get(name).ok().or_else(|| {
        node.wrong(format!("is no known time zone: \"{name}\"; write one such as \"UTC\" or \"America/New_York\""))
    })
}
