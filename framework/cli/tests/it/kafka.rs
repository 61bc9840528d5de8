//! Real Kafka and a registry.

use nowfold::Config;

use crate::kill::kill_in_the_middle;
use crate::support::*;

/// Kafka's address and the registry's options, when there are such.
fn servers(test: &str) -> Option<(String, Vec<String>)> {
    let Ok(bootstrap) = std::env::var("NOWFOLD_TEST_KAFKA") else {
        eprintln!("SKIPPED {test}: no NOWFOLD_TEST_KAFKA; `cargo xtask kafka start` gives one");
        return None;
    };
    let registry = std::env::var("NOWFOLD_TEST_REGISTRY").ok();
    Some((bootstrap, registry.into_iter().flat_map(|url| ["--registry".to_owned(), url]).collect()))
}

fn backfill(world: &World, servers: &(String, Vec<String>), topic: &str, options: &[&str]) -> std::process::Command {
    let mut command = nowfold(&world.dir);
    command.arg("backfill").arg("--mapping").arg(mapping()).args(["--bootstrap", &servers.0]).args(&servers.1);
    command.args(["--only", "carrier", "--topic", topic, "--partitions", "3"]).args(KEPT).args(options);
    command
}

#[test]
fn kafka_gets_history_through_a_kill_and_twice() {
    let Some(servers) = servers("backfill") else { return };
    let (world, topic) = (World::new(), format!("backfill-{}-carriers", std::process::id()));
    let progress = world.path(&format!("backfill-{topic}.json"));
    let sent = kill_in_the_middle(backfill(&world, &servers, &topic, &["--rate", "8000"]), &progress, 0);
    assert!(sent < N_LINES);
    done(backfill(&world, &servers, &topic, &[]));
    done(backfill(&world, &servers, &topic, &["--restart"]));
    let config = Config::kafka(&servers.0);
    let config = servers.1.get(1).into_iter().fold(config, |config, url| config.registry(url));
    let app = store(config, &format!("backfill-{}", std::process::id()), &topic);
    assert!(check_questions(&app, "carrier") > 10);
    app.close().unwrap();
}

#[test]
fn a_compacted_topic_is_refused_with_the_fix() {
    use nowfold::runtime::broker::TopicSpec;
    let Some(servers) = servers("backfill") else { return };
    let (world, topic) = (World::new(), format!("backfill-{}-compacted", std::process::id()));
    let settings = [("cleanup.policy", "compact"), ("message.timestamp.type", "LogAppendTime")];
    let config = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let spec = TopicSpec { name: topic.as_str().into(), partitions: Some(1), config };
    Config::kafka(&servers.0).broker().unwrap().create_topic(&spec).unwrap();
    let err = fails(backfill(&world, &servers, &topic, &[]), 3);
    assert!(err.starts_with("NF131 topic ") && err.contains("kafka-configs --alter"), "{err}");
}
