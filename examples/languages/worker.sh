#!/bin/sh
# An evaluator of curl and jq: takes questions of a pool, measures and answers, until it is stopped. What is measured is in network.jq.
#
#     worker.sh POOL        with the daemon's address in NARROWD_URL
set -eu
url=${NARROWD_URL:-http://127.0.0.1:8585}/v1/leases
name=$(hostname)-$$
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
# A question that is given up goes to another worker when its lease has run out. What was started just now may not hear of less.
stop() {
	set +u
	kill -KILL "$!" 2>/dev/null || :
	exit 0
}
trap stop INT TERM

# For a day, when nobody is there: the daemon may be started again.
send='curl -sS --fail-with-body --retry 86400 --retry-delay 1 --retry-max-time 86400 --retry-connrefused --json @-'

# Waits for the measurement; meanwhile the daemon hears that it lives, and says when nobody needs its answer any more.
wait_for() {
	until timeout 5 tail --pid="$running" --sleep-interval=0.1 -f /dev/null; do
		wanted=$(echo '{}' | $send "$url/$1/heartbeat" | jq .continue || echo false)
		[ "$wanted" = true ] || kill "$running"
	done
	wait "$running"
}

# The answer when a measurement has ended with status $1: jq ends with 5 where the config cannot be applied.
failure() {
	jq -n --arg error "$(tail -n 1 "$scratch/errors")" --argjson status "$1" \
		'{failed: true, error: $error, retryable: ($status != 5)}'
}

taken=0
jq -n --arg pool "$1" --arg worker "$name" '{$pool, $worker, wait_s: 20, ttl_s: 60}' >"$scratch/who"
while :; do
	# Under the same key the same question comes again, when its answer was lost on the way.
	taken=$((taken + 1))
	$send -H "Idempotency-Key: \"$name-$taken\"" "$url" <"$scratch/who" >"$scratch/taken" &
	running=$!
	wait "$running"
	lease=$(jq -r '.items[0].lease // ""' "$scratch/taken")
	[ -n "$lease" ] || continue
	jq '.items[0]' "$scratch/taken" >"$scratch/question"
	jq -f "$here/network.jq" --slurpfile questions "$scratch/question" "$here/model.json" \
		>"$scratch/answer" 2>"$scratch/errors" &
	running=$!
	status=0
	wait_for "$lease" || status=$?
	[ "$status" = 0 ] || failure "$status" >"$scratch/answer"
	$send "$url/$lease/complete" <"$scratch/answer" >/dev/null || echo "worker.sh: nobody wanted the answer of $lease" >&2
done
