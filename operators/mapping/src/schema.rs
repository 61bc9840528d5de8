//! What the actions of a mapping hold, to check features against.

use nowfold_operators::feature::{ActionSchema, AttributeKind};

use crate::CompiledMapping;
use crate::attribute::{AttributeMapping, AttributeType};
use crate::table::Side;

impl CompiledMapping {
    /// The attributes of the actions of all entries, those of tables among them, and the verbs where the mapping tells them
    /// all. An attribute that two entries map as different types is of any kind.
    ///
    /// ```
    /// use nowfold_mapping::CompiledMapping;
    /// use nowfold_operators::feature::FeatureFile;
    ///
    /// let mapping = r#"
    /// [feed]
    /// [[actions]]
    /// name = "member"
    /// actor = "/member"
    /// verb = "view"
    /// object = "/job"
    /// timestamp = "/at"
    /// verb_attributes = { seconds = { pointer = "/seconds", type = "f64" } }
    /// "#;
    /// let schema = CompiledMapping::parse("shop.toml", mapping)?.schema();
    /// let features = |path: &str| format!("[[features]]\nname = \"f\"\naggregate = \"sum\"\nof = \"{path}\"\nwithin = \"1h\"\n");
    /// assert!(FeatureFile::parse_for("f.toml", &features("verb.seconds"), Some(&schema)).is_ok());
    /// assert!(FeatureFile::parse_for("f.toml", &features("verb.second"), Some(&schema)).is_err());
    /// # Ok::<(), nowfold_mapping::Report>(())
    /// ```
    pub fn schema(&self) -> ActionSchema {
        let mut schema = ActionSchema::new();
        let mut add = |side: &str, attributes: &[AttributeMapping]| {
            for attribute in attributes {
                let path = format!("{side}.{}", attribute.name());
                schema = std::mem::take(&mut schema).attribute(path, kind(attribute.attribute_type()));
            }
        };
        for entry in &self.actions {
            add("actor", entry.actor_attributes());
            add("verb", entry.verb_attributes());
            add("object", entry.object_attributes());
        }
        for table in &self.tables {
            let side = if table.enriches() == Side::Actor { "actor" } else { "object" };
            add(side, table.attribute_mappings());
        }
        let verbs: Option<Vec<_>> = self.actions.iter().map(|entry| entry.verb.all()).collect();
        verbs.into_iter().fold(schema, |schema, verbs| schema.verbs(verbs.into_iter().flatten()))
    }
}

fn kind(of: AttributeType) -> AttributeKind {
    match of {
        AttributeType::Auto => AttributeKind::Any,
        AttributeType::Number | AttributeType::I64 | AttributeType::F64 => AttributeKind::Number,
        AttributeType::Bool => AttributeKind::Bool,
        AttributeType::Text => AttributeKind::Text,
        AttributeType::Vector(_) => AttributeKind::Vector,
    }
}
