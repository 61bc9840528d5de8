//! One `[[tables]]` entry: entities whose attributes enrich actions.

use std::path::{Path, PathBuf};

use nowfold_schemas::action::Attributes;
use serde_json::Value;

use crate::attribute::{AttributeMapping, read_all};
use crate::text::{NotText, TextSource};

/// A compiled `[[tables]]` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct TableMapping {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) topic: String,
    pub(crate) key: TextSource,
    pub(crate) attributes: Vec<AttributeMapping>,
    pub(crate) enriches: Side,
    pub(crate) actions: Vec<usize>,
}

/// Which part of an action a table enriches. The row is found by the id of that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The actor: keys are actors.
    Actor,
    /// The object: keys are objects.
    Object,
}

impl TableMapping {
    /// The table's name, unique in the mapping.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file, as the mapping has it; see `CompiledMapping::resolve`.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its topic: compacted, key = [`Self::key`] of a row, value = the row's JSON.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What it enriches.
    pub fn enriches(&self) -> Side {
        self.enriches
    }

    /// Which entries of `CompiledMapping::actions` it enriches, in ascending order.
    pub fn actions(&self) -> &[usize] {
        &self.actions
    }

    /// Its attributes, in byte order of their names.
    pub fn attribute_mappings(&self) -> &[AttributeMapping] {
        &self.attributes
    }

    /// The key of a row; `None` where the row has none, and is of no use.
    ///
    /// # Errors
    ///
    /// [`NotText`] when an array or object stands where the key should.
    pub fn key(&self, row: &Value) -> Result<Option<String>, NotText> {
        Ok(self.key.text(row)?.map(Into::into))
    }

    /// The attributes of a row, and how many had a value of the wrong type and are null therefore.
    pub fn attributes(&self, row: &Value) -> (Attributes, u32) {
        read_all(&self.attributes, row)
    }
}
