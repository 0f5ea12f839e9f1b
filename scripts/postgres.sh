#!/usr/bin/env bash
# A throw-away PostgreSQL cluster for tests and benches. It listens on 127.0.0.1 alone and trusts whoever connects,
# so it is no place for real data.
#
#   scripts/postgres.sh start DIR [PORT] [--durable]   makes the cluster in DIR if there is none, and starts it;
#                                                      prints the superuser's URL as its last line
#   scripts/postgres.sh stop DIR [fast|immediate]      stops it
#   scripts/postgres.sh restart DIR                    stops it if it runs, and starts it on the same port
#   scripts/postgres.sh kill DIR                       kills its first process with SIGKILL, as a crash would
#
# Without PORT a free one is taken; the cluster keeps it. Without --durable nothing is synced to disk: fast, and lost
# when the machine dies (a killed PostgreSQL loses nothing). Run by root, it gives the cluster to an unprivileged user.
set -euo pipefail

main() {
    local command=${1:-} durable=off arguments=() argument
    for argument in "${@:2}"; do
        if [[ $argument == --durable ]]; then durable=on; else arguments+=("$argument"); fi
    done
    case "$command:${#arguments[@]}" in
        start:[12]) open_cluster "${arguments[0]}" && start "${arguments[1]:-}" "$durable" ;;
        stop:[12]) open_cluster "${arguments[0]}" && stop "${arguments[1]:-fast}" ;;
        restart:1) open_cluster "${arguments[0]}" && restart ;;
        kill:1) open_cluster "${arguments[0]}" && kill_postmaster ;;
        *) fail "usage: scripts/postgres.sh start DIR [PORT] [--durable] | stop DIR [fast|immediate] | restart DIR | kill DIR" ;;
    esac
}

start() {
    local wanted_port=$1 durable=$2
    is_running && fail "a cluster is running in $dir already (port $(port)); stop it first"
    if [[ ! -e $data/PG_VERSION ]]; then
        make_cluster
        configure "${wanted_port:-$(free_port)}" "$durable"
    elif [[ -n $wanted_port && $wanted_port != "$(port)" ]]; then
        fail "the cluster in $dir has port $(port); start it without PORT, or make one in another folder"
    fi
    boot "$wanted_port"
    url
}

stop() {
    [[ $1 == fast || $1 == immediate ]] || fail "stop takes fast or immediate, not '$1'"
    if ! is_running; then
        say "no cluster is running in $dir"
        return
    fi
    as_owner "$bin/pg_ctl" stop -D "$data" -m "$1" -w -t 60 >/dev/null || fail "the cluster in $dir did not stop within 60 s"
}

restart() {
    [[ -e $data/PG_VERSION ]] || fail "there is no cluster in $dir"
    stop fast
    boot keep_port
    url
}

kill_postmaster() {
    is_running || fail "no cluster is running in $dir"
    local _
    kill -KILL "$(postmaster)"
    for _ in {1..100}; do
        is_running || return 0
        sleep 0.05
    done
    fail "the cluster in $dir survived SIGKILL for 5 s"
}

# Sets dir, data, bin and owner for what follows.
open_cluster() {
    mkdir -p "$1"
    dir=$(cd "$1" && pwd -P)
    data=$dir/data
    # The kernel allows 107 bytes for a socket's path.
    ((${#dir} <= 80)) || fail "the path $dir is too long for a unix socket; take a shorter one"
    bin=$(find_binaries)
    owner=$(find_owner)
    if [[ -n $owner ]]; then
        chown "$owner" "$dir"
        as_owner test -w "$dir" || fail "user $owner cannot reach $dir; give its parent folders mode 711"
    fi
}

find_binaries() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [[ -x $initdb ]] || initdb=$(command -v initdb) || fail "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    dirname "$(readlink -f "$initdb")"
}

# initdb and postgres refuse to run as root. Nothing for everybody else, who own what they make.
find_owner() {
    ((EUID == 0)) || return 0
    if id -u postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

as_owner() {
    if [[ -z $owner ]]; then
        "$@"
    elif command -v setpriv >/dev/null; then
        (cd "$dir" && HOME=$dir exec setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups -- "$@")
    else
        (cd "$dir" && HOME=$dir exec runuser -u "$owner" -- "$@")
    fi
}

make_cluster() {
    as_owner "$bin/initdb" -D "$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \
        >"$dir/initdb.log" 2>&1 || {
        cat "$dir/initdb.log" >&2
        fail "initdb could not make a cluster in $data"
    }
}

# Even without syncing, a commit waits until the system has it: what was acknowledged outlives a killed PostgreSQL.
configure() {
    local port=$1 durable=$2
    as_owner tee -a "$data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
max_connections = 200
fsync = $durable
synchronous_commit = on
full_page_writes = $durable
CONF
}

# Starts the cluster. A chosen port that another program took meanwhile is changed, unless the caller asked for it.
boot() {
    local fixed_port=$1 tries
    for tries in {1..20}; do
        if as_owner "$bin/pg_ctl" start -D "$data" -l "$dir/log" -w -t 60 </dev/null >/dev/null 2>&1; then
            return
        fi
        if [[ -z $fixed_port ]] && tail -n 20 "$dir/log" | grep -q 'could not bind'; then
            as_owner sed -i "s/^port = .*/port = $(free_port)/" "$data/postgresql.conf"
        elif ! tail -n 20 "$dir/log" | grep -q 'still in use\|lock file "postmaster.pid" already exists'; then
            break # not the shared memory of a killed cluster, whose last processes are still leaving
        fi
        sleep 0.5
    done
    tail -n 20 "$dir/log" >&2
    fail "PostgreSQL did not start in $dir after $tries attempts; its log ends above"
}

# A killed cluster leaves its pid file behind, and the pid may be a zombie's or somebody else's by now.
is_running() {
    [[ -e $data/postmaster.pid ]] && kill -0 "$(postmaster)" 2>/dev/null || return 1
    [[ ! -d /proc/self ]] || grep -aq "postgres\|postmaster" "/proc/$(postmaster)/cmdline" 2>/dev/null
}

postmaster() {
    head -n 1 "$data/postmaster.pid"
}

port() {
    sed -n 's/^port = //p' "$data/postgresql.conf"
}

url() {
    echo "postgres://postgres@127.0.0.1:$(port)/postgres"
}

# Below the range from which the kernel gives ports to outgoing connections.
free_port() {
    local candidate
    for _ in {1..100}; do
        candidate=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no free port found on 127.0.0.1"
}

say() {
    echo "postgres.sh: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

main "$@"
