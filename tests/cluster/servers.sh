#!/usr/bin/env bash
# servers.sh OUT: images of the stores from the same binaries as the local stack (deploy/local acquires them), tag `ci`.
# Writes OUT/{mongod,nats-server,redis-server,weed}.tar; what is there for the same binary is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
OUT=$(mkdir -p "$1" && cd "$1" && pwd)
read -r BASE _ <<<"$(deploy/base-images.sh)"

binary_of() {
  node --input-type=module -e "
    const { acquireServer } = await import('@godwit/local-stack/servers/acquire-server');
    console.log((await acquireServer('$1', { report: (line) => console.error(line) })).binary);"
}

image() {
  local name=$1 packages=$2 binary stamp c
  binary=$(cd tests/cluster && binary_of "$name")
  stamp=$OUT/$name.sha256
  if [ -s "$OUT/$name.tar" ] && sha256sum --quiet --check "$stamp" 2>/dev/null; then return; fi
  c=$(buildah from --pull-never "$BASE")
  if [ -n "$packages" ]; then
    # shellcheck disable=SC2086
    buildah run --isolation chroot --network host "$c" -- sh -c \
      "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages && rm -rf /var/lib/apt/lists/* /var/cache/apt/*" >"$OUT/$name.log" 2>&1 ||
      { tail -5 "$OUT/$name.log" >&2; return 1; }
  fi
  buildah copy --quiet --chmod 755 "$c" "$binary" "/usr/bin/$name" >/dev/null
  buildah config --user 65532:65532 --entrypoint '[]' --cmd "$name" "$c"
  buildah commit --quiet --rm --format docker --timestamp 0 "$c" "localhost/godwit/$name:ci" >/dev/null
  rm -f "$OUT/$name.tar"
  buildah push --quiet "localhost/godwit/$name:ci" "docker-archive:$OUT/$name.tar:localhost/godwit/$name:ci"
  sha256sum "$binary" >"$stamp"
  echo "localhost/godwit/$name:ci" >&2
}

image mongod 'libcurl4t64 liblzma5 libssl3t64'
image nats-server ''
image redis-server ''
image weed ''
