#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    custodia_fuzz::targets::add_checkpoint(bytes);
});
