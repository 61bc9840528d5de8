//! The mapping's tables in memory, to enrich actions as the pipeline does.

use std::collections::HashMap;

use anyhow::Context as _;
use nowfold::schemas::action::{Action, Attributes};
use nowfold_mapping::{CompiledMapping, Lines, OnBrokenLine, Side, TableMapping};

/// Every table with its rows by key. The last row of a key counts.
pub(super) struct Tables(Vec<(TableMapping, HashMap<String, Attributes>)>);

impl Tables {
    pub(super) fn load(mapping: &CompiledMapping) -> anyhow::Result<Self> {
        let load = |table: &TableMapping| {
            let rows = rows(mapping, table).with_context(|| format!("table \"{}\" of the mapping", table.name()))?;
            Ok((table.clone(), rows))
        };
        mapping.tables().iter().map(load).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Adds the attributes of the action's actor and object; `entry` is its index in the mapping.
    pub(super) fn enrich(&self, entry: usize, action: &mut Action) {
        for (table, rows) in self.0.iter().filter(|(table, _)| table.actions().contains(&entry)) {
            let (key, attributes) = match table.enriches() {
                Side::Actor => (&action.actor, &mut action.actor_attributes),
                Side::Object => (&action.object, &mut action.object_attributes),
            };
            if let Some(row) = rows.get(&**key) {
                attributes.extend(row.clone());
            }
        }
    }
}

fn rows(mapping: &CompiledMapping, table: &TableMapping) -> anyhow::Result<HashMap<String, Attributes>> {
    let mut rows = HashMap::new();
    for line in Lines::new([mapping.resolve(table.file())], OnBrokenLine::Fail) {
        let Some(row) = line?.record else { continue };
        if let Some(key) = table.key(&row)? {
            rows.insert(key, table.attributes(&row).0);
        }
    }
    Ok(rows)
}
