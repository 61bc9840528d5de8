//! Mapping files, and the records that they map.

use nowfold_mapping::CompiledMapping;
use serde_json::Value;

/// The text of a mapping in TOML; what follows a line `---` are JSON records for it.
pub fn mapping(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, records) = text.split_once("\n---\n").unwrap_or((text, ""));
    let mapping = match CompiledMapping::parse("mapping.toml", file) {
        Ok(mapping) => mapping,
        Err(report) => return assert!(!report.problems().is_empty(), "refused without a reason"),
    };
    for (line, record) in (1..).zip(records.lines()) {
        let Ok(record) = serde_json::from_str::<Value>(record) else { continue };
        mapping.map(line, &record).for_each(drop);
        let _ = mapping.event_time(&record);
    }
}
