#!/usr/bin/env bash
# Runs all tests. Brings what they need (on Debian, as root), starts a throw-away PostgreSQL for them, and stops it. Tests
# on Redis and on gateways start and stop their own.
#
#   scripts/test.sh                                          everything
#   scripts/test.sh -p maestro-auth-ports                    what follows goes to `cargo test`
#   MAESTRO_AUTH_TEST_SKIP=postgres,redis scripts/test.sh    without PostgreSQL and Redis, and says so; other names are faketime,
#                                                            nginx, caddy and haproxy
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
    command -v cargo >/dev/null || fail "the tests need Rust 1.95 or newer, from https://rustup.rs"
    command -v cc >/dev/null || install "a C compiler" gcc libc6-dev
    command -v curl >/dev/null || install "curl" curl
    [[ -x /bin/kill ]] || install "the command kill" procps
    if skipped redis; then
        say "MAESTRO_AUTH_TEST_SKIP names redis: NOTHING IS TESTED ON REDIS in this run"
    else
        command -v redis-server >/dev/null || install_redis
    fi
    if skipped faketime; then
        say "MAESTRO_AUTH_TEST_SKIP names faketime: NO WRONG CLOCK IS TESTED in this run"
    else
        has_faketime || install "libfaketime" libfaketime
    fi
    local gateway
    for gateway in nginx caddy haproxy; do
        if skipped "$gateway"; then
            say "MAESTRO_AUTH_TEST_SKIP names $gateway: ITS SHIPPED CONFIGURATION IS NOT TESTED in this run"
        else
            has_daemon "$gateway" || install_gateway "$gateway"
        fi
    done
    skipped nginx || command -v python3 >/dev/null || install "Python, for the example behind nginx" python3
    if skipped postgres; then
        say "MAESTRO_AUTH_TEST_SKIP names postgres: NOTHING IS TESTED ON POSTGRESQL in this run"
    else
        has_postgres || install "PostgreSQL" postgresql
        start_postgres
    fi

    say "building and running the tests"
    if (($# > 0)); then
        cargo test --locked "$@"
    else
        cargo test --locked --workspace
        say "running the README's calls"
        cargo build --locked --package maestro-auth
        scripts/readme.sh "${CARGO_TARGET_DIR:-target}/debug/maestro-auth"
    fi
    say "all passed"
}

start_postgres() {
    folder=$(mktemp -d)
    trap stop_postgres EXIT
    MAESTRO_AUTH_TEST_POSTGRES=$(scripts/postgres.sh start "$folder" | tail -n 1)
    export MAESTRO_AUTH_TEST_POSTGRES
    say "a throw-away PostgreSQL serves $MAESTRO_AUTH_TEST_POSTGRES"
}

stop_postgres() {
    scripts/postgres.sh stop "$folder" immediate || true
    rm -rf "$folder"
}

has_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null
}

# The package also starts a Redis for the whole machine, now and at every boot. Nobody asked for that one.
install_redis() {
    install "Redis" redis-server
    service redis-server stop >/dev/null 2>&1 || true
    update-rc.d redis-server disable >/dev/null 2>&1 || true
}

# The package would also start the gateway for the whole machine, on port 80, now and at every boot. Nobody asked for that one:
# while a policy-rc.d says so, Debian starts nothing. What starts in spite of it is stopped.
install_gateway() {
    local gateway=$1 policy=/usr/sbin/policy-rc.d has_policy=yes
    if ((EUID == 0)) && [[ ! -e $policy ]]; then
        has_policy=no
        # Also when the installation fails, which ends this script.
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    install "$gateway" "$gateway"
    if [[ $has_policy == no ]]; then
        rm -f "$policy"
        trap - EXIT
    fi
    service "$gateway" stop >/dev/null 2>&1 || true
    systemctl disable "$gateway" >/dev/null 2>&1 || update-rc.d "$gateway" disable >/dev/null 2>&1 || true
}

# Daemons may be where only root looks.
has_daemon() {
    PATH=$PATH:/usr/local/sbin:/usr/sbin command -v "$1" >/dev/null
}

has_faketime() {
    compgen -G '/usr/lib*/faketime/libfaketime.so.1' >/dev/null || compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null
}

skipped() {
    [[ ",${MAESTRO_AUTH_TEST_SKIP:-}," == *",$1,"* ]]
}

install() {
    local what=$1 packages=("${@:2}")
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "the tests need $what, and only root on Debian can have it installed by this script; install it yourself, or name what to skip in MAESTRO_AUTH_TEST_SKIP"
    fi
    say "installing $what (Debian: ${packages[*]})"
    apt_get update
    apt_get install -y --no-install-recommends "${packages[@]}"
}

# Waits for another apt-get, and shows what it says only when it fails.
apt_get() {
    local log
    log=$(DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null) || {
        echo "$log" >&2
        fail "apt-get $* failed"
    }
}

say() {
    echo "test.sh: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

main "$@"
