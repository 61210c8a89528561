#!/bin/bash
# build.sh fetch|build BINDIR SRCDIR: etcd, the Kubernetes binaries, CoreDNS, kube-router (used for NetworkPolicy only) and
# cert-manager from the Go module proxy, kustomize's own command, and what checks files: kube-score, the Tiltfile's interpreter, Grafana's schema of
# dashboards. `fetch` downloads their modules, `build` compiles what it brought without asking the network. An existing
# binary of the wanted version is kept. Needs: go. No git, no GitHub.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
STEP=${1:?fetch or build}
BIN=$(mkdir -p "${2:?BINDIR}" && cd "$2" && pwd)
SRC=$(mkdir -p "${3:?SRCDIR}" && cd "$3" && pwd)
K8S=1.34.4; ETCD=3.5.21; COREDNS=1.13.1; KUBEROUTER=2.1.0; KUBESCORE=1.20.0; KUSTOMIZE=5.7.1
STAGING="api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider
 cluster-bootstrap code-generator component-base component-helpers controller-manager cri-api
 cri-client csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms
 kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics
 mount-utils pod-security-admission sample-apiserver sample-cli-plugin sample-controller"
VP=k8s.io/component-base/version
LD="-s -w -X $VP.gitVersion=v$K8S -X $VP.gitMajor=1 -X $VP.gitMinor=34 -X $VP.gitTreeState=clean -X $VP.buildDate=1970-01-01T00:00:00Z"

have() { [ -x "$BIN/$1" ] && "$BIN/$1" $2 2>&1 | grep -- "$3" >/dev/null; }
fetching() { [ "$STEP" = fetch ]; }

# module NAME: a module of our own that needs what is to be built; its folder becomes the current one.
module() { mkdir -p "$SRC/$1"; cd "$SRC/$1"; [ -f go.mod ] || go mod init "build/$1"; }
# needs PACKAGE...: programs that the module needs but does not import.
needs() { { printf '%s\n' '//go:build tools' '' 'package tools' ''; printf 'import _ "%s"\n' "$@"; } >tools.go; }
# Resolving loads all that is imported, so nothing is left to download afterwards.
resolve() { [ $# = 0 ] || go get "$@"; go mod tidy; }
# compile NAME PACKAGE [LDFLAGS]
compile() { echo "building $1"; GOPROXY=off go build -ldflags "${3:--s -w}" -o "$BIN/$1" "$2"; }

kubernetes() {
  local c missing=""
  for c in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
    have $c --version "v$K8S" || missing="$missing $c"
  done
  have kubectl "version --client" "v$K8S" || missing="$missing kubectl"
  [ -n "$missing" ] || return 0
  module kube
  if fetching; then
    # shellcheck disable=SC2086
    needs $(printf 'k8s.io/kubernetes/cmd/%s ' kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
    go mod edit -require=k8s.io/kubernetes@v$K8S
    for c in $STAGING; do go mod edit -replace=k8s.io/$c=k8s.io/$c@v0.${K8S#1.}; done
    resolve
  else for c in $missing; do compile "$c" k8s.io/kubernetes/cmd/$c "$LD"; done; fi
}

etcd() {
  have etcd --version "$ETCD" && return
  module etcd
  if fetching; then needs go.etcd.io/etcd/server/v3; resolve go.etcd.io/etcd/server/v3@v$ETCD
  else compile etcd go.etcd.io/etcd/server/v3; fi
}

coredns() {
  have coredns -version "$COREDNS" && return
  module coredns
  if fetching; then
    { echo 'package main'; echo 'import ('
      for p in cache errors health kubernetes loadbalance log ready reload template; do
        echo " _ \"github.com/coredns/coredns/plugin/$p\""; done
      echo ' "github.com/coredns/coredns/coremain"'; echo ')'
      echo 'func main() { coremain.Run() }'; } > main.go
    # same client-go as Kubernetes above: the compile cache is shared
    resolve github.com/coredns/coredns@v$COREDNS k8s.io/client-go@v0.${K8S#1.} k8s.io/api@v0.${K8S#1.} k8s.io/apimachinery@v0.${K8S#1.}
  else CGO_ENABLED=0 compile coredns .; fi
}

# program NAME PACKAGE MODULE@VERSION
program() {
  [ -x "$BIN/$1" ] && return
  module "$1"
  if fetching; then needs "$2"; resolve "$3"; else CGO_ENABLED=0 compile "$1" "$2"; fi
}

# own NAME: a program of this project, in the folder of its name beside this one.
own() {
  cd "$HERE/../$1"
  if fetching; then go mod download; else CGO_ENABLED=0 compile "$1" .; fi
}

kubernetes
etcd
coredns
program kube-router github.com/cloudnativelabs/kube-router/v2/cmd/kube-router github.com/cloudnativelabs/kube-router/v2@v$KUBEROUTER
program kube-score github.com/zegl/kube-score/cmd/kube-score github.com/zegl/kube-score@v$KUBESCORE
program kustomize sigs.k8s.io/kustomize/kustomize/v5 sigs.k8s.io/kustomize/kustomize/v5@v$KUSTOMIZE
# The same build as that of tests/connector, so that one serves both.
benthos() {
  cd "$HERE/../../connector/benthos"
  if fetching; then go list -deps . >/dev/null; else CGO_ENABLED=0 GOFLAGS=-trimpath compile benthos .; fi
}

own check-tiltfile
own check-dashboards
benthos
own cert-manager
# The kinds that it works on.
fetching || cat "$(GOPROXY=off go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)"/deploy/crds/*.io_*.yaml >"$BIN/cert-manager.crds.yaml"
