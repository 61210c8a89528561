# Sourced by the run.sh of tests/cluster and tests/connector, at the project's root, with NAME (tests/cluster), CACHE and LOGS set:
# what they say, what they run, and that nothing of it stays behind. Their `release CODE`, if there is one, is called last.
say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
# A machine that can't run this is no failure of ours.
unable() { echo "$NAME: not run here: $*" >&2; exit 3; }
stop() { echo "$NAME: $*" >&2; echo "0 passed, 1 failed"; exit 1; }

child=""
# in_group COMMAND...: in a process group of its own, so that a signal to this script ends all of it.
in_group() {
  setsid "$@" &
  child=$!
  wait "$child"; local code=$?
  child=""; return $code
}
cleanup() {
  local code=$?
  trap '' INT TERM HUP
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null
    timeout 10 tail --pid="$child" -f /dev/null
    kill -KILL -- "-$child" 2>/dev/null
  fi
  if declare -F release >/dev/null; then release "$code"; fi
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# step STEP COMMAND...: with what it says in a log, of which the end is shown when it fails.
step() {
  local step=$1 began=$SECONDS; shift
  in_group "$@" >"$LOGS/$step.log" 2>&1 || { tail -n 20 "$LOGS/$step.log" >&2; return 1; }
  say "$step: $((SECONDS - began)) s"
}

# alone LOCK: waits until no other run has it.
alone() {
  exec 9>"$1"
  flock --nonblock 9 || { say "another run is going on; waiting for it"; flock 9; }
}

project() {
  step project node deploy/local/bootstrap.mjs build && return
  [ -f node_modules/.godwit-installed ] || unable "the project's npm packages can't be had."
  stop "the project could not be built"
}

# suite REPORT ARGUMENTS: vitest, with arguments as they are typed (-t 'on S3'); the last line is `N passed, N failed`.
suite() {
  local code
  eval "in_group npx vitest run --config $NAME/vitest.config.ts --reporter=verbose --reporter=json \
    --outputFile.json='$1' $2"
  code=$?
  say "done after $SECONDS s"
  node -e "
    const { numPassedTests, numFailedTests } = JSON.parse(require('node:fs').readFileSync('$1'));
    console.log(numPassedTests + ' passed, ' + Math.max(numFailedTests, $code === 0 ? 0 : 1) + ' failed');
  " || echo "0 passed, 1 failed"
  return $code
}
