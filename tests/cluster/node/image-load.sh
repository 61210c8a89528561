#!/bin/bash
# image-load.sh WORKDIR IMAGE.tar...: imports images into the node that runs there.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/processes.sh"
WORK=$(cd "${1:?WORKDIR}" && pwd); RUN=$WORK/run LOGS=$WORK/logs; shift
proc_alive node || die "no node runs in $WORK"
read -r p _ <"$RUN/node.pid"; c=$(pgrep -P "$p")
for t in "$@"; do nsenter --target "$c" --net --pid --mount ctr -n k8s.io images import "$(realpath "$t")"; done
