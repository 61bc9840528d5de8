//! What tests of rolling restarts share: processes of one application with state directories of their own on a real Kafka,
//! which are asked while clicks flow, and a recount that shares nothing with the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nowfold::core::query::QueryError;
use nowfold::operators::Features;
use nowfold::operators::feature::Feature;
use nowfold::prelude::*;
use nowfold::runtime::RuntimeConfig;

use super::support::{Click, test_kafka};

/// How long a question may stay without an answer, and how long what was written may stay unseen.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Between two rounds of questions, which must not be what keeps the machine busy.
const PAUSE: Duration = Duration::from_millis(50);
const PREFIX: &str = "NOWFOLD_TEST_ROLLING_PREFIX";
const VERSION: &str = "NOWFOLD_TEST_ROLLING_VERSION";
const STATE: &str = "NOWFOLD_TEST_ROLLING_STATE";
const NAME: &str = "NOWFOLD_TEST_ROLLING_NAME";
/// Four partitions of clicks, of their repartition by kind, and of actions.
pub(crate) const N_TASKS: usize = 12;

/// Which features a process has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// `all`, and `recent` over one hour.
    Old,
    /// `all`, `recent` over two hours, and aggregates that the old one has not.
    New,
    /// Another store: not the same topology any more.
    Foreign,
}

impl Version {
    fn features(self) -> Vec<Feature> {
        let all = feature("all").count().within(hours(96));
        let recent = feature("recent").count();
        match self {
            Self::Old | Self::Foreign => vec![all, recent.within(hours(1))],
            Self::New => vec![
                all,
                recent.within(hours(2)),
                feature("likes").count().verb("like").within(hours(96)),
                feature("jobs").distinct_count("object").within(hours(2)),
            ],
        }
    }

    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Old | Self::Foreign => &["all", "recent"],
            Self::New => &["all", "recent", "likes", "jobs"],
        }
    }
}

/// Clicks to actions to features, and a count by kind in a generic store.
fn topology(prefix: &str, version: Version) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    let clicks = app.stream(format!("{prefix}-clicks"), Json::<String, Click>::new());
    clicks
        .clone()
        .group_by("by-kind", |_, click| click.kind.clone(), Json::<String, Click>::new())
        .count("kinds")
        .to_stream("changes")
        .to(format!("{prefix}-kinds"), Plain::<String, Option<i64>>::new());
    let store = if version == Version::Foreign { "activity-of-others" } else { "activity" };
    clicks
        .to_actions("standardize", |_, c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through(format!("{prefix}-actions"))
        .materialize(Actions::named(store).retention(hours(97)).features(version.features()));
    app.build().unwrap()
}

fn config(bootstrap: &str, state: &str, name: Option<String>) -> Config {
    let runtime =
        RuntimeConfig { commit_interval: Duration::from_millis(100), n_workers: 2, ..RuntimeConfig::exactly_once() };
    let config = Config::kafka(bootstrap).session_timeout(Duration::from_secs(20)).state_dir(state);
    name.into_iter().fold(config.runtime(runtime), Config::instance_id)
}

/// The child of the tests, nothing by itself: answers `ask MEMBER FEATURE` on its input, says which tasks it has, and closes
/// when its input ends.
#[test]
fn one_process_of_the_application() {
    let (Ok(prefix), Ok(version)) = (std::env::var(PREFIX), std::env::var(VERSION)) else { return };
    let version = [Version::Old, Version::New, Version::Foreign].into_iter().find(|v| format!("{v:?}") == version);
    let config = config(&test_kafka("rolling").unwrap(), &std::env::var(STATE).unwrap(), std::env::var(NAME).ok());
    let app = match Streams::start(topology(&prefix, version.unwrap()), config) {
        Ok(app) => app,
        Err(error) => return println!("\nrefused {error}"),
    };
    let asked = std::thread::scope(|scope| {
        let features = Features::new(app.hub(), app.clock(), "activity");
        let answering = scope.spawn(move || answer_all(&features));
        let mut said = String::new();
        while !answering.is_finished() {
            let tasks = app.runtime().task_ids().iter().map(|id| format!(" {id}")).collect::<String>();
            let restored = app.runtime().restored();
            let state = app.state();
            let say = format!("\nis {}\nrestored {} {}\ntasks{tasks}", state.name(), restored.local, restored.topic);
            if said != say {
                println!("{say}");
                said = say;
            }
            assert!(!state.is_final(), "{state}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        answering.join().unwrap()
    });
    app.close().unwrap();
    println!("\nclosed after {asked} answers");
}

fn answer_all(features: &Features) -> usize {
    let lines = std::io::stdin().lines().map_while(Result::ok);
    let answers = lines.map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let [member, feature] = words[..] else { return };
        match answer(features, member, feature) {
            Ok(n) => println!("\nanswer {n}"),
            Err(error) => println!("\nanswer {}", error.to_string().replace('\n', " ")),
        }
    });
    answers.count()
}

