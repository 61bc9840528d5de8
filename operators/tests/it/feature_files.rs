//! Feature files: every aggregate by its name in Rust, checked against a schema, with all mistakes at once.

use nowfold_core::time::{hours, minutes};
use nowfold_operators::Actions;
use nowfold_operators::feature::{
    ActionSchema, AttributeKind, Feature, FeatureFile, FeatureName, Normalize, SpecLimits, Window, all, any, attr,
    feature, not,
};
use serde_json::json;

const SCHEMA: &str = r#"
[schema]
verbs = ["apply", "view", "dismiss"]
actor = { country = "text" }
verb = { seconds = "i64" }
object = { price = "number", embedding = "vector", company = "text", remote = "bool", tags = "list", thing = "any" }
"#;

/// One feature named `f` of the given keys, with the schema.
fn entry(keys: &str) -> String {
    format!("{SCHEMA}\n[[features]]\nname = \"f\"\n{keys}\n")
}

#[track_caller]
fn read(keys: &str) -> Feature {
    let file = FeatureFile::parse("f.toml", &entry(keys)).unwrap_or_else(|report| panic!("{report}"));
    file.into_features().remove(0)
}

fn f() -> FeatureName {
    feature("f")
}

#[test]
fn every_aggregate_has_its_name_in_rust() {
    let (p, e, c) = ("object.price", "object.embedding", "object.company");
    let weights = [("apply", 1.0), ("dismiss", -1.0)];
    let cases = [
        ("count", "", f().count()),
        ("exists", "", f().exists()),
        ("recency", "", f().recency()),
        ("rate", "", f().rate()),
        ("session_count", "gap = \"30m\"", f().session_count(minutes(30))),
        ("count_by", "of = \"object.company\"", f().count_by(c)),
        ("distinct_count", "of = \"object\"", f().distinct_count("object")),
        ("top_n", "of = \"object.company\"\nk = 3", f().top_n(3, c)),
        ("ratio_top1", "of = \"verb\"", f().ratio_top1("verb")),
        ("actions", "select = [\"object\", \"object.*\"]", f().actions(["object", "object.*"])),
        ("last", "of = \"object\"\nk = 5", f().last(5, "object")),
        ("first", "of = \"object\"", f().first(1, "object")),
        ("last_value", "of = \"object.price\"", f().last_value(p)),
        ("first_value", "of = \"object.thing\"", f().first_value("object.thing")),
        ("sum", "of = \"verb.seconds\"", f().sum("verb.seconds")),
        ("mean", "of = \"object.embedding\"", f().mean(e)),
        (
            "weighted_mean",
            "of = \"object.price\"\nweights = { apply = 1, dismiss = -1.0 }",
            f().weighted_mean(p, weights),
        ),
        ("min", "of = \"object.price\"", f().min(p)),
        ("max", "of = \"object.price\"", f().max(p)),
        ("var_pop", "of = \"object.price\"", f().var_pop(p)),
        ("var_sample", "of = \"object.price\"", f().var_sample(p)),
        ("stddev_pop", "of = \"object.price\"", f().stddev_pop(p)),
        ("stddev_sample", "of = \"object.price\"", f().stddev_sample(p)),
        ("quantile", "of = \"object.price\"\np = 0.9", f().quantile(0.9, p)),
        ("top_k", "of = \"object.price\"\nk = 2", f().top_k(2, p)),
        ("sum_by", "of = \"object.price\"\nby = \"object.company\"", f().sum_by(p, c)),
        ("mean_by", "of = \"object.price\"\nby = \"verb\"", f().mean_by(p, "verb")),
        ("decay_sum", "of = \"object.price\"\nhalf_life = \"6h\"", f().decay_sum(p, hours(6))),
        ("decay_count", "half_life = \"6h\"", f().decay_count(hours(6))),
        ("decay_mean", "of = \"object.price\"\nhalf_life = \"6h\"", f().decay_mean(p, hours(6))),
        ("vec_mean", "of = \"object.embedding\"", f().vec_mean(e)),
        ("vec_sum", "of = \"object.embedding\"", f().vec_sum(e)),
        ("vec_min", "of = \"object.embedding\"", f().vec_min(e)),
        ("vec_max", "of = \"object.embedding\"", f().vec_max(e)),
        ("vec_decay_mean", "of = \"object.embedding\"\nhalf_life = \"6h\"", f().vec_decay_mean(e, hours(6))),
        (
            "vec_weighted_mean",
            "of = \"object.embedding\"\nweights = { apply = 1, dismiss = -1 }",
            f().vec_weighted_mean(e, weights),
        ),
        ("vec_mean_by", "of = \"object.embedding\"\nby = \"object.company\"", f().vec_mean_by(e, c)),
        ("vec_dispersion", "of = \"object.embedding\"", f().vec_dispersion(e)),
    ];
    for (name, keys, expected) in &cases {
        let found = read(&format!("aggregate = \"{name}\"\nwithin = \"24h\"\n{keys}"));
        assert_eq!(found, expected.clone().within(hours(24)), "{name}");
    }
    let trend = read("aggregate = \"trend\"\nwithin = [\"24h\", \"24h-offset-24h\"]");
    let day = Window::sliding(hours(24));
    assert_eq!(trend, f().trend(day, day.offset(hours(24))));
    // The message for an unknown name lists every one of them.
    let report = FeatureFile::parse("f.toml", &entry("aggregate = \"zzzzzzzz\"\nwithin = \"1h\"")).unwrap_err();
    let listed = report.problems()[0].split("known here: ").nth(1).unwrap().lines().next().unwrap().split(", ");
    let listed: Vec<_> = listed.collect();
    let mut named: Vec<_> = cases.iter().map(|(name, ..)| *name).chain(["trend"]).collect();
    named.sort_unstable();
    assert_eq!(listed, named);
}

