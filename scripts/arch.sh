#!/usr/bin/env bash
# Fails when a crate reaches what it must not: the arrows of docs/ARCHITECTURE.md, the banned crates, the oldest
# versions that are safe, and where crates may come from. Every run first proves that each check can fail, since a
# check of a misspelt name would pass for ever.
# shellcheck disable=SC2030,SC2031 # the self-test counts in a subshell on purpose
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
    self_test

    # Arrows inside the workspace: crate, what it may use, what its tests may use besides.
    arrow maestro-auth-domain "" ""
    arrow maestro-auth-ports "domain" ""
    arrow maestro-auth-service "domain ports" "adapters"
    arrow maestro-auth-adapters "domain ports" ""
    arrow maestro-auth "domain ports service adapters" "client example-projects"
    arrow maestro-auth-client "" ""
    arrow maestro-auth-example-projects "client" ""
    arrow maestro-auth-benches "" ""
    arrow maestro-auth-fuzz "domain service" ""
    every_member_has_an_arrow

    # What the inner crates must not reach, however indirectly.
    local outside="sqlx sqlx-core redis lettre actix-web actix-http reqwest aws-lc-rs jsonwebtoken argon2"
    unreachable maestro-auth-domain normal,build "$outside tokio"
    unreachable maestro-auth-ports normal,build "$outside tokio"
    unreachable maestro-auth-ports normal,build "$outside" --features contract
    unreachable maestro-auth-service normal,build "$outside"
    unreachable maestro-auth-service normal,build,dev "sqlx sqlx-core actix-web actix-http"

    # Whoever protects a service takes no storage aboard, whatever features they choose.
    unreachable maestro-auth-client normal,build "sqlx sqlx-core libsqlite3-sys redis lettre argon2" --all-features

    # Inside the app, adapters are known where they are wired, and nowhere else.
    silent_about maestro_auth_adapters crates/app/src 'crates/app/src/wire/'

    # The whole graph, on every platform: one TLS and crypto library, nothing that needs OpenSSL, no HTTP/2.
    absent rsa openssl openssl-sys native-tls ring h2
    once rustls
    only_crates_io Cargo.lock

    # Below these versions are published vulnerabilities.
    floor jsonwebtoken 10.3.0
    floor actix-http 3.12.1
    floor bcrypt 0.19.2
    floor sqlx 0.8.1
    floor tracing-subscriber 0.3.20
    floor time 0.3.47
    floor idna 1.0.3
    floor rustls-webpki 0.103.13

    ((failures == 0)) || fail_run "$failures forbidden $([[ $failures == 1 ]] && echo thing || echo things) found"
    echo "arch.sh: the architecture holds ($checks checks)"
}

# The crate's direct uses of workspace crates are among those named.
arrow() {
    local crate=$1 allowed=" $2 " allowed_in_tests=" $2 $3 " uses test_uses used
    uses=$(direct_uses "$crate" normal,build) || exit 1
    test_uses=$(direct_uses "$crate" normal,build,dev) || exit 1
    for used in $uses; do
        check "$([[ $allowed == *" $used "* ]] && echo yes)" "$crate must not use $used"
    done
    for used in $test_uses; do
        check "$([[ $allowed_in_tests == *" $used "* ]] && echo yes)" "$crate must not use $used, not even in its tests"
    done
    drawn+=" $crate "
}

every_member_has_an_arrow() {
    local crate
    for crate in $members; do
        check "$([[ $drawn == *" $crate "* ]] && echo yes)" "$crate has no line in scripts/arch.sh and docs/ARCHITECTURE.md"
    done
}

# The crate reaches none of the named crates over edges of these kinds, alone in its build.
unreachable() {
    local crate=$1 edges=$2 forbidden=$3 name reached
    reached=$(reach "$crate" "$edges" "${@:4}") || exit 1
    for name in $forbidden; do
        check "$(has "$reached" "$name" || echo yes)" "$crate must not reach $name (cargo tree -p $crate -e $edges ${*:4} -i $name)"
    done
}

silent_about() {
    local word=$1 folder=$2 except=$3 file
    [[ -d $folder ]] || fail_run "there is no folder $folder"
    for file in $(grep -rlw --include='*.rs' "$word" "$folder" | grep -vE "^$except" || true); do
        check "" "$file must not name $word"
    done
    check yes ""
}

