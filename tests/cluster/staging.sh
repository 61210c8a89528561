#!/usr/bin/env bash
# staging.sh DIR: what docs/runbooks/deploy.md presupposes of the overlay `staging`, in DIR: a copy of the manifests in which it fits
# the tests' cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(mkdir -p "$1" && cd "$1" && pwd)
rm -rf "${dir:?}/"{k8s,observability,analytics,proto}
# With the folders of which components make ConfigMaps.
cp -r --parents k8s observability/dashboards analytics/connect proto/godwit/event "$dir"
cp -r tests/cluster/staging "$dir/k8s/components/of-the-tests"
cd "$dir/k8s/overlays/staging"
kustomize edit add component ../../components/one-node ../../components/of-the-tests
sed -i 's|^\(GODWIT_EDGE_PUBLIC_URLS\)=.*|\1=wss://127.0.0.1:30080|' fleet.env
# A test does not wait a minute for every file.
echo GODWIT_ANALYTICS_INTERVAL=10s >>fleet.env
