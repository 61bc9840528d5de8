//! What a graph needs of topics: stated by its operators, and what follows from its stores and handlers.

use super::error::TopologyFault;
use super::graph::GraphBuilder;
use super::requirement::{Expected, PartitionCount, TopicBlueprint, TopicRequirement, TopicRole, TopicRule};
use super::subtopology::SubTopology;
use crate::names::{StoreName, TopicName};
use crate::state::Changelog;

impl GraphBuilder {
    pub(crate) fn require(&mut self, requirement: TopicRequirement) {
        match self.requirements.iter_mut().find(|known| known.name == requirement.name) {
            Some(known) => merge(known, requirement),
            None => self.requirements.push(requirement),
        }
    }

    pub(super) fn is_repartition(&self, topic: &TopicName) -> bool {
        let mut found = self.requirements.iter().filter(|requirement| requirement.name == *topic);
        found.any(|requirement| requirement.role == TopicRole::Repartition)
    }

    pub(super) fn require_changelogs(&mut self) {
        let used = |name: &StoreName| self.nodes.iter().any(|node| node.stores.contains(name));
        let logged = self.stores.values().filter(|store| store.changelog == Changelog::Topic && used(&store.name));
        let topics: Vec<_> = logged
            .map(|store| {
                let mut config: Vec<_> = store.topic_config.clone();
                config.push(("message.timestamp.type", "CreateTime".to_owned()));
                (changelog_topic(&self.app, &store.name), config)
            })
            .collect();
        for (name, config) in topics {
            let config: Vec<_> = config.iter().map(|(key, value)| (*key, value.as_str())).collect();
            self.check_name("topic", name.as_str());
            self.require(TopicRequirement {
                name,
                role: TopicRole::Changelog,
                create: Some(TopicBlueprint::new(PartitionCount::LargestOf(Vec::new()), &config)),
                rules: vec![TopicRule {
                    key: "cleanup.policy",
                    expected: Expected::Containing("compact"),
                    code: "NF130",
                    consequence: "state would be lost",
                }],
            });
        }
    }

    pub(super) fn check_changelogs(&mut self, parts: &[SubTopology]) {
        for (part, store) in parts.iter().flat_map(|part| part.stores.iter().map(move |store| (part, store))) {
            let Some(Changelog::Table(topic) | Changelog::EventLog(topic)) =
                self.stores.get(store).map(|s| &s.changelog)
            else {
                continue;
            };
            if !part.sources.iter().any(|source| source.topic == *topic) {
                let (store, topic) = (store.to_string(), topic.to_string());
                self.faults.push(TopologyFault::UnreadChangelog { store, topic });
            }
        }
    }

    pub(super) fn require_dead_letters(&mut self) {
        let lenient = self.nodes.iter().any(|node| node.dead_letters_by_default);
        let wanted = !self.handlers.is_empty() || lenient || self.writes_dead_letters;
        if self.dead_letter_topic.is_none() && wanted {
            self.dead_letter_topic = Some(TopicName::from(format!("{}-dead-letters", self.app)));
        }
        if let Some(name) = self.dead_letter_topic.clone() {
            self.check_name("topic", name.as_str());
            let create = Some(TopicBlueprint::new(PartitionCount::Fixed(1), &[]));
            self.require(TopicRequirement { name, role: TopicRole::DeadLetters, create, rules: Vec::new() });
        }
    }
}

/// `<application>-<store>-changelog`, as Kafka Streams names them.
pub fn changelog_topic(app: &str, store: &StoreName) -> TopicName {
    TopicName::from(format!("{app}-{store}-changelog"))
}

/// A topic that is both written and read here is an intermediate one; settings and rules add up.
fn merge(known: &mut TopicRequirement, other: TopicRequirement) {
    if known.role != other.role {
        known.role = TopicRole::Intermediate;
    }
    match (&mut known.create, other.create) {
        (Some(known), Some(other)) => merge_settings(known, other),
        (known, other) => *known = known.take().or(other),
    }
    for rule in other.rules {
        if !known.rules.contains(&rule) {
            known.rules.push(rule);
        }
    }
}

/// Of two settings the later wins, of two durations the longer.
fn merge_settings(known: &mut TopicBlueprint, other: TopicBlueprint) {
    for (key, value) in other.config {
        let shorter = |known: &String| match (known.parse::<i64>(), value.parse::<i64>()) {
            (Ok(known), Ok(new)) => known == -1 || (new != -1 && new < known),
            _ => false,
        };
        if !known.config.get(&key).is_some_and(shorter) {
            known.config.insert(key, value);
        }
    }
}
