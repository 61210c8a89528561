#!/bin/bash
# node-down.sh WORKDIR [--keep-logs]: takes down what node-up.sh brought up there and
# removes its data. Safe to run twice.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/processes.sh"
[ -d "${1:?WORKDIR}" ] || exit 0
WORK=$(cd "$1" && pwd); RUN=$WORK/run LOGS=$WORK/logs
CLUSTER=$(cat "$RUN/cluster" 2>/dev/null || echo godwit)
if proc_alive node; then                       # unshare's child is pid 1 of the node: KILL it, all go
  read -r p _ <"$RUN/node.pid"; c=$(pgrep -P "$p" || true)
  [ -z "$c" ] || kill -KILL $c 2>/dev/null || true
fi
proc_stop node 2
for f in "$RUN"/nsfwd*.pid; do [ ! -e "$f" ] || proc_stop "$(basename "$f" .pid)" 1; done
for p in kube-scheduler kube-controller-manager kube-apiserver etcd; do proc_stop $p 0; done
for i in $(seq 50); do                         # cgroups: leaves first
  left=$(find /sys/fs/cgroup/*/kubepods -depth -type d 2>/dev/null || true); [ -n "$left" ] || break
  for d in $left; do rmdir "$d" 2>/dev/null || true; done; sleep 0.1
done
if [ -e "/run/netns/$CLUSTER" ]; then          # also what was killed before it had written its pid down
  for p in $(ip netns pids "$CLUSTER"); do kill -KILL "$p" 2>/dev/null || true; done
  ip netns del "$CLUSTER"
fi
if [ -f "$RUN/sysctl" ]; then while read -r k v; do echo "$v" >"/proc/sys/$k"; done <"$RUN/sysctl"; rm -f "$RUN/sysctl"; fi
rm -rf "$WORK/node" "$WORK/images" "$WORK/etcd" "$WORK/pki" "$RUN" "$WORK"/*.kubeconfig "$WORK"/*.lock
[ "${2:-}" = --keep-logs ] || rm -rf "$LOGS"
rmdir "$WORK" 2>/dev/null || true