fn answer(features: &Features, member: &str, feature: &str) -> Result<u64, QueryError> {
    features.query(member).select([feature]).get()?.count(feature)
}

/// A process of the application.
pub(crate) struct Member {
    pub(crate) version: Version,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    said: Arc<Mutex<Said>>,
}

/// What a process has said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) state: String,
    /// Its tasks, whenever they changed.
    pub(crate) tasks: Vec<BTreeSet<String>>,
    /// Records read from its own disk, and from topics, for stores.
    pub(crate) restored: (u64, u64),
    /// Why it did not start.
    pub(crate) refused: Option<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "is" => self.state = rest.to_owned(),
            "tasks" => {
                let tasks = rest.split_whitespace().map(str::to_owned).collect();
                if self.tasks.last() != Some(&tasks) {
                    self.tasks.push(tasks);
                }
            }
            "restored" => {
                let (local, topic) = rest.split_once(' ').unwrap();
                self.restored = (local.parse().unwrap(), topic.parse().unwrap());
            }
            "refused" => self.refused = Some(rest.to_owned()),
            _ => {}
        }
    }

    /// The tasks that it has now.
    pub(crate) fn has(&self) -> BTreeSet<String> {
        self.tasks.last().cloned().unwrap_or_default()
    }
}

impl Member {
    pub(crate) fn start(prefix: &str, version: Version, state: &Path, name: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "rolling::one_process_of_the_application", "--nocapture"]);
        command.env(PREFIX, prefix).env(VERSION, format!("{version:?}")).env(STATE, state);
        name.iter().for_each(|name| _ = command.env(NAME, name));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (said, (answer, answers)) = (Arc::new(Mutex::new(Said::default())), channel());
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match line.strip_prefix("answer ") {
                    Some(line) => _ = answer.send(line.to_owned()),
                    None => heard.lock().unwrap().hear(&line),
                }
            }
        });
        let input = child.stdin.take();
        Self { version, child, input, answers, said }
    }

    pub(crate) fn said(&self) -> Said {
        self.said.lock().unwrap().clone()
    }

    /// Its answer, or the error that it gives.
    fn ask(&self, member: &str, feature: &str) -> Result<u64, String> {
        let mut input = self.input.as_ref().unwrap();
        writeln!(input, "{member} {feature}").map_err(|error| error.to_string())?;
        let answer = self.answers.recv_timeout(BOUND).map_err(|_| "it has ended".to_owned())?;
        answer.parse().map_err(|_| answer)
    }

    /// Lets the process finish, commit, and end.
    pub(crate) fn stop(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success(), "the process did not end in order");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What was sent of a member, counted where it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// Younger than one hour, than two, and older.
    by_age: [u64; 3],
    likes: u64,
    /// Of the younger two.
    jobs: BTreeSet<u32>,
}

impl Truth {
    pub(crate) fn count(&mut self, age: usize, kind: &str, job: u32) {
        *self.by_age.get_mut(age).unwrap() += 1;
        self.likes += u64::from(kind == "like");
        if age < 2 {
            self.jobs.insert(job);
        }
    }

    /// What a process of this version must answer.
    fn of(&self, version: Version, feature: &str) -> u64 {
        let [hour, second_hour, _] = self.by_age;
        match (feature, version) {
            ("all", _) => self.by_age.iter().sum(),
            ("recent", Version::Old) => hour,
            ("recent", _) => hour + second_hour,
            ("likes", _) => self.likes,
            _ => self.jobs.len() as u64,
        }
    }
}

/// Truths by member.
pub(crate) type Truths = BTreeMap<String, Truth>;

/// Asks the processes, and holds what they say against what was sent.
///
/// An answer is wrong when it is more than was sent by then, or less than was answered before: a record was counted
/// twice, or one was lost that had been there. [`settle`](Self::settle) also finds what never arrives.
pub(crate) struct Watch {
    truths: Arc<Mutex<Truths>>,
    seen: BTreeMap<(String, &'static str, Version), u64>,
    answered: BTreeMap<String, Instant>,
    pub(crate) n_answers: usize,
    pub(crate) longest_silence: Duration,
}

impl Watch {
    pub(crate) fn new(truths: Arc<Mutex<Truths>>) -> Self {
        let (seen, answered) = (BTreeMap::new(), BTreeMap::new());
        Self { truths, seen, answered, n_answers: 0, longest_silence: Duration::ZERO }
    }

