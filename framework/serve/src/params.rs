//! Parameters of a URL's query, each known by name.

use axum::extract::Query;
use axum::http::Uri;

use crate::problem::Problem;

/// Parameters of a URL's query, decoded. Every name is one that the path knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a URL's query; refuses names that are not `known`, for a misspelt parameter must not change an answer
    /// silently.
    pub(crate) fn read(uri: &Uri, known: &[&[&str]]) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::invalid(format!("the URL's query cannot be read: {error}")))?;
        let known: Vec<_> = known.concat();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::invalid(unknown(name, &known))),
            None => Ok(Self(pairs)),
        }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(Problem::invalid(format!("{name} is given twice; give it once"))),
            None => Ok(value),
        }
    }

    /// The value of a parameter, parsed.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let value = self.one(name)?.map(parse).transpose();
        value.map_err(|error| Problem::invalid(format!("{name}: {error}")))
    }

    /// Values with commas between them; the parameter may be repeated.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<String>, Problem> {
        let items: Vec<_> = self.all(name).flat_map(|value| value.split(',')).map(str::to_owned).collect();
        if items.iter().any(String::is_empty) {
            return Err(Problem::invalid(format!("{name} has an empty entry; write {name}=a,b, or leave it out")));
        }
        Ok(items)
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("there is no parameter {name:?}; this path takes none");
    }
    format!("there is no parameter {name:?}; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Params, Problem> {
        let uri = format!("/x?{query}").parse().unwrap();
        Params::read(&uri, &[&["as_of", "verb"], &["features"]])
    }

    #[test]
    fn reads_repeated_and_encoded_values() {
        let params = read("verb=a%2Cb&features=x,y&verb=c&features=z").unwrap();
        assert_eq!(params.all("verb").collect::<Vec<_>>(), ["a,b", "c"]);
        assert_eq!(params.list("features").unwrap(), ["x", "y", "z"]);
        assert_eq!(params.one("as_of").unwrap(), None);
    }

    #[test]
    fn refuses_what_it_does_not_know_or_cannot_use() {
        let message = |problem: Problem| serde_json::json!(problem)["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            message(read("feature=x").unwrap_err()),
            "NF016 there is no parameter \"feature\"; there are as_of, verb, features"
        );
        let params = read("as_of=1&as_of=2&features=a,,b").unwrap();
        assert_eq!(message(params.one("as_of").unwrap_err()), "NF016 as_of is given twice; give it once");
        assert!(message(params.list("features").unwrap_err()).starts_with("NF016 features has an empty entry"));
    }
}
