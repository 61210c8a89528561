#!/usr/bin/env bash
# What the README's quickstart on Kubernetes presupposes.
#   quickstart.sh images OUT    the images: those of the README's first line, and the stores' under the names that the overlay
#                               `dev` has for them; OUT/*.tar
#   quickstart.sh cluster DIR   in the cluster of KUBECONFIG: cert-manager (of node/build.sh, its controller alone) and a
#                               default StorageClass, where it has none; the volumes are folders in DIR, on the one node
set -euo pipefail
cd "$(dirname "$0")/../.."

# name_in_dev IMAGE
name_in_dev() {
  kubectl kustomize k8s/overlays/dev | sed -n "s/^ *image: \(.*\/$1:.*\)$/\1/p" | sort -u | head -n 1
}

images() {
  local out=$1 store
  local -A name=([mongod]=mongo [nats-server]=nats [redis-server]=redis)
  GODWIT_IMAGE_PREFIX=docker.io/godwit GODWIT_IMAGE_TAG=dev GODWIT_IMAGE_OUT=$out deploy/build.sh
  for store in "${!name[@]}"; do
    rm -f "$out/$store.tar"
    buildah push --quiet "localhost/godwit/$store:ci" "docker-archive:$out/$store.tar:$(name_in_dev "${name[$store]}")"
  done
  python3 tests/cluster/node/mkimage.py localhost/cert-manager:ci "$out/cert-manager.tar" \
    --add "$(command -v cert-manager)=/cert-manager" --entrypoint '["/cert-manager"]' --user 65532:65532
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
