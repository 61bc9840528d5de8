//! `nowfold backfill`: history into the actions topic.
//!
//! Every record is read twice: a survey counts what will become of it and finds fields that no record has, and only then
//! is anything sent. Ids and sequences are those of the mapping, which counts lines as `replay` does, so a record that
//! was sent before is a repeat and changes nothing.

mod args;
mod error;
mod feed;
mod parquet_file;
mod progress_file;
mod screen;
mod send;
mod survey;
mod tables;
mod target;

pub use args::Args;
pub use error::BackfillError;

use nowfold::Config;
use nowfold_mapping::CompiledMapping;

use crate::Failure;
use feed::Feed;
use progress_file::{Progress, ProgressFile};
use screen::Screen;
use survey::Survey;
use tables::Tables;
use target::Target;

/// Surveys the files and sends what is not sent yet.
///
/// # Errors
/// [`Failure::Wrong`] before anything is sent, [`Failure::Stopped`] after.
pub fn run(args: &Args) -> Result<(), Failure> {
    let job = Job::prepare(args).map_err(Failure::wrong)?;
    let survey = job.survey().map_err(Failure::wrong)?;
    eprintln!("{survey}");
    if args.dry_run {
        eprintln!("dry run: nothing was sent");
        return Ok(());
    }
    let sent = send::send(&job, survey.n_lines).map_err(Failure::stopped)?;
    println!("{sent}");
    Ok(())
}

/// All that a backfill needs, checked as far as it can be without reading the files.
struct Job<'a> {
    args: &'a Args,
    mapping: CompiledMapping,
    feed: Feed,
    tables: Tables,
    target: Target,
    progress: ProgressFile,
    /// Where the last run ended.
    begin: Progress,
}

impl<'a> Job<'a> {
    fn prepare(args: &'a Args) -> anyhow::Result<Self> {
        let mapping = args.mapping()?;
        let feed = Feed::open(args.files(&mapping)?, mapping.feed().on_broken_line)?;
        if !args.allow_unknown_columns {
            feed.check_schemas(&mapping)?;
        }
        let tables = Tables::load(&mapping)?;
        let mut config: Config = args.config();
        let target = Target::open(&mut config, args, &mapping)?;
        let progress = ProgressFile::at(args.progress_path(&mapping));
        let begin = progress.begin(args, &mapping, &feed, &target)?;
        Ok(Self { args, mapping, feed, tables, target, progress, begin })
    }

    fn survey(&self) -> anyhow::Result<Survey> {
        let mut screen = Screen::new("survey", None);
        let survey = Survey::take(self, &mut screen)?;
        screen.finish();
        if self.begin.lines == 0 && !self.args.allow_unknown_columns {
            survey.refuse_unknown_columns(&self.mapping)?;
        }
        Ok(survey)
    }
}
