#!/usr/bin/env bash
# npm run test:cluster: the fleet on a real Kubernetes. Downloads what is needed, builds the binaries of a one-node cluster
# (once, outside the clone) and the images, brings the cluster, runs the suite against it, takes it down. Last line:
# `N passed, N failed`. Exit code 3: this machine can't, and a line says why (no root, no Go, something can't be downloaded,
# no namespaces or containers).
#   KUBECONFIG                 take this cluster as it is. It must have no namespace `godwit`. Also set:
#     GODWIT_CLUSTER_LOAD      a command that is called with image archives (docker-archive) and makes the nodes have them
#     GODWIT_CLUSTER_EDGE      ws://host:port at which node port 30080 can be reached from here
#   GODWIT_CLUSTER_KEEP=1      leave the cluster running afterwards; the next run takes it down first
#   GODWIT_CLUSTER_ONLY        arguments for vitest, e.g. a file of tests/cluster/suite
set -uo pipefail
cd "$(dirname "$0")/../.."
NAME=tests/cluster
CACHE=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}
BIN=$CACHE/cluster/bin SRC=$CACHE/cluster/src WORK=$CACHE/cluster/node IMAGES=$CACHE/images/ci LOGS=$CACHE/cluster/logs
PACKAGES="containerd runc containernetworking-plugins iptables nftables conntrack ipset debootstrap buildah"
SERVICES="account edge group message-store presence push router session setup"
STORES="mongod nats-server redis-server weed"
# shellcheck source=tests/harness.sh
. tests/harness.sh

node=""
release() {
  [ -n "$node" ] || return 0
  if [ "${GODWIT_CLUSTER_KEEP:-}" = 1 ] && [ "$1" -lt 128 ]; then say "left running: KUBECONFIG=$WORK/admin.kubeconfig"
  else tests/cluster/node/node-down.sh "$WORK" --keep-logs || say "the node could not be taken down"; fi
}

# --- stages ----------------------------------------------------------------------------------------------------------
prerequisites() {
  command -v go >/dev/null || unable "Go is needed (it builds Kubernetes from modules)."
  [ "$(id -u)" = 0 ] || unable "root is needed (namespaces, containerd)."
  unshare --mount --net --pid --fork true 2>/dev/null || unable "this machine grants no namespaces."
  # The first time: Go's caches 8 GB, images 8 GB.
  [ -x "$BIN/kubectl" ] || [ "$(df --output=avail -B1G "$CACHE" | tail -n 1)" -ge 20 ] ||
    unable "20 GB of disk are needed in $CACHE."
  local package missing=""
  for package in $PACKAGES; do
    # A removed one may still be known.
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
  done
  # shellcheck disable=SC2086
  [ -z "$missing" ] || step debian-packages sh -c 'apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"' sh $missing ||
    unable "these Debian packages can't be had:$missing"
  ! own || tests/cluster/node/can-run.sh "$CACHE/cluster/probe" || unable "this machine runs no node (above)."
}

# Whether the cluster is of this script.
own() { [ -z "${KUBECONFIG:-}" ] || [ "$KUBECONFIG" = "$WORK/admin.kubeconfig" ]; }

# All that comes from outside, so that what fails later is ours.
downloads() {
  project
  step go-modules tests/cluster/node/build.sh fetch "$BIN" "$SRC" || unable "the Go modules of Kubernetes can't be had."
  step base-images deploy/build.sh --fetch || unable "the base images or the npm packages of the images can't be had."
  step images-of-stores tests/cluster/servers.sh "$IMAGES" || unable "the packages of the stores' images can't be had."
}

builds() {
  step kubernetes tests/cluster/node/build.sh build "$BIN" "$SRC" || stop "Kubernetes could not be built"
  step images env GODWIT_IMAGE_TAG=ci deploy/build.sh || stop "the images could not be built"
  # The next version of one service, to roll to.
  step next-image env GODWIT_IMAGE_TAG=ci-next GODWIT_IMAGE_OUT="$IMAGES/next" deploy/build.sh router ||
    stop "no second image of router"
  step quickstart-images tests/cluster/surroundings.sh images "$IMAGES/quickstart" ||
    stop "the images of the README's quickstart could not be made"
}

archives() {
  local name
  for name in $SERVICES $STORES next/router; do echo "$IMAGES/$name.tar"; done
  for name in $SERVICES $STORES cert-manager benthos benthos-ci; do echo "$IMAGES/quickstart/$name.tar"; done
}

own_cluster() {
  # The suite starts on an empty cluster with the images of now.
  tests/cluster/node/node-down.sh "$WORK" || stop "a former node could not be taken down"
  node=1
  step node env FORWARD_PORTS=30080 tests/cluster/node/node-up.sh "$BIN" "$WORK" ||
    stop "the node did not come up (logs: $WORK/logs)"
  # shellcheck disable=SC2046
  step load tests/cluster/node/image-load.sh "$WORK" $(archives) || stop "the images could not be loaded"
  export KUBECONFIG=$WORK/admin.kubeconfig GODWIT_CLUSTER_EDGE=ws://127.0.0.1:30080
}

given_cluster() {
  [ -n "${GODWIT_CLUSTER_EDGE:-}" ] || stop "with KUBECONFIG set, GODWIT_CLUSTER_EDGE must name where node port 30080 is"
  [ -n "${GODWIT_CLUSTER_LOAD:-}" ] || stop "with KUBECONFIG set, GODWIT_CLUSTER_LOAD must load images"
  ! kubectl get namespace godwit >/dev/null 2>&1 || stop "this cluster has a namespace godwit; it is not for tests"
  # shellcheck disable=SC2046
  step load $GODWIT_CLUSTER_LOAD $(archives) || stop "the images could not be loaded"
}

# A function is read whole before it runs: this file may change meanwhile.
main() {
  mkdir -p "$IMAGES/next" "$IMAGES/quickstart" "$LOGS"
  alone "$CACHE/cluster/run.lock"
  prerequisites
  # All that Go and buildah keep goes into the cache folder, too.
  export GOCACHE=$CACHE/go/build GOMODCACHE=$CACHE/go/modules
  export GODWIT_IMAGE_TOOL=buildah GODWIT_IMAGE_OUT=$IMAGES CONTAINERS_STORAGE_CONF=$CACHE/images/storage.conf
  cat >"$CONTAINERS_STORAGE_CONF" <<T
[storage]
driver = "overlay"
graphroot = "$CACHE/images/storage"
runroot = "$CACHE/images/storage-run"
T
  export PATH=$BIN:$PATH NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
  export GODWIT_CLUSTER_SCRATCH=$CACHE/cluster/scratch
  rm -rf "$GODWIT_CLUSTER_SCRATCH"; mkdir -p "$GODWIT_CLUSTER_SCRATCH"
  downloads
  builds
  if own; then own_cluster; else given_cluster; fi
  say "ready for the suite after $SECONDS s"
  suite "$GODWIT_CLUSTER_SCRATCH/report.json" "${GODWIT_CLUSTER_ONLY:-}"
}

main; exit