    fn truths(&self) -> Truths {
        self.truths.lock().unwrap().clone()
    }

    /// The answer of whoever owns the member, by the owner's version.
    fn ask(&mut self, members: &[&Member], actor: &str, feature: &'static str) -> Option<(Version, u64)> {
        let mut found = None;
        for member in members {
            if let Ok(n) = member.ask(actor, feature) {
                self.check(member.version, actor, feature, n);
                found = Some((member.version, n));
            }
        }
        found
    }

    #[track_caller]
    fn check(&mut self, version: Version, actor: &str, feature: &'static str, n: u64) {
        let sent = self.truths().get(actor).map_or(0, |truth| truth.of(version, feature));
        assert!(n <= sent, "{actor}: {feature} is {n} on a process with {version:?} features, and {sent} were sent");
        let seen = self.seen.entry((actor.to_owned(), feature, version)).or_default();
        assert!(n >= *seen, "{actor}: {feature} is {n} on a process with {version:?} features, and was {seen} before");
        (*seen, self.n_answers) = (n, self.n_answers + 1);
    }

    /// Asks for each member once; none may stay without an answer beyond the bound.
    #[track_caller]
    pub(crate) fn round(&mut self, members: &[&Member]) {
        for actor in self.truths().into_keys() {
            let now = Instant::now();
            let answered = self.ask(members, &actor, "all").is_some();
            let last = self.answered.entry(actor.clone()).or_insert(now);
            let silence = now.duration_since(*last);
            self.longest_silence = self.longest_silence.max(silence);
            if answered {
                *last = Instant::now();
            } else {
                let states = || members.iter().map(|member| member.said()).collect::<Vec<_>>();
                assert!(silence < BOUND, "{actor} is not answered for {silence:?}: {:?}", states());
            }
        }
    }

    /// Asks until something holds.
    #[track_caller]
    pub(crate) fn until(&mut self, members: &[&Member], why: impl Fn() -> String, done: impl Fn() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < 2 * BOUND, "{}", why());
            self.round(members);
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Waits until all that was sent by now is in the answers, of every feature that the owner has. Names the features that
    /// an owner did not know.
    #[track_caller]
    pub(crate) fn settle(&mut self, members: &[&Member]) -> BTreeSet<&'static str> {
        let (started, mut unknown) = (Instant::now(), BTreeSet::new());
        for (actor, truth) in self.truths() {
            for &feature in Version::New.names() {
                loop {
                    let found = self.ask(members, &actor, feature);
                    if found.is_some_and(|(version, n)| n >= truth.of(version, feature)) {
                        break;
                    }
                    let said: Vec<_> = members.iter().map(|member| member.ask(&actor, feature)).collect();
                    if said.iter().any(|said| said.as_ref().is_err_and(|error| error.starts_with("NF011"))) {
                        unknown.insert(feature);
                        break;
                    }
                    assert!(started.elapsed() < BOUND, "{actor}: {feature} is {said:?} of {truth:?}");
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
        unknown
    }

    /// All has been sent: the answers are what was sent, to the last record.
    #[track_caller]
    pub(crate) fn finish(&mut self, members: &[&Member]) {
        self.settle(members);
        for (actor, truth) in self.truths() {
            for &feature in Version::New.names() {
                if let Some((version, n)) = self.ask(members, &actor, feature) {
                    assert_eq!(n, truth.of(version, feature), "{actor}: {feature}");
                }
            }
        }
    }
}

/// Waits, and asks meanwhile, until these processes run all tasks and each has some.
#[track_caller]
pub(crate) fn await_shares(watch: &mut Watch, members: &[&Member]) {
    let said = || members.iter().map(|member| member.said()).collect::<Vec<_>>();
    let shared = || {
        let shares: Vec<_> = said().iter().map(Said::has).collect();
        let all: BTreeSet<_> = shares.iter().flatten().collect();
        all.len() == N_TASKS
            && shares.iter().map(BTreeSet::len).sum::<usize>() == N_TASKS
            && shares.iter().all(|share| !share.is_empty())
            && said().iter().all(|said| said.state == "running")
    };
    watch.until(members, || format!("the processes say {:?}", said()), shared);
}

/// A directory for the state of each process.
pub(crate) fn dirs(root: &Path) -> [PathBuf; 2] {
    ["one", "two"].map(|name| root.join(name))
}
