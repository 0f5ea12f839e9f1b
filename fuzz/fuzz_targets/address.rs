#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_auth_fuzz::address(input));
