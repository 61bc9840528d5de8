//! The settings of an application.

use nowfold::Config;

/// Lines of `NAME=value`, as an environment. The first line is read as a duration, too.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let variables: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    if let Err(error) = Config::from_variables(value) {
        assert!(!error.to_string().is_empty(), "an error that says nothing");
    }
    let _ = nowfold_strict::parse_duration(text.lines().next().unwrap_or(""));
}
