//! Hostile input for every parser of mobytrace: a real Go binary, or a real recording, with the
//! fuzzer's bytes written over the region that a target is about; then everything that the parser
//! offers is walked.
//!
//! `cargo xtask fuzz [TARGET] [--seconds N]` runs the targets; inputs that once failed are kept in
//! `tests/regressions`, where `cargo test` replays them.

pub mod peak;
pub mod walk;

/// Most bytes that one input may make a parser hold.
pub const MOST_BYTES: usize = 200 << 20;

/// A fuzz target by name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: $crate::peak::Counting = $crate::peak::Counting;

        static TARGET: std::sync::LazyLock<std::sync::Mutex<$crate::walk::Target>> =
            std::sync::LazyLock::new(|| {
                let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                let target = $crate::walk::Target::new($name, &root);
                std::sync::Mutex::new(target.expect("base to put the fuzzer's bytes into"))
            });

        libfuzzer_sys::fuzz_target!(|input: &[u8]| {
            let mut target = TARGET.lock().expect("a panic ends the process");
            let before = $crate::peak::restart();
            target.run(input);
            let held = $crate::peak::highest().saturating_sub(before);
            assert!(held < $crate::MOST_BYTES, "{held} bytes were held");
        });
    };
}
