#!/bin/bash
# can-run.sh DIR: whether this machine's kernel grants what a node with pods needs; says on stderr what it doesn't. Of
# Kubernetes it uses nothing: what fails after this is no fault of the machine. Needs root, gcc and the packages of
# node-up.sh.
set -euo pipefail
DIR=$(mkdir -p "${1:?DIR}" && cd "$1" && pwd)
probe() { local what=$1; shift; "$@" >"$DIR/log" 2>&1 || { echo "$what: $(tail -n 1 "$DIR/log")" >&2; exit 1; }; }

rm -rf "$DIR"/*; mkdir -p "$DIR"/{lower,upper,work,merged,bundle/rootfs}
probe "no overlayfs" unshare --mount mount -t overlay overlay \
  -o "lowerdir=$DIR/lower,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/merged"
probe "no bridge in a network namespace" unshare --net ip link add bridge0 type bridge
probe "no veth in a network namespace" unshare --net ip link add veth0 type veth peer name veth1
probe "no nftables in a network namespace" unshare --net nft 'add table ip probe; add chain ip probe nat { type nat hook prerouting priority 0; }'
probe "no iptables in a network namespace" unshare --net iptables -t nat -L
probe "no ipset in a network namespace" unshare --net ipset create probe hash:ip

# One container, as containerd would start it.
echo 'int main(void) { return 0; }' >"$DIR/true.c"
probe "no C compiler" gcc -Os -static -o "$DIR/bundle/rootfs/true" "$DIR/true.c"
probe "no runc" runc spec --bundle "$DIR/bundle"
sed -i -e 's/"terminal": true/"terminal": false/' -e 's|"sh"|"/true"|' "$DIR/bundle/config.json"
name=godwit-probe-$$
probe "no container starts" runc --root "$DIR/runc" run --bundle "$DIR/bundle" "$name" </dev/null
