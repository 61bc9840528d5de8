//! Tests of nowfold as a whole. One binary, so that it is linked once.

mod dependency_rule;
mod embedded;
mod kill_nine;
mod pipeline;
mod poison;
mod support;
