#!/usr/bin/env bash
# deploy/build.sh [SERVICE ...]: builds the images of all services (or of some) from deploy/Dockerfile, and tries each.
# deploy/build.sh --fetch: only downloads what they are made of, base images and npm packages.
#   GODWIT_IMAGE_PREFIX  what the names start with (localhost/godwit): PREFIX/edge:TAG
#   GODWIT_IMAGE_TAG     the tag (VERSION-COMMIT, with -dirty for a work tree that differs)
#   GODWIT_IMAGE_OUT     a folder: also writes SERVICE.tar there (docker-archive), for nodes without a registry
#   GODWIT_BASE          registry: start from the official images; packages: make them (deploy/base-images.sh);
#                        unset: the registry if it answers, else packages
#   GODWIT_IMAGE_TOOL    docker or buildah; unset: docker where its daemon runs, else buildah
set -euo pipefail
cd "$(dirname "$0")/.."
ALL="account edge group message-store presence push router session setup"
VERSION=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
DIRTY=$([ -z "$(git status --porcelain 2>/dev/null)" ] || echo -dirty)
TAG=${GODWIT_IMAGE_TAG:-$VERSION-${REVISION:0:12}$DIRTY}
PREFIX=${GODWIT_IMAGE_PREFIX:-localhost/godwit}
OUT=${GODWIT_IMAGE_OUT:-}
LIMIT_MB=250

if [ -n "${GODWIT_IMAGE_TOOL:-}" ]; then TOOL=$GODWIT_IMAGE_TOOL
elif docker info >/dev/null 2>&1; then TOOL=docker
elif command -v buildah >/dev/null; then TOOL=buildah
else echo "Neither a docker daemon nor buildah is here: install one of them (Debian: apt-get install buildah)." >&2; exit 1; fi

# What is built is the tree as it is now: a file that changes meanwhile would make every service a build of its own.
CONTEXT=$(mktemp -d)
trap 'rm -rf "$CONTEXT"' EXIT
if git rev-parse --git-dir >/dev/null 2>&1; then
  # Tests are left out but for their package.json, which the lock file speaks of.
  git ls-files -z --cached --others --exclude-standard -- package.json pnpm-lock.yaml pnpm-workspace.yaml \
    tsconfig.json tsconfig.base.json deploy libs services proto ':(glob)tests/*/package.json' ':(exclude,glob)**/test/**' |
    tar --create --null --files-from=- --ignore-failed-read 2>/dev/null | tar --extract --directory="$CONTEXT"
else CONTEXT=.; trap - EXIT; fi

ARGS=()
base() {
  local from=${GODWIT_BASE:-}
  if [ -z "$from" ]; then
    if timeout 20 $TOOL pull --quiet docker.io/library/debian:trixie-slim >/dev/null 2>&1; then from=registry; else from=packages; fi
  fi
  [ "$from" = packages ] || return 0
  [ $TOOL = buildah ] || { echo "GODWIT_BASE=packages needs buildah." >&2; exit 1; }
  read -r b n <<<"$(deploy/base-images.sh)"
  ARGS+=(--build-arg "BASE_IMAGE=$b" --build-arg "NODE_IMAGE=$n")
}

# build_stage ARGUMENT ...: runs the Dockerfile.
build_stage() {
  if [ $TOOL = docker ]; then docker build --quiet -f deploy/Dockerfile "${ARGS[@]}" "$@" "$CONTEXT"
  else
    # What the host trusts, the build does, too: companies have authorities of their own.
    local ca=/etc/ssl/certs/ca-certificates.crt
    [ ! -f $ca ] || set -- --volume "$ca:$ca:ro" --build-arg "NODE_EXTRA_CA_CERTS=$ca" "$@"
    buildah build --layers --isolation chroot --network host --format docker --quiet --timestamp 0 \
      --ignorefile deploy/Dockerfile.dockerignore -f deploy/Dockerfile "${ARGS[@]}" "$@" "$CONTEXT"
  fi
}

build() {
  build_stage -t "$PREFIX/$1:$TAG" --build-arg "SERVICE=$1" --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION"
}

# With an environment that can't be right a service says so and ends with EX_CONFIG: all of its code has loaded by then.
WRONG=(GODWIT_ENV=production GODWIT_GRPC_LISTEN=nowhere GODWIT_NATS_URL=nowhere)
try() {
  local image=$PREFIX/$1:$TAG code=0 said
  if [ $TOOL = docker ]; then
    said=$(docker run --rm --read-only --network none "${WRONG[@]/#/--env=}" "$image" 2>&1) || code=$?
  else
    local c; c=$(buildah from --pull-never "$image")
    said=$(buildah run --isolation chroot "${WRONG[@]/#/--env=}" "$c" -- node dist/main.js 2>&1) || code=$?
    buildah rm "$c" >/dev/null
  fi
  [ $code = 78 ] || { printf 'The image of %s does not start (exit code %s):\n%s\n' "$1" $code "$said" >&2; return 1; }
}

size_mb() {
  if [ $TOOL = docker ]; then docker image inspect --format '{{.Size}}' "$1"
  else buildah images --json "$1" | sed -n 's/.*"size": "\([0-9.]*\) \([KMG]B\)".*/\1 \2/p' |
    awk '{ f = ($2 == "GB") ? 1e9 : ($2 == "MB") ? 1e6 : 1e3; printf "%d\n", $1 * f }'
  fi | awk '{ printf "%d\n", ($1 + 999999) / 1000000 }'
}

base
[ "${1:-}" != --fetch ] || { build_stage --target packages >/dev/null; exit; }
for service in ${@:-$ALL}; do
  image=$PREFIX/$service:$TAG
  build "$service" >/dev/null
  try "$service"
  mb=$(size_mb "$image")
  [ "$mb" -le $LIMIT_MB ] || { echo "$image has $mb MB, more than $LIMIT_MB" >&2; exit 1; }
  if [ -n "$OUT" ]; then
    mkdir -p "$OUT"; rm -f "$OUT/$service.tar.tmp"
    if [ $TOOL = docker ]; then docker save -o "$OUT/$service.tar.tmp" "$image"
    else buildah push --quiet "$image" "docker-archive:$OUT/$service.tar.tmp:$image"; fi
    mv "$OUT/$service.tar.tmp" "$OUT/$service.tar"
  fi
  echo "$image $mb MB"
done
