#!/bin/bash
# Started by node-up.sh as the first process of a pid + mount + network namespace:
# the node. When it ends, the kernel ends every process and mount in there.
set -euo pipefail
BIN=$1 WORK=$2; NODE=$WORK/node
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
for p in kubelet:/var/lib/kubelet containerd:/var/lib/containerd cni:/var/lib/cni log:/var/log; do
  mkdir -p "$NODE/${p%%:*}" "${p#*:}"; mount --bind "$NODE/${p%%:*}" "${p#*:}"; mount --make-shared "${p#*:}"
done
mkdir -p /run/netns /run/containerd
trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM INT
/usr/bin/containerd --config "$NODE/containerd.toml" >"$WORK/logs/containerd.log" 2>&1 &
for i in $(seq 200); do ctr version >/dev/null 2>&1 && break; sleep 0.05; done
for t in "$WORK"/images/*.tar; do [ ! -e "$t" ] || ctr -n k8s.io images import "$t" >>"$WORK/logs/import.log" 2>&1; done
"$BIN/kubelet" --config="$NODE/kubelet.yaml" --kubeconfig="$WORK/kubelet.kubeconfig" \
  --hostname-override="$NODE_NAME" --node-ip="$NODE_IP" --v=1 >"$WORK/logs/kubelet.log" 2>&1 &
"$BIN/kube-proxy" --config="$NODE/kube-proxy.yaml" --v=1 >"$WORK/logs/kube-proxy.log" 2>&1 &
if [ -x "$BIN/kube-router" ]; then   # NetworkPolicy only: no routing, no service proxy.
  # It ends where its node is not registered yet, so it is started again until it stays.
  ( while :; do
      "$BIN/kube-router" --run-router=false --run-service-proxy=false --run-firewall=true \
        --kubeconfig="$WORK/kube-router.kubeconfig" --hostname-override="$NODE_NAME" \
        --service-cluster-ip-range=10.96.0.0/16 --v=1 || true
      sleep 0.5
    done ) >"$WORK/logs/kube-router.log" 2>&1 &
fi
touch "$WORK/run/node.started"
wait -n || true    # any of them ending ends the node: a half node passes no test
echo "a node process ended" >&2; exit 1
