#!/usr/bin/env bash
# npm run test:cluster: the fleet on a real Kubernetes. Builds the images and (once, outside the clone) the binaries of a
# one-node cluster, brings it, runs the suite against it, takes it down. Last line: `N passed, N failed`. Exit code 3: this
# machine can't (no root, no Go).
#   KUBECONFIG                 take this cluster as it is. It must have no namespace `godwit`. Also set:
#     GODWIT_CLUSTER_LOAD      a command that is called with image archives (docker-archive) and makes the nodes have them
#     GODWIT_CLUSTER_EDGE      ws://host:port at which node port 30080 can be reached from here
#   GODWIT_CLUSTER_KEEP=1      leave the cluster running afterwards; the next run takes it down first
#   GODWIT_CLUSTER_ONLY        arguments for vitest, e.g. a file of tests/cluster/suite
set -uo pipefail
cd "$(dirname "$0")/../.."
CACHE=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}
BIN=$CACHE/cluster/bin WORK=$CACHE/cluster/node IMAGES=$CACHE/images/ci
PACKAGES="containerd runc containernetworking-plugins iptables nftables conntrack ipset debootstrap buildah"
SERVICES="account edge group message-store presence push router session setup"
say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
# A machine that can't run this is no failure of the fleet: exit code 3, and one sentence that says why.
unable() { echo "tests/cluster: not run here: $*" >&2; exit 3; }
stop() { echo "tests/cluster: $*" >&2; echo "0 passed, 1 failed"; exit 1; }

prerequisites() {
  command -v go >/dev/null || unable "Go is needed (it builds Kubernetes from modules)."
  [ "$(id -u)" = 0 ] || unable "root is needed (namespaces, containerd)."
  local missing=""
  for package in $PACKAGES; do dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"; done
  if [ -n "$missing" ]; then
    say "Installing$missing"
    # shellcheck disable=SC2086
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } \
      >"$CACHE/apt.log" 2>&1 || unable "these Debian packages could not be installed:$missing"
  fi
}

tools() {
  tests/cluster/node/build.sh "$BIN" "$CACHE/cluster/src" >"$CACHE/cluster/build.log" 2>&1 ||
    { tail -5 "$CACHE/cluster/build.log" >&2; stop "Kubernetes could not be built"; }
  [ -x "$BIN/kube-score" ] || GOBIN=$BIN CGO_ENABLED=0 go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0 ||
    stop "kube-score could not be built"
  (cd tests/cluster/tiltfile && CGO_ENABLED=0 go build -o "$BIN/check-tiltfile" .) || stop "the Tiltfile's interpreter could not be built"
}

images() {
  GODWIT_IMAGE_TAG=ci GODWIT_IMAGE_OUT=$IMAGES deploy/build.sh >"$CACHE/images/build.log" 2>&1 ||
    { tail -20 "$CACHE/images/build.log" >&2; stop "the images could not be built"; }
  grep ' MB$' "$CACHE/images/build.log" >&2
  tests/cluster/servers.sh "$IMAGES" || stop "the images of the stores could not be built"
  # The next version of one service, to roll to.
  buildah tag localhost/godwit/router:ci localhost/godwit/router:ci-next
  rm -f "$IMAGES/router-next.tar"
  buildah push --quiet localhost/godwit/router:ci-next \
    "docker-archive:$IMAGES/router-next.tar:localhost/godwit/router:ci-next" || stop "no second image of router"
}

archives() { for name in $SERVICES router-next mongod nats-server redis-server; do echo "$IMAGES/$name.tar"; done; }

down() {
  [ "${GODWIT_CLUSTER_KEEP:-}" = 1 ] && { say "left running: KUBECONFIG=$WORK/admin.kubeconfig"; return; }
  tests/cluster/node/node-down.sh "$WORK" --keep-logs || true
}

mkdir -p "$CACHE/cluster" "$CACHE/images" "$IMAGES"
started=$SECONDS
prerequisites
say "installing and building the project"
# It does both before it says that nothing runs.
node deploy/local/bootstrap.mjs status >"$CACHE/cluster/bootstrap.log" 2>&1 || true
[ -d node_modules ] || stop "the project could not be installed: $(tail -1 "$CACHE/cluster/bootstrap.log")"
say "building what Kubernetes needs (6 minutes the first time)"
tools
say "building the images"
images
export PATH=$BIN:$PATH NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
# shellcheck disable=SC2046
if [ -n "${KUBECONFIG:-}" ] && [ "$KUBECONFIG" != "$WORK/admin.kubeconfig" ]; then
  [ -n "${GODWIT_CLUSTER_EDGE:-}" ] || stop "with KUBECONFIG set, GODWIT_CLUSTER_EDGE must name where node port 30080 is"
  ! kubectl get namespace godwit >/dev/null 2>&1 || stop "this cluster has a namespace godwit; it is not for tests"
  ${GODWIT_CLUSTER_LOAD:?with KUBECONFIG set, GODWIT_CLUSTER_LOAD must load images} $(archives) || stop "the images could not be loaded"
else
  say "bringing the node"
  # The suite starts on an empty cluster with the images of now.
  tests/cluster/node/node-down.sh "$WORK" || stop "a former node could not be taken down"
  trap down EXIT
  KUBECONFIG=$(FORWARD_PORTS=30080 tests/cluster/node/node-up.sh "$BIN" "$WORK" $(archives)) || stop "the node did not come up (logs: $WORK/logs)"
  GODWIT_CLUSTER_EDGE=ws://127.0.0.1:30080
fi
export KUBECONFIG GODWIT_CLUSTER_EDGE GODWIT_CLUSTER_SCRATCH=$CACHE/cluster/scratch
rm -rf "$GODWIT_CLUSTER_SCRATCH"; mkdir -p "$GODWIT_CLUSTER_SCRATCH"
say "ready for the suite after $((SECONDS - started)) s"
report=$GODWIT_CLUSTER_SCRATCH/report.json
# shellcheck disable=SC2086
npx vitest run --config tests/cluster/vitest.config.ts --reporter=verbose --reporter=json --outputFile.json="$report" ${GODWIT_CLUSTER_ONLY:-}
code=$?
say "done after $((SECONDS - started)) s"
node -e "
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(require('node:fs').readFileSync('$report'));
  console.log(numPassedTests + ' passed, ' + Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0) + ' failed');
" || echo "0 passed, 1 failed"
exit $code
