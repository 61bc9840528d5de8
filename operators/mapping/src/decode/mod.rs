//! From the TOML of a mapping file to a compiled mapping.

mod action;
mod attribute;
mod condition;
mod questions;
mod table;
mod text;
mod time;

use std::path::{Path, PathBuf};

use self::questions::Questions;
use crate::{ActionMapping, CompiledMapping, FeedMapping, OnBrokenLine, TableMapping};
use nowfold_strict::{Node, Section};

/// The whole file. Every part is read, also after another one failed, so that all problems are found.
pub(crate) fn mapping(file: &str, mut root: Section<'_>) -> Option<CompiledMapping> {
    let data_dir = root.or("data_dir", PathBuf::new(), path);
    let feed = root.required("feed", |node| feed(file, node));
    let action_nodes = root.required("actions", at_least_one).unwrap_or_default();
    let table_nodes = root.or("tables", Vec::new(), Node::items).unwrap_or_default();
    let questions = root.maybe("questions", Questions::read);
    root.finish();

    let feed_name = feed.as_ref().map_or("feed", |feed| &feed.name);
    let names: Vec<_> = action_nodes.iter().map(|node| node.string_at("name").unwrap_or_default()).collect();
    let actions: Vec<_> = action_nodes.iter().map(|node| action::entry(feed_name, node)).collect();
    let tables: Vec<_> = table_nodes.iter().map(|node| table::entry(&names, node)).collect();
    refuse_repeats(&action_nodes, &actions, &table_nodes, &tables);
    let actions: Vec<_> = actions.into_iter().collect::<Option<_>>()?;
    let tables: Vec<_> = tables.into_iter().collect::<Option<_>>()?;
    let questions = questions?.unwrap_or_default().resolve(&actions, &tables)?;
    Some(CompiledMapping { data_dir: data_dir?, feed: feed?, actions, tables, questions })
}

fn feed(file: &str, node: &Node<'_>) -> Option<FeedMapping> {
    let mut section = node.section()?;
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("feed");
    let name = section.or("name", stem.to_owned(), topic_name);
    let topic = section.maybe("topic", topic_name);
    let files = section.or("files", Vec::new(), |node| node.each(path));
    let on_broken_line = section.or("on_broken_line", OnBrokenLine::default(), broken);
    section.finish();
    let name = name?;
    let topic = topic?.unwrap_or_else(|| format!("{name}-raw"));
    Some(FeedMapping { name, topic, files: files?, on_broken_line: on_broken_line? })
}

fn broken(node: &Node<'_>) -> Option<OnBrokenLine> {
    match node.text()? {
        "skip" => Some(OnBrokenLine::Skip),
        "feed" => Some(OnBrokenLine::Feed),
        "fail" => Some(OnBrokenLine::Fail),
        other => node.unknown("choice", other, &["skip", "feed", "fail"]),
    }
}

fn path(node: &Node<'_>) -> Option<PathBuf> {
    node.text().map(PathBuf::from)
}

/// A name that Kafka takes for a topic.
fn topic_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !legal || name.len() > 200 || name == "." || name == ".." {
        return node
            .wrong("must be at most 200 of the letters a-z, A-Z, 0-9, \".\", \"_\" and \"-\", as topics are named");
    }
    Some(name.to_owned())
}

fn at_least_one<'a>(node: &Node<'a>) -> Option<Vec<Node<'a>>> {
    let items = node.items()?;
    if items.is_empty() { node.wrong("must have at least one entry") } else { Some(items) }
}

/// Notes entries with the name, store or topic of an earlier one.
fn refuse_repeats<'a>(
    action_nodes: &[Node<'a>],
    actions: &[Option<ActionMapping>],
    table_nodes: &[Node<'a>],
    tables: &[Option<TableMapping>],
) {
    let actions = || action_nodes.iter().zip(actions).filter_map(|(node, entry)| Some((node, entry.as_ref()?)));
    let tables = || table_nodes.iter().zip(tables).filter_map(|(node, table)| Some((node, table.as_ref()?)));
    no_repeats("name", actions().map(|(node, entry)| (node, entry.name())));
    no_repeats("store", actions().map(|(node, entry)| (node, entry.store())));
    no_repeats("name", tables().map(|(node, table)| (node, table.name())));
    let topics = actions().map(|(node, entry)| (node, entry.topic()));
    no_repeats("topic", topics.chain(tables().map(|(node, table)| (node, table.topic()))));
}

fn no_repeats<'n, 'a: 'n>(what: &str, names: impl Iterator<Item = (&'n Node<'a>, &'n str)>) {
    let mut seen = Vec::new();
    for (node, name) in names {
        if seen.contains(&name) {
            node.wrong::<()>(format!("has the {what} \"{name}\", which an earlier entry has: give it another"));
        }
        seen.push(name);
    }
}
