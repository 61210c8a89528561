#!/usr/bin/env bash
# npm run test:connector: analytics/connect, run by a real Benthos from a real NATS to a real S3 and a real Kafka, and
# observability/otel-collector.yaml, run by a real OpenTelemetry Collector on the traces of a real fleet. Builds both from
# Go modules and fetches the servers (once, outside the clone). Last line: `N passed, N failed`. Exit code 3: this machine
# can't, and a line says why. Without Java and Maven, Kafka's part is left out, and a line says so; as are traces where the
# collector's modules can't be had.
#   GODWIT_CONNECTOR_ONLY      arguments for vitest, e.g. -t 'on S3'
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
NAME=tests/connector HERE=$PWD/tests/connector
CACHE=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}
WORK=$CACHE/connector LOGS=$CACHE/connector/logs
# shellcheck source=tests/harness.sh
. tests/harness.sh

# A build is named by what it was made of.
digest() { cat "$@" | sha256sum | cut -c1-16; }

# program NAME: builds the Go module of that name, once; `built` is then where it is. Fails where its modules can't be had.
program() {
  export GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/modules
  built=$WORK/$1-$(digest "$HERE/$1"/*)
  [ ! -x "$built" ] || return 0
  # Only what is imported is fetched, and compiling asks the network for nothing.
  step "$1-modules" go -C "$HERE/$1" list -deps . || return 1
  step "$1" env CGO_ENABLED=0 GOPROXY=off go -C "$HERE/$1" build -trimpath -ldflags '-s -w' -o "$built" . ||
    stop "$1 could not be built"
}

programs() {
  command -v go >/dev/null || unable "Go is needed (it builds Benthos from modules)."
  program benthos || unable "the Go modules of Benthos can't be had."
  export GODWIT_BENTHOS_BIN=$built
  if program collector; then export GODWIT_OTELCOL_BIN=$built
  else say "Traces are left out: the collector's Go modules can't be had"; fi
}

kafka() {
  local jars
  jars=$WORK/kafka-$(digest "$HERE/kafka/pom.xml")
  if [ ! -d "$jars" ]; then
    if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then say "Kafka is left out: no java, no mvn"; return; fi
    rm -rf "$jars.part"
    if ! step kafka mvn --batch-mode --quiet --strict-checksums --file "$HERE/kafka/pom.xml" \
      "-Dmaven.repo.local=$WORK/maven" dependency:copy-dependencies "-DoutputDirectory=$jars.part"; then
      say "Kafka is left out: its jars can't be had"
      return
    fi
    mv "$jars.part" "$jars"
    rm -rf "$WORK/maven"
  fi
  export GODWIT_KAFKA_JARS=$jars
}

servers() {
  step servers env --chdir="$HERE" node --input-type=module -e "
    const { acquireServer } = await import('@godwit/local-stack/servers/acquire-server');
    for (const name of ['mongod', 'nats-server', 'redis-server', 'weed'])
      await acquireServer(name, { report: console.log });"
}

# A function is read whole before it runs: this file may change meanwhile.
main() {
  mkdir -p "$LOGS"
  alone "$WORK/run.lock"
  programs
  project
  servers || unable "MongoDB, NATS, Redis or SeaweedFS can't be had."
  kafka
  suite "$WORK/report.json" "${GODWIT_CONNECTOR_ONLY:-}"
}

main; exit
