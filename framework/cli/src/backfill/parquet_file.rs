//! Rows of a Parquet file as the JSON records that a mapping reads.
//!
//! | Parquet | JSON |
//! |---|---|
//! | null, boolean, integers, floats | the same; NaN and infinity are null |
//! | string, enum, JSON; binary that is UTF-8 | a text; other binary is an array of its bytes |
//! | timestamp in ms or us | RFC 3339 in UTC: `2013-07-01T09:00:00.250Z` |
//! | date | `2013-07-01` |
//! | decimal, time | a text |
//! | list, struct, map | array, object, object |

use std::fs::File;
use std::path::{Path, PathBuf};

use nowfold::core::time::Timestamp;
use nowfold::operators::rfc3339;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use super::error::BackfillError;

/// The first four bytes of a Parquet file.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// A Parquet file, its columns known.
pub(super) struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

/// Its rows as records.
pub(super) struct Rows {
    path: PathBuf,
    rows: RowIter<'static>,
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> Result<Self, BackfillError> {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| unreadable(path, error))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// Names of the top-level columns.
    pub(super) fn columns(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema();
        schema.get_fields().iter().map(|field| field.name().to_owned()).collect()
    }

    pub(super) fn rows(self) -> Rows {
        Rows { path: self.path, rows: RowIter::from_file_into(Box::new(self.reader)) }
    }
}

impl Iterator for Rows {
    type Item = Result<Value, BackfillError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.map(|row| record(&row)).map_err(|error| unreadable(&self.path, error)))
    }
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> BackfillError {
    let mut cause = error.to_string();
    if cause.to_lowercase().contains("zstd") {
        cause += "; build nowfold-cli with the feature `zstd`, or write the file with snappy, gzip or lz4";
    }
    BackfillError::Unreadable { path: path.to_owned(), cause }
}

fn record(row: &Row) -> Value {
    Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect())
}

fn json(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => Value::Bool(*truth),
        Field::Byte(n) => (*n).into(),
        Field::Short(n) => (*n).into(),
        Field::Int(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::UByte(n) => (*n).into(),
        Field::UShort(n) => (*n).into(),
        Field::UInt(n) => (*n).into(),
        Field::ULong(n) => (*n).into(),
        Field::Float16(n) => float(f64::from(f32::from(*n))),
        Field::Float(n) => shortest(*n),
        Field::Double(n) => float(*n),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => bytes.data().iter().map(|byte| Value::from(*byte)).collect(),
        },
        Field::TimestampMillis(ms) => Value::String(rfc3339(Timestamp::from_millis(*ms))),
        Field::TimestampMicros(us) => Value::String(micros(*us)),
        Field::Group(row) => record(row),
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        Field::MapInternal(map) => {
            Value::Object(map.entries().iter().map(|(k, v)| (key(k), json(v))).collect::<Map<_, _>>())
        }
        // Dates, times and decimals are written as text by the library.
        other => Value::String(other.to_string()),
    }
}

fn float(n: f64) -> Value {
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}

/// An f32 as the decimal that a person would write: 0.1 and not 0.10000000149011612.
fn shortest(n: f32) -> Value {
    n.to_string().parse().map_or(Value::Null, float)
}

fn micros(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |instant| instant.to_string())
}

fn key(field: &Field) -> String {
    match json(field) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
