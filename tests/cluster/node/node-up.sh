#!/bin/bash
# node-up.sh BINDIR WORKDIR
# A whole single-node cluster: api-up.sh + containerd, kubelet, kube-proxy, bridge CNI, CoreDNS and (where BINDIR has
# kube-router) NetworkPolicy, all in a network namespace of its own (no route out, so nothing in it reaches another
# machine) and in a pid + mount namespace (ending its first process ends every container).
# The API is reachable from this machine at 127.0.0.1:API_PORT. Prints the kubeconfig's path.
# Needs root and: containerd runc containernetworking-plugins iptables nftables conntrack ipset gcc python3.
#   CLUSTER (godwit): netns name and node name   PROXY_MODE (nftables): or iptables
#   POD_SUBNET (10.244.0.0/24) NODE_IP (10.250.0.2)  FORWARD_PORTS (""): node ports to offer on 127.0.0.1
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/processes.sh"
BIN=$(cd "${1:?BINDIR}" && pwd); WORK=$(mkdir -p "${2:?WORKDIR}" && cd "$2" && pwd)
export CLUSTER=${CLUSTER:-godwit} NODE_IP=${NODE_IP:-10.250.0.2} API_PORT=${API_PORT:-16443}
export NODE_NAME=${NODE_NAME:-$CLUSTER-node}
PROXY_MODE=${PROXY_MODE:-nftables} POD_SUBNET=${POD_SUBNET:-10.244.0.0/24} DNS_IP=10.96.0.10
PKI=$WORK/pki RUN=$WORK/run LOGS=$WORK/logs NODE=$WORK/node IMG=$WORK/images
[ "$(id -u)" = 0 ] || die "needs root"
export PATH="$BIN:$PATH"
for c in containerd runc ctr nft iptables conntrack nsenter unshare python3; do command -v $c >/dev/null || die "no $c (apt-get install)"; done
[ ! -x "$BIN/kube-router" ] || command -v ipset >/dev/null || die "no ipset (apt-get install)"
exec 8>"$WORK/node.lock"; flock 8
# No live node: start from nothing. What an earlier run left (a crash, a killed machine) would
# show pods and nodes as ready that are not.
proc_alive node || { [ ! -d "$RUN" ] || "$HERE/node-down.sh" "$WORK" 8>&-; }
mkdir -p "$WORK" "$PKI" "$RUN" "$LOGS" "$NODE" "$IMG"; echo "$CLUSTER" >"$RUN/cluster"

# --- network namespace: loopback + a bridge that holds the node's address -----------------------
[ -e "/run/netns/$CLUSTER" ] || ip netns add "$CLUSTER"
in_ns() { nsenter --net="/run/netns/$CLUSTER" "$@"; }
in_ns ip link set lo up
in_ns ip link show node0 >/dev/null 2>&1 || in_ns ip link add node0 type bridge
in_ns ip addr replace "$NODE_IP/24" dev node0; in_ns ip link set node0 up
in_ns ip route replace 10.96.0.0/16 dev node0    # so that the node itself can dial a service address
in_ns sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'

# --- API, in there ----------------------------------------------------------------------------------
BIND_ADDRESS=0.0.0.0 ADVERTISE_ADDRESS=$NODE_IP NETNS=$CLUSTER ENABLE_NODES=1 POD_CIDR=10.244.0.0/16 \
  "$HERE/api-up.sh" "$BIN" "$WORK" >/dev/null 8>&-
proc_start nsfwd python3 "$HERE/nsfwd.py" "$CLUSTER" "$API_PORT" 8>&-
export KUBECONFIG=$WORK/admin.kubeconfig NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
wait_for 10 nsfwd kubectl get --raw /readyz
# Node ports that this machine can reach, too.
for p in ${FORWARD_PORTS:-}; do proc_start "nsfwd-$p" python3 "$HERE/nsfwd.py" "$CLUSTER" "$p" "$p" "$NODE_IP" 8>&-; done

# --- images ---------------------------------------------------------------------------------------------
if [ ! -s "$IMG/pause.tar" ]; then
  gcc -Os -static -s -o "$NODE/pause" "$HERE/pause.c"
  python3 "$HERE/mkimage.py" localhost/pause:1 "$IMG/pause.tar" --add "$NODE/pause=/pause" --entrypoint '["/pause"]' --user 65532:65532 >&2
fi
if [ -x "$BIN/coredns" ] && [ ! -s "$IMG/coredns.tar" ]; then
  python3 "$HERE/mkimage.py" localhost/coredns:1 "$IMG/coredns.tar" --add "$BIN/coredns=/coredns" --entrypoint '["/coredns"]' --user 65532:65532 >&2
fi

# --- node ----------------------------------------------------------------------------------------------------
mkcert kubelet "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP"
mkcert kube-proxy /CN=system:kube-proxy
mkcert kube-router /CN=local:kube-router
mkkubeconfig "$WORK/kubelet.kubeconfig" "https://127.0.0.1:$API_PORT" kubelet
mkkubeconfig "$WORK/kube-proxy.kubeconfig" "https://127.0.0.1:$API_PORT" kube-proxy
mkkubeconfig "$WORK/kube-router.kubeconfig" "https://127.0.0.1:$API_PORT" kube-router
[ ! -x "$BIN/kube-router" ] || kubectl apply --server-side -f "$HERE/network-policy-rbac.yaml" >&2
mkdir -p "$NODE/cni.d"; : >"$NODE/resolv.conf"
cat >"$NODE/cni.d/10-bridge.conflist" <<J
{"cniVersion": "1.0.0", "name": "godwit", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_SUBNET"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
J
cat >"$NODE/containerd.toml" <<T
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true   # this VM has no CAP_SYS_RESOURCE: a score below 0 fails with EACCES
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$NODE/cni.d"
T
cat >"$NODE/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $NODE/resolv.conf
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
oomScoreAdj: 0
Y
cat >"$NODE/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: $PROXY_MODE
clusterCIDR: 10.244.0.0/16
hostnameOverride: $NODE_NAME
clientConnection: {kubeconfig: $WORK/kube-proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0}
oomScoreAdj: 0
Y
if ! proc_alive node; then
  rm -f "$RUN/node.started"
  # kubelet changes these three for the whole kernel: node-down.sh puts them back
  [ -f "$RUN/sysctl" ] || for s in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do echo "$s $(cat /proc/sys/$s)"; done >"$RUN/sysctl"
  NSENTER="nsenter --net=/run/netns/$CLUSTER" proc_start node \
    unshare --mount --pid --fork --mount-proc --kill-child "$HERE/node-init.sh" "$BIN" "$WORK" 8>&-
fi
WATCH=node wait_for 90 node test -e "$RUN/node.started"
node_ready() { kubectl get node "$NODE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -qx True; }
WATCH=node wait_for 90 kubelet node_ready
log "node ready"
if [ -x "$BIN/kube-router" ]; then WATCH=node wait_for 30 kube-router in_ns curl -fsS --noproxy '*' -m 2 http://127.0.0.1:20244/healthz; log "network policy ready"; fi
if [ -s "$IMG/coredns.tar" ]; then
  sed "s/@DNS_IP@/$DNS_IP/" "$HERE/coredns.yaml" | kubectl apply --server-side -f - >&2
  kubectl -n kube-system rollout status deployment/coredns --timeout=180s >&2 || die "no pod starts"
  log "dns ready"
fi
echo "$KUBECONFIG"
