//! `nowfold check`.

use crate::support::*;

#[test]
fn right_files_are_named_and_all_mistakes_of_the_others_told() {
    let world = World::new();
    let bad = world.write("bad.toml", "[feed]\n[[actions]]\nnam = \"a\"\nverb = 5\n");
    let mut command = nowfold(&world.dir);
    command.arg("check").arg(mapping());
    let (out, _) = done(command);
    assert!(
        out.ends_with("a mapping of nycflights13 (topics: plane -> flights-by-plane, carrier -> flights-by-carrier)\n")
    );
    let mut command = nowfold(&world.dir);
    command.arg("check").arg(mapping()).arg(&bad).arg("absent.toml");
    let err = fails(command, 3);
    assert!(err.contains("bad.toml:3: unknown key \"nam\"") && err.contains("bad.toml:4: "), "{err}");
    assert!(err.contains("absent.toml cannot be read"), "{err}");
}

#[test]
fn feature_files_are_checked_too() {
    let world = World::new();
    let good =
        "[[features]]\nname = \"counts\"\naggregate = \"count_by\"\nof = \"verb\"\nwithin = [\"1h\", \"last-10\"]\n";
    let good_file = world.write("features.toml", good);
    let mut command = nowfold(&world.dir);
    command.arg("check").arg(&good_file);
    assert!(done(command).0.ends_with("features.toml: 1 features (counts)\n"));
    let bad = world.write("bad.toml", &good.replace("last-10", "last-ten").replace("count_by", "count_buy"));
    let mut command = nowfold(&world.dir);
    command.arg("check").arg(&bad);
    let err = fails(command, 3);
    assert!(
        err.contains("bad.toml:3: unknown aggregate \"count_buy\"") && err.contains("did you mean \"count_by\"?"),
        "{err}"
    );
    assert!(
        err.contains("bad.toml:5: features.within is wrong: \"last-ten\" is not a window") && err.contains("^^^"),
        "{err}"
    );
}

#[test]
fn feature_files_are_held_against_what_a_mapping_gives() {
    let world = World::new();
    let features = "[[features]]\nname = \"a\"\naggregate = \"mean\"\nof = \"verb.dep_dellay\"\nwithin = \"1h\"
[[features]]\nname = \"b\"\naggregate = \"vec_mean\"\nof = \"verb.dep_delay\"\nverbs = \"fligth\"\nwithin = \"1h\"\n";
    let file = world.write("f.toml", features);
    let check = |mapping: &std::path::Path| {
        let mut command = nowfold(&world.dir);
        command.arg("check").arg("--mapping").arg(mapping).arg(&file);
        command
    };
    let err = fails(check(&mapping()), 3);
    for problem in [
        "f.toml:4: unknown attribute \"verb.dep_dellay\" at features.of; did you mean \"verb.dep_delay\"?",
        "f.toml:9: features.of is \"verb.dep_delay\", which is a number; this needs a vector",
        "f.toml:10: unknown verb \"fligth\" at features.verbs",
        "f.toml: 3 problems to mend",
    ] {
        assert!(err.contains(problem), "{problem} is not in\n{err}");
    }
    let broken = world.write("m.toml", "[feed]\n");
    let err = fails(check(&broken), 3);
    assert!(err.contains("m.toml:1: the file needs the key \"actions\"") && !err.contains("f.toml"), "{err}");
    let right = features.replace("dellay", "delay").replace("vec_mean", "mean").replace("fligth", "depart");
    world.write("f.toml", &right);
    assert!(done(check(&mapping())).0.ends_with("f.toml: 2 features (a, b)\n"));
}