#[test]
fn windows_of_every_kind_are_named_by_their_labels() {
    let keys = "aggregate = \"count\"\nwithin = [\"1h\", \"24h-end-excluded\", \"24h-offset-1h\", \"last-10-within-24h\", \
                \"tumbling-24h-from-9h-previous\", \"session-30m\"]\nseries = { window = \"24h\", step = \"12h\", count = 2 }";
    let day = || Window::sliding(hours(24));
    let expected = f().count().windows([
        Window::sliding(hours(1)),
        day().end_excluded(),
        day().offset(hours(1)),
        Window::last(10).within(hours(24)),
        Window::tumbling(hours(24)).aligned(hours(9)).previous(),
        Window::session(minutes(30)),
        day(),
        day().offset(hours(12)),
    ]);
    assert_eq!(read(keys), expected);
}

#[test]
fn conditions_and_options_are_those_of_rust() {
    let keys = r#"
aggregate = "last"
of = "object"
verbs = ["apply", "view"]
within = "24h"
distinct_by = "object.company"
where = [
    { path = "object.price", between = [10, 99.5] },
    { any = [{ path = "object.company", is_in = ["acme", "x"] }, { path = "object.remote", eq = true }] },
    { not = { path = "object.tags", is_null = true } },
    { path = "verb.seconds", gt = 5, le = 60, ne = 7 },
    { path = "actor.country", is_null = false },
]
"#;
    let (price, seconds) = (|| attr("object.price"), || attr("verb.seconds"));
    let filter = all([
        price().between(10, 99.5),
        any([attr("object.company").is_in(["acme", "x"]), attr("object.remote").eq(true)]),
        not(attr("object.tags").is_null()),
        all([seconds().ne(7), seconds().le(60), seconds().gt(5)]),
        not(attr("actor.country").is_null()),
    ]);
    let expected = f().last(1, "object").verbs(["apply", "view"]).distinct_by("object.company").filter(filter);
    assert_eq!(read(keys), expected.within(hours(24)));
    let keys = "aggregate = \"vec_mean\"\nof = \"object.embedding\"\nnormalize = \"both\"\ndefault = [0, 0.5]\nwithin = \"1h\"";
    let expected = f().vec_mean("object.embedding").normalize(Normalize::Both).default_value(vec![0.0_f32, 0.5]);
    assert_eq!(read(keys), expected.within(hours(1)));
    let capped = read("aggregate = \"count_by\"\nof = \"verb\"\ncap = 5\nwithin = \"1h\"");
    assert_eq!(capped, f().count_by("verb").cap(5).within(hours(1)));
    let limited = read("aggregate = \"actions\"\nlimit = 5\nwithin = \"1h\"");
    assert_eq!(limited, f().actions::<&str>([]).limit(5).within(hours(1)));
}

