#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nowfold_fuzz::stores(data));
