# One line a recipe, so nothing depends on `just` being installed.

# Serves on http://127.0.0.1:8000
run:
    cargo run --release --locked

# Runs all tests
test *args:
    scripts/test.sh {{args}}

# Checks the arrows between the crates, bans and version floors
arch:
    scripts/arch.sh

# Checks formatting and lints
lint:
    cargo fmt --all --check && cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Runs the calls of the README against a release build
readme:
    scripts/readme.sh

# Measures the goals of docs/PERFORMANCE.md; `just bench warm` measures some of them
bench *args:
    cargo run --release --locked --package maestro-auth-benches -- {{args}}

# Builds the documentation of all crates
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Let libFuzzer look for inputs that break a parser: address, stored_hash or token (needs cargo-fuzz)
fuzz TARGET SECONDS="60":
    cargo fuzz run -s none --features libfuzzer {{TARGET}} -- -max_total_time={{SECONDS}}
