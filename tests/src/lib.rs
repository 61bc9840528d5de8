//! Tests of nowfold as a whole; see `it/`.