absent() {
    local name everything
    everything=$(whole_graph) || exit 1
    for name in "$@"; do
        check "$(has "$everything" "$name" || echo yes)" "$name is banned (cargo tree --workspace --all-features --target all -i $name)"
    done
}

once() {
    local versions
    versions=$(locked_versions "$1" | wc -l)
    check "$([[ $versions == 1 ]] && echo yes)" "there are $versions versions of $1 in Cargo.lock instead of one"
}

only_crates_io() {
    local strange
    strange=$(grep '^source = ' "$1" | grep -vxF 'source = "registry+https://github.com/rust-lang/crates.io-index"' || true)
    check "$([[ -z $strange ]] && echo yes)" "the lock takes crates from elsewhere: $strange"
}

# Every locked version of the crate is at least this one.
floor() {
    local crate=$1 least=$2 version
    [[ -n $(locked_versions "$crate") ]] || fail_run "there is no $crate in Cargo.lock: misspelt, or its floor can go"
    for version in $(locked_versions "$crate"); do
        check "$([[ $(printf '%s\n%s\n' "$least" "$version" | sort -V | head -n 1) == "$least" ]] && echo yes)" \
            "$crate $version is locked, and only $least or newer is safe"
    done
}

# Every kind of check finds what is known to be there, and refuses a crate that does not exist.
self_test() {
    must_find "an arrow" arrow maestro-auth-service "domain" ""
    must_find "an arrow of tests" arrow maestro-auth-service "domain ports" ""
    must_find "a crate without an arrow" every_member_has_an_arrow
    must_find "a direct dependency" unreachable maestro-auth-domain normal "uuid"
    must_find "an indirect dependency" unreachable maestro-auth normal "sqlx-core"
    must_find "a dependency of a feature" unreachable maestro-auth-ports normal "tokio" --features contract
    must_find "a word in a source file" silent_about maestro_auth_domain crates/ports/src 'nowhere'
    must_find "a banned crate" absent serde
    must_find "a crate in other than one version" once no-such-crate
    must_find "a crate from elsewhere" only_crates_io <(echo 'source = "git+https://example.com/x"')
    must_find "an old version" floor sqlx 999.0.0
    must_refuse "a misspelt crate" unreachable maestro-auth-servce normal "sqlx"
    must_refuse "a misspelt crate in an arrow" arrow maestro-auth-servce "" ""
    must_refuse "a floor for a crate that is not used" floor sqlxx 1.0.0
    must_refuse "a folder that does not exist" silent_about maestro_auth_domain crates/port/src 'nowhere'
    failures=0 checks=0 drawn=""
}

must_find() {
    (failures=0; "${@:2}" >/dev/null 2>&1; ((failures > 0))) || fail_run "self-test: the check does not find $1"
}

must_refuse() {
    ! ("${@:2}") >/dev/null 2>&1 || fail_run "self-test: the check accepts $1"
}

check() {
    checks=$((checks + 1))
    [[ -n $1 ]] && return
    failures=$((failures + 1))
    echo "arch.sh: $2" >&2
}

# The workspace crates that this one names in its manifest, without the common prefix.
direct_uses() {
    local crate=$1 edges=$2 names
    names=$(reach "$crate" "$edges" --all-features --depth 1) || exit 1
    sed -nE "/^$crate\$/d; s/^maestro-auth-//p; /^maestro-auth\$/p" <<<"$names"
}

# The names of all crates that one reaches, itself included, on every platform.
reach() {
    local crate=$1 edges=$2
    has "$members" "$crate" || fail_run "there is no crate $crate in this workspace"
    tree -p "$crate" -e "$edges" "${@:3}"
}

whole_graph() {
    tree --workspace --all-features -e normal,build,dev
}

tree() {
    cargo tree --quiet --locked --target all --prefix none --format '{p}' "$@" | cut -d ' ' -f 1 | sort -u
}

has() {
    grep -qx "$2" <<<"$1"
}

locked_versions() {
    grep -A 1 -x "name = \"$1\"" Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p'
}

fail_run() {
    echo "arch.sh: $*" >&2
    exit 1
}

failures=0 checks=0 drawn=""
members=$(tree --workspace --depth 0)
main
