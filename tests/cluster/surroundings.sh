#!/usr/bin/env bash
# What the README's quickstart on Kubernetes and the overlay `staging` presuppose.
#   surroundings.sh images OUT    the images: those of the README's first line, and those that are not ours under the names that
#                               the overlays have for them; OUT/*.tar
#   surroundings.sh cluster DIR   in the cluster of KUBECONFIG: cert-manager (of node/build.sh, its controller alone) and a
#                               default StorageClass, where it has none; the volumes are folders in DIR, on the one node
set -euo pipefail
cd "$(dirname "$0")/../.."

# name_in OVERLAY IMAGE
name_in() {
  kubectl kustomize "k8s/overlays/$1" | sed -n "s/^ *image: \(.*\/$2:.*\)$/\1/p" | sort -u | head -n 1
}

# program NAME:TAG OUT PROGRAM: an image of one program that needs nothing else.
program() {
  python3 tests/cluster/node/mkimage.py "$1" "$2" --add "$(command -v "$3")=/$3" --entrypoint "[\"/$3\"]" --user 65532:65532
}

images() {
  local out=$1 store
  local -A name=([mongod]=mongo [nats-server]=nats [redis-server]=redis [weed]=seaweedfs)
  GODWIT_IMAGE_PREFIX=docker.io/godwit GODWIT_IMAGE_TAG=dev GODWIT_IMAGE_OUT=$out deploy/build.sh
  for store in "${!name[@]}"; do
    rm -f "$out/$store.tar"
    buildah push --quiet "localhost/godwit/$store:ci" "docker-archive:$out/$store.tar:$(name_in staging "${name[$store]}")"
  done
  program localhost/cert-manager:ci "$out/cert-manager.tar" cert-manager
  program "$(name_in ci benthos)" "$out/benthos-ci.tar" benthos
  program "$(name_in staging benthos)" "$out/benthos.tar" benthos
}

volumes() {
  local dir=$1 i
  for i in {0..29}; do
    # As a provisioner would leave it: whoever gets it may write.
    mkdir -p -m 0777 "$dir/$i"
    cat <<Y
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: folder-$i }
spec:
  capacity: { storage: 100Gi }
  accessModes: [ReadWriteOnce]
  storageClassName: folders
  hostPath: { path: $dir/$i }
Y
  done
}

cluster() {
  if [ -z "$(kubectl -n cert-manager get deployments --output name)" ]; then
    kubectl apply --server-side --force-conflicts -f "$(dirname "$(command -v cert-manager)")/cert-manager.crds.yaml"
    kubectl apply --server-side -f tests/cluster/cert-manager.yaml
    kubectl -n cert-manager rollout status deployment/cert-manager --timeout=120s
  fi
  if ! kubectl get storageclasses --output yaml | grep -q 'is-default-class: "true"'; then
    kubectl apply --server-side -f tests/cluster/storage-class.yaml
    volumes "$1" | kubectl apply --server-side -f -
  fi
}

"$@"