/// The one problem of an entry, without place and excerpt.
#[track_caller]
fn problem(keys: &str) -> String {
    let report = FeatureFile::parse("f.toml", &entry(keys)).unwrap_err();
    let [one] = report.problems() else { panic!("{report}") };
    one.lines().next().unwrap().split_once(": ").unwrap().1.to_owned()
}

#[test]
fn every_mistake_says_what_to_write() {
    let cases = [
        ("aggregate = \"counts\"", "unknown aggregate \"counts\" at features.aggregate; did you mean \"count\"?"),
        ("", "[features] needs the key \"aggregate\""),
        ("aggregate = \"sum\"", "[features] needs the key \"of\" for \"sum\""),
        (
            "aggregate = \"sum\"\nof = \"object.prize\"",
            "unknown attribute \"object.prize\" at features.of; did you mean \"object.price\"?",
        ),
        (
            "aggregate = \"sum\"\nof = \"price\"",
            "features.of is \"price\", which is no path; did you mean \"object.price\"?",
        ),
        (
            "aggregate = \"sum\"\nof = \"object.embedding\"",
            "features.of is \"object.embedding\", which is a vector; this needs a number",
        ),
        (
            "aggregate = \"mean\"\nof = \"verb\"",
            "features.of is \"verb\", which is text; this needs a number or a vector",
        ),
        ("aggregate = \"count\"\nof = \"verb\"", "features.of does not go with the aggregate \"count\""),
        ("aggregate = \"count\"\nverbs = \"aply\"", "unknown verb \"aply\" at features.verbs; did you mean \"apply\"?"),
        ("aggregate = \"count\"\nverb = \"apply\"", "unknown key \"verb\" in [features]; did you mean \"verbs\"?"),
        (
            "aggregate = \"count\"\ncap = 3",
            "features.cap is for counts, sums and means by value, distinct_count and quantile",
        ),
        ("aggregate = \"count\"\nlimit = 3", "features.limit is for actions"),
        ("aggregate = \"count\"\ndistinct_by = \"object\"", "features.distinct_by is for first, last and actions"),
        ("aggregate = \"last\"\nof = \"object\"\nk = 0", "features.k must be at least 1"),
        (
            "aggregate = \"quantile\"\nof = \"object.price\"\np = 50",
            "features.p must be from 0 to 1; the median is 0.5",
        ),
        (
            "aggregate = \"weighted_mean\"\nof = \"object.price\"\nweights = { aply = 1 }",
            "unknown verb \"aply\" at features.weights.aply; did you mean \"apply\"?",
        ),
        (
            "aggregate = \"count\"\nwhere = { path = \"object.price\", eq = \"x\" }",
            "features.where.eq is string, but the path leads to a number",
        ),
        (
            "aggregate = \"count\"\nwhere = { path = \"object.price\" }",
            "features.where needs a test beside \"path\", such as eq = \"x\", gt = 1 or is_null = true",
        ),
        ("aggregate = \"count\"\nwhere = { eq = 1 }", "features.where has a test without a \"path\""),
    ];
    for (keys, expected) in cases {
        assert_eq!(problem(&format!("{keys}\nwithin = \"24h\"")), expected, "{keys}");
    }
    assert_eq!(problem("aggregate = \"count\""), "[features] needs the key \"within\", such as within = \"24h\"");
    assert!(
        problem("aggregate = \"count\"\nwithin = \"24\"")
            .starts_with("features.within is wrong: \"24\" is not a window")
    );
    assert!(
        problem("aggregate = \"rate\"\nwithin = \"last-3\"").contains("asks for a rate in a window without a length")
    );
    assert!(problem("aggregate = \"trend\"\nwithin = \"1h\"").contains("compares two windows"));
}

