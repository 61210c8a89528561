#!/bin/bash
# build.sh BINDIR [SRCDIR]: builds etcd, the Kubernetes binaries, CoreDNS and kube-router (used
# for NetworkPolicy only) from the Go module proxy. Idempotent: an existing binary of the
# wanted version is kept. Needs: go. No git, no GitHub.
set -euo pipefail
BIN=$(mkdir -p "${1:?BINDIR}" && cd "$1" && pwd)
SRC=$(mkdir -p "${2:-$BIN/../src}" && cd "${2:-$BIN/../src}" && pwd)
K8S=1.34.4; ETCD=3.5.21; COREDNS=1.13.1; KUBEROUTER=2.1.0
STAGING="api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider
 cluster-bootstrap code-generator component-base component-helpers controller-manager cri-api
 cri-client csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms
 kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics
 mount-utils pod-security-admission sample-apiserver sample-cli-plugin sample-controller"
VP=k8s.io/component-base/version
LD="-s -w -X $VP.gitVersion=v$K8S -X $VP.gitMajor=1 -X $VP.gitMinor=34 -X $VP.gitTreeState=clean -X $VP.buildDate=1970-01-01T00:00:00Z"

have() { [ -x "$BIN/$1" ] && "$BIN/$1" $2 2>&1 | grep -- "$3" >/dev/null; }

CMDS=""
for c in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
  if [ $c = kubectl ]; then have kubectl "version --client" "v$K8S" || CMDS="$CMDS $c"
  else have $c --version "v$K8S" || CMDS="$CMDS $c"; fi
done
if [ -n "$CMDS" ]; then
  mkdir -p "$SRC/kube"; cd "$SRC/kube"
  { echo '//go:build tools'; echo 'package tools'; echo 'import ('
    for c in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
      echo " _ \"k8s.io/kubernetes/cmd/$c\""; done; echo ')'; } > tools.go
  if [ ! -f go.mod ]; then
    go mod init kubebuild; go mod edit -require=k8s.io/kubernetes@v$K8S
    for m in $STAGING; do go mod edit -replace=k8s.io/$m=k8s.io/$m@v0.${K8S#1.}; done
  fi
  go mod tidy
  for c in $CMDS; do echo "building $c"; nice go build -ldflags "$LD" -o "$BIN/$c" k8s.io/kubernetes/cmd/$c; done
fi
if ! have etcd --version "$ETCD"; then
  mkdir -p "$SRC/etcd"; cd "$SRC/etcd"
  cat > main.go <<'G'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
G
  [ -f go.mod ] || go mod init etcdbuild
  go get go.etcd.io/etcd/server/v3@v$ETCD; go mod tidy
  echo "building etcd"; nice go build -ldflags "-s -w" -o "$BIN/etcd" .
fi
if ! have coredns -version "$COREDNS"; then
  mkdir -p "$SRC/coredns"; cd "$SRC/coredns"
  { echo 'package main'; echo 'import ('
    for p in cache errors health kubernetes loadbalance log ready reload template; do
      echo " _ \"github.com/coredns/coredns/plugin/$p\""; done
    echo ' "github.com/coredns/coredns/coremain"'; echo ')'
    echo 'func main() { coremain.Run() }'; } > main.go
  [ -f go.mod ] || go mod init corednsbuild
  # same client-go as Kubernetes above: the compile cache is shared
  go get github.com/coredns/coredns@v$COREDNS k8s.io/client-go@v0.${K8S#1.} k8s.io/api@v0.${K8S#1.} k8s.io/apimachinery@v0.${K8S#1.}
  go mod tidy
  echo "building coredns"; CGO_ENABLED=0 nice go build -ldflags "-s -w" -o "$BIN/coredns" .
fi
if [ ! -x "$BIN/kube-router" ]; then
  mkdir -p "$SRC/kuberouter"; cd "$SRC/kuberouter"
  printf '%s\n' '//go:build tools' '' 'package tools' '' 'import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"' >tools.go
  [ -f go.mod ] || go mod init kuberouterbuild
  go get github.com/cloudnativelabs/kube-router/v2@v$KUBEROUTER; go mod tidy
  echo "building kube-router"; CGO_ENABLED=0 nice go build -ldflags "-s -w" -o "$BIN/kube-router" github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
fi
ls -l "$BIN"
