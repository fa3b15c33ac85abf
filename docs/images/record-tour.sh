#!/bin/sh
# Records the README's picture against a running demo service. In one terminal `make run`, in
# another: sh docs/images/record-tour.sh [http://127.0.0.1:8000]
# Needs curl, jq and mpv, and takes two minutes. All that the picture shows is real output; only the
# times at the left are added here.
set -eu
cd "$(dirname "$0")/../.."
server=${1:-http://127.0.0.1:8000}
api=$server/api/v1
work=$(mktemp -d /tmp/tour-XXXXXX)
export XDG_STATE_HOME="$work"
trap 'kill $(cat "$work"/*.pid 2> /dev/null) 2> /dev/null || true; rm -rf "$work"' EXIT

stamped() {
    while IFS= read -r line; do
        printf '%s %s\n' "$(date +%T)" "$line"
    done
}

shown() {
    printf '$ %s\n' "$1" | stamped >> "$work/parent.txt"
    eval "$1" | stamped >> "$work/parent.txt"
}

balance() {
    curl -s "$api/viewing-time/balance/$sam" -H "$parent" | jq -r "$1"
}

wait_until() {
    for _ in $(seq 120); do
        [ "$(balance .enforcement)" != "$1" ] || return 0
        sleep 1
    done
    echo "the child is still not $1" >&2
    exit 1
}

token=$(curl -s "$api/auth/login" --json \
    '{"email": "parent@example.com", "password": "watchkeeper-demo"}' | jq -r .access_token)
parent="Authorization: Bearer $token"
curl -s "$api/parental-controls/pin/verify" -H "$parent" --json '{"pin": "1234"}' > /dev/null
sam=$(curl -s "$api/profiles" -H "$parent" --json '{"name": "Sam", "is_child": true}' | jq -r .id)
code=$(curl -s "$api/devices/pairing-codes" -H "$parent" \
    --json "{\"profile_id\": \"$sam\", \"name\": \"Living room\"}" | jq -r .code)
take=$((1 - $(balance .remaining_minutes)))
time=$api/parental-controls/profiles/$sam/viewing-time

shown "curl -s \$time/grant -H \"\$parent\" --json '{\"minutes\": $take}' | jq -c '{remaining_minutes, binding}'"
printf '$ watchkeeper bridge mpv --socket %s --pair %s\n' "$work/mpv.sock" "$code" |
    stamped > "$work/player.txt"
mkfifo "$work/lines"
stamped < "$work/lines" >> "$work/player.txt" &
.venv/bin/watchkeeper bridge mpv --server "$server" --socket "$work/mpv.sock" --pair "$code" \
    > "$work/lines" &
echo $! > "$work/bridge.pid"
mpv --input-ipc-server="$work/mpv.sock" --vo=null --ao=null --really-quiet \
    --force-media-title="Test picture" av://lavfi:testsrc &
echo $! > "$work/mpv.pid"

wait_until blocked
sleep 3
shown "curl -s \$api/viewing-time/balance/\$sam -H \"\$parent\" | jq -c '{used_minutes, enforcement, reason}'"
shown "curl -s \$time/grant -H \"\$parent\" --json '{\"minutes\": 15}' | jq -c '{remaining_minutes, binding}'"
sleep 70
shown "curl -s \$api/viewing-time/balance/\$sam -H \"\$parent\" | jq -c '{used_minutes, remaining_minutes, enforcement}'"
python3 docs/images/draw_terminals.py docs/images/tour.svg \
    "A parent" "$work/parent.txt" "The player in the living room" "$work/player.txt"