#[test]
fn all_mistakes_come_at_once_with_lines_and_carets() {
    let text = r#"[schema]
object = { price = "numbr" }
[[features]]
name = "a"
aggregate = "sum"
of = "object"
with = "24h"
[[features]]
name = "a"
aggregate = "median"
within = ["1h", "1 hour"]
"#;
    let report = FeatureFile::parse("job.toml", text).unwrap_err();
    let heads: Vec<_> = report.problems().iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let expected = [
        "NF103 job.toml:2",
        "NF102 job.toml:3",
        "NF103 job.toml:6",
        "NF101 job.toml:7",
        "NF103 job.toml:8",
        "NF103 job.toml:10",
        "NF103 job.toml:11",
    ];
    assert_eq!(heads, expected, "{report}");
    let expected = "NF101 job.toml:7: unknown key \"with\" in [features]; did you mean \"within\"?\n  |\n7 | with = \"24h\"\n  | ^^^^";
    assert_eq!(report.problems()[3], expected);
}

#[test]
fn without_a_schema_any_attribute_will_do_and_a_given_one_stands_in() {
    let text = "[[features]]\nname = \"f\"\naggregate = \"sum\"\nof = \"object.anything\"\nwithin = \"1h\"\n";
    assert!(FeatureFile::parse("f.toml", text).is_ok());
    let schema = ActionSchema::new().attribute("object.price", AttributeKind::Number).verbs(["apply"]);
    assert!(FeatureFile::parse_for("f.toml", text, Some(&schema)).is_err());
    let own = format!("[schema]\nobject = {{ anything = \"i64\" }}\n{text}");
    assert!(FeatureFile::parse_for("f.toml", &own, Some(&schema)).is_ok());
    assert!(Actions::named("a").features_from(text).is_ok());
    assert!(Actions::named("a").features_from("[[feature]]").is_err());
}

#[test]
fn json_is_read_by_the_same_grammar_within_limits() {
    let most = SpecLimits { values: 100, windows: 2, actions: 10 };
    let features = json!([{"name": "f", "aggregate": "vec_mean", "of": "object.e", "within": ["1h", "last-3"],
                           "where": {"path": "object.price", "gt": 100}}]);
    let expected = f().vec_mean("object.e").filter(attr("object.price").gt(100));
    let expected = expected.windows([Window::sliding(hours(1)), Window::last(3)]);
    assert_eq!(Feature::from_json("adhoc", &features, most).unwrap(), [expected]);
    let features = json!([
        {"name": "a", "aggregate": "last", "of": "object", "k": 101, "within": "1h"},
        {"name": "b", "aggregate": "count", "within": ["1h", "2h", "3h"]},
        {"name": "c", "aggregate": "actions", "limit": 11, "within": "1h"},
        {"name": "d", "aggregate": "sum", "of": "price", "within": "1h"},
    ]);
    let report = Feature::from_json("adhoc", &features, most).unwrap_err();
    let expected = [
        "NF103 adhoc[0].k is 101; ask for at most 100",
        "NF103 adhoc[1] has 3 windows; ask for at most 2",
        "NF103 adhoc[2].limit is 11; ask for at most 10",
        "NF103 adhoc[3].of is wrong: \"price\" is not a path; write verb, object, actor.NAME, verb.NAME or object.NAME",
    ];
    assert_eq!(report.problems(), expected);
}

#[test]
fn the_guide_s_file_is_one_and_the_guide_names_every_aggregate() {
    let guide = include_str!("../../../docs/guide/feature-files.md");
    let text = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = FeatureFile::parse("guide.toml", text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(file.features().iter().map(Feature::name).collect::<Vec<_>>(), ["applied", "counts", "dear"]);
    let mistaken = text.replacen("object.embedding", "object.embeding", 1);
    let shown = FeatureFile::parse("features.toml", &mistaken).unwrap_err().problems()[0].clone();
    assert!(guide.contains(&shown), "{shown}");
    let report = FeatureFile::parse("f.toml", &entry("aggregate = \"zzzzzzzz\"\nwithin = \"1h\"")).unwrap_err();
    let known = report.problems()[0].split("known here: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    for name in known.split(", ") {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
