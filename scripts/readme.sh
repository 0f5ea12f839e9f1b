#!/usr/bin/env bash
# Runs the quick start of README.md word for word, as a stranger's shell would, against a server started from an empty
# folder on the port that the README names, and checks every answer. Then restarts the server and checks that what was
# registered is still there.
#
#   scripts/readme.sh           builds the release binary and runs it
#   scripts/readme.sh BINARY    runs this one
set -euo pipefail
cd "$(dirname "$0")/.."

port=8000
expected="POST /register 201
POST /login 200
GET /me 200
POST /refresh 200
POST /logout 200
GET /me 401"

main() {
    local binary=${1:-}
    if [[ -z $binary ]]; then
        cargo build --release --locked --package maestro-auth
        binary=${CARGO_TARGET_DIR:-target}/release/maestro-auth
    fi
    binary=$(readlink -f "$binary")
    folder=$(mktemp -d)
    server=
    trap clean_up EXIT
    quick_start >"$folder/calls.sh"
    [[ -s $folder/calls.sh ]] || fail "README.md has no sh blocks between its quick-start marks"
    watch_curl

    start_server "$binary"
    run_calls
    stop_server
    start_server "$binary"
    log_in_again
    stop_server
    echo "readme.sh: the quick start of README.md works word for word"
}

# The lines of the sh blocks between the two marks.
quick_start() {
    # shellcheck disable=SC2016 # the backquotes are Markdown's
    sed -n '/<!-- quick-start -->/,/<!-- \/quick-start -->/p' README.md | sed -n '/^```sh$/,/^```$/{/^```/d;p}'
}

# A curl ahead in the PATH, which notes method, address and status of each call and changes nothing else.
watch_curl() {
    mkdir "$folder/bin" "$folder/work"
    cat >"$folder/bin/curl" <<SHIM
#!/bin/sh
exec "$(command -v curl)" --write-out '%{stderr}%{method} %{url} %{http_code}\n' "\$@" 2>>"$folder/statuses"
SHIM
    chmod +x "$folder/bin/curl"
}

# From an empty folder and with nothing in the environment, so that only the defaults count.
start_server() {
    if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then
        fail "port $port, which the README names, is in use by another program"
    fi
    (cd "$folder/work" && exec env -i PATH="$PATH" HOME="$folder" "$1" >>"$folder/server.log" 2>&1) &
    server=$!
    for _ in {1..300}; do
        curl -fs "http://127.0.0.1:$port/readyz" >/dev/null && return
        kill -0 "$server" 2>/dev/null || fail "the server ended at its start"
        sleep 0.1
    done
    fail "the server was not ready after 30 s"
}

# As Ctrl-C does.
stop_server() {
    kill -INT "$server"
    for _ in {1..400}; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 "$server" 2>/dev/null || fail "the server still runs 40 s after Ctrl-C"
    wait "$server" || fail "the server ended with code $? after Ctrl-C"
    server=
}

run_calls() {
    (cd "$folder/work" && PATH="$folder/bin:$PATH" sh -u "$folder/calls.sh") >"$folder/output" 2>&1 ||
        fail "a command of the quick start failed"
    local seen
    seen=$(sed 's|http://127.0.0.1:8000/api/v1/auth||' "$folder/statuses")
    [[ $seen == "$expected" ]] || fail "the calls were answered otherwise:
$(diff <(echo "$expected") <(echo "$seen"))"
    local part
    for part in test@example.com admin@maestro.ml 'Successfully logged out' token_revoked; do
        grep -qF "$part" "$folder/output" || fail "the output of the quick start does not show $part"
    done
}

log_in_again() {
    curl -fsS -o /dev/null "http://127.0.0.1:$port/api/v1/auth/login" \
        -H 'Content-Type: application/json' -d '{"email": "test@example.com", "password": "password123"}' ||
        fail "the registered user cannot log in after a restart"
}

clean_up() {
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$folder"
}

fail() {
    local file
    for file in output server.log; do
        [[ ! -s $folder/$file ]] || sed "s/^/$file: /" "$folder/$file" | tail -n 40 >&2
    done
    echo "readme.sh: $*" >&2
    exit 1
}

main "$@"
