//! Parquet files stand for the JSON lines with the same values.

use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use nowfold::core::time::hours;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use crate::support::*;

const NUMBERS: [&str; 9] = ["year", "month", "day", "hour", "minute", "flight", "dep_delay", "arr_delay", "distance"];
const TEXTS: [&str; 4] = ["carrier", "tailnum", "origin", "dest"];

fn schema() -> String {
    let numbers: String = NUMBERS.iter().map(|name| format!("optional int64 {name};\n")).collect();
    let texts: String = TEXTS.iter().map(|name| format!("optional binary {name} (UTF8);\n")).collect();
    format!("message flights {{ {numbers} {texts} optional double dep_time; }}")
}

/// Writes records in row groups of 5,000.
fn write(path: &Path, records: &[Value], compression: Compression) {
    let schema = Arc::new(parse_message_type(&schema()).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(std::fs::File::create(path).unwrap(), schema, properties).unwrap();
    for chunk in records.chunks(5_000) {
        let mut group = writer.next_row_group().unwrap();
        NUMBERS.iter().for_each(|name| {
            column::<Int64Type>(&mut group, chunk.iter().map(|record| record[name].as_i64()));
        });
        TEXTS.iter().for_each(|name| {
            column::<ByteArrayType>(&mut group, chunk.iter().map(|record| record[name].as_str().map(ByteArray::from)));
        });
        column::<DoubleType>(&mut group, chunk.iter().map(|record| record["dep_time"].as_f64()));
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    values: impl Iterator<Item = Option<T::T>>,
) {
    let values: Vec<_> = values.collect();
    let levels: Vec<_> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<_> = values.into_iter().flatten().collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(&present, Some(&levels), None).unwrap();
    column.close().unwrap();
}

/// The bundled flights.
fn records() -> Vec<Value> {
    let file = std::fs::File::open(flights().join("events.jsonl.gz")).unwrap();
    let text = std::io::read_to_string(GzDecoder::new(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parquet_gives_the_answers_of_the_same_json() {
    let (world, records) = (World::new(), records());
    let (first, rest) = records.split_at(12_345);
    write(&world.path("1.parquet"), first, Compression::SNAPPY);
    write(&world.path("2"), rest, Compression::LZ4_RAW);
    let (out, _) = done(world.backfill(&mapping(), &[KEPT, &["--only", "plane", "1.parquet", "2"]].concat()));
    assert!(out.contains("flights-by-plane: 30959 actions"), "{out}");
    // The lines again as JSON, under the same ids: nothing may change.
    let json = ["--only", "plane", "--progress", "json.json"];
    done(world.backfill(&mapping(), &[KEPT, &json].concat()));
    let app = store(world.config(), "planes", "flights-by-plane");
    assert!(check_questions(&app, "tailnum") > 10);
    for (actor, n) in counts(&records).into_iter().take(50) {
        assert_eq!(count_of(&app, &actor, AFTER_ALL, hours(8_000)), n, "{actor}");
    }
    app.close().unwrap();
}

/// Flights of each plane.
fn counts(records: &[Value]) -> std::collections::BTreeMap<String, u64> {
    let mut counts = std::collections::BTreeMap::new();
    records.iter().filter_map(|record| record["tailnum"].as_str()).for_each(|plane| {
        *counts.entry(plane.to_owned()).or_default() += 1;
    });
    counts
}

#[test]
fn a_column_that_is_not_there_is_told_before_anything_is_read() {
    let world = World::new();
    write(&world.path("f.parquet"), &records()[..10], Compression::UNCOMPRESSED);
    let text = std::fs::read_to_string(mapping()).unwrap().replace("\"/tailnum\"", "\"/tail_num\"");
    let mapping = world.write("m.toml", &text);
    let err = fails(world.backfill(&mapping, &["f.parquet"]), 3);
    assert!(err.contains("f.parquet: NF140 the mapping reads fields that no record has:"), "{err}");
    assert!(err.contains("\"/tail_num\", read by plane.actor; did you mean \"/tailnum\"?"), "{err}");
    assert!(!world.path("log").exists(), "nothing may be created");
}

#[test]
fn a_damaged_file_is_named() {
    let world = World::new();
    world.write("f.parquet", "PAR1 and then nothing of the kind");
    let err = fails(world.backfill(&mapping(), &["f.parquet"]), 3);
    assert!(err.contains("NF143 the file f.parquet cannot be read"), "{err}");
}
