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
