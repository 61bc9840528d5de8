//! Features as text: a TOML file of them, and the JSON of a request, by one grammar (`docs/guide/feature-files.md`).
//!
//! The names are those of Rust: `feature("applied").mean("object.embedding").verb("apply").within(hours(24))` is
//!
//! ```
//! use nowfold_operators::feature::{FeatureFile, feature};
//! use nowfold_core::time::hours;
//!
//! let text = r#"
//! [[features]]
//! name = "applied"
//! aggregate = "mean"
//! of = "object.embedding"
//! verbs = "apply"
//! within = "24h"
//! "#;
//! let file = FeatureFile::parse("features.toml", text)?;
//! assert_eq!(file.features(), [feature("applied").mean("object.embedding").verb("apply").within(hours(24))]);
//! # Ok::<(), nowfold_operators::feature::Report>(())
//! ```

mod build;
mod common;
mod options;
mod paths;
mod predicate;
mod schema;

use nowfold_strict::{Node, Report, Section};

use super::Feature;

pub use schema::{ActionSchema, AttributeKind};

/// What a grammar allows and knows.
#[derive(Clone, Debug)]
pub(crate) struct Grammar {
    schema: Option<ActionSchema>,
    most: SpecLimits,
}

/// What one feature that comes as text may ask for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecLimits {
    /// Values listed, kept or counted exactly (`cap`, `k`).
    pub values: usize,
    /// Windows.
    pub windows: usize,
    /// Actions (`limit`).
    pub actions: usize,
}

impl SpecLimits {
    /// No bound: for files, whose author answers for them.
    pub const NONE: Self = Self { values: usize::MAX, windows: usize::MAX, actions: usize::MAX };
}

/// A set of features, read from a TOML file.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureFile {
    features: Vec<Feature>,
    schema: Option<ActionSchema>,
}

impl FeatureFile {
    /// Every aggregate that a file or a request may name, in byte order.
    pub const AGGREGATES: &'static [&'static str] = build::AGGREGATES;

    /// Reads the text of a feature file; `file` names it in problems. Attributes, their kinds and verbs are checked where
    /// the file has a `[schema]`.
    ///
    /// # Errors
    /// Every problem in it, each with its line and a caret.
    pub fn parse(file: &str, text: &str) -> Result<Self, Report> {
        Self::parse_for(file, text, None)
    }

    /// Likewise; where the file has no `[schema]`, this one counts.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_for(file: &str, text: &str, schema: Option<&ActionSchema>) -> Result<Self, Report> {
        nowfold_strict::read(file, text, |root| read(root, schema))
    }

    /// The features, in order of the file.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The features themselves.
    pub fn into_features(self) -> Vec<Feature> {
        self.features
    }

    /// What they were checked against.
    pub fn schema(&self) -> Option<&ActionSchema> {
        self.schema.as_ref()
    }
}

impl Feature {
    /// Reads features as JSON objects, by the grammar of feature files; `name` is the array's name in problems.
    ///
    /// # Errors
    /// Every problem of all of them, each with its path.
    pub fn from_json(name: &'static str, features: &serde_json::Value, most: SpecLimits) -> Result<Vec<Self>, Report> {
        let grammar = Grammar { schema: None, most };
        let document = serde_json::json!({ name: features });
        nowfold_strict::read_json("the body", &document, |mut root| root.required(name, |node| grammar.features(node)))
    }
}

fn read(mut root: Section<'_>, given: Option<&ActionSchema>) -> Option<FeatureFile> {
    let own = root.maybe("schema", schema::read);
    let node = root.get("features");
    let schema = own.clone().flatten().or_else(|| given.cloned());
    // With a [schema] that cannot be read, attributes are not called unknown as well.
    let known = if own.is_some() { schema.clone() } else { None };
    let grammar = Grammar { schema: known, most: SpecLimits::NONE };
    let features = match node {
        Some(node) => grammar.features(&node),
        None => root.required("features", |_| None),
    };
    root.finish();
    own?;
    Some(FeatureFile { features: features?, schema })
}

impl Grammar {
    /// All features, also after one that cannot be read. Names are unique.
    fn features(&self, node: &Node<'_>) -> Option<Vec<Feature>> {
        let nodes = node.items()?;
        let features: Vec<_> = nodes.iter().map(|node| self.feature(node)).collect();
        let mut names = Vec::new();
        for (node, name) in nodes.iter().filter_map(|node| Some((node, node.string_at("name")?))) {
            if names.contains(&name) {
                node.wrong::<()>(format!("has the name \"{name}\", which an earlier feature has: give it another"));
            }
            names.push(name);
        }
        features.into_iter().collect()
    }
}
