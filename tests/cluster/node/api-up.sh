#!/bin/bash
# api-up.sh BINDIR WORKDIR
# Real Kubernetes API: etcd + kube-apiserver + kube-controller-manager + kube-scheduler,
# RBAC on, PodSecurity and NodeRestriction admission on. Prints the admin kubeconfig's path
# on stdout (messages go to stderr). Safe to run twice: what runs already is left alone.
# Everything listens on 127.0.0.1 unless BIND_ADDRESS says otherwise (node-up.sh runs it
# inside a network namespace of its own, where the node's address is the only other one).
#   API_PORT (16443) ETCD_PORT (12379) ETCD_PEER_PORT (12380) KCM_PORT (12257) KS_PORT (12259)
#   BIND_ADDRESS (127.0.0.1)  ADVERTISE_ADDRESS ("": publish no endpoint)  NETNS ("": this one)
#   ENABLE_NODES=1: hand out pod ranges to nodes (POD_CIDR)
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/processes.sh"
BIN=$(cd "${1:?BINDIR}" && pwd); WORK=$(mkdir -p "${2:?WORKDIR}" && cd "$2" && pwd)
API_PORT=${API_PORT:-16443} ETCD_PORT=${ETCD_PORT:-12379} ETCD_PEER_PORT=${ETCD_PEER_PORT:-12380}
KCM_PORT=${KCM_PORT:-12257} KS_PORT=${KS_PORT:-12259}
BIND_ADDRESS=${BIND_ADDRESS:-127.0.0.1} ADVERTISE_ADDRESS=${ADVERTISE_ADDRESS:-}
SERVICE_CIDR=${SERVICE_CIDR:-10.96.0.0/16} SERVICE_IP=${SERVICE_IP:-10.96.0.1} POD_CIDR=${POD_CIDR:-10.244.0.0/16}
NETNS=${NETNS:-}; NSENTER=; [ -z "$NETNS" ] || NSENTER="nsenter --net=/run/netns/$NETNS"
PKI=$WORK/pki RUN=$WORK/run LOGS=$WORK/logs
mkdir -p "$PKI" "$RUN" "$LOGS"; chmod 700 "$PKI" "$WORK"
for b in etcd kube-apiserver kube-controller-manager kube-scheduler; do [ -x "$BIN/$b" ] || die "no $BIN/$b"; done
exec 9>"$WORK/up.lock"; flock 9

# --- certificates -------------------------------------------------------------------------
if [ ! -s "$PKI/ca.crt" ]; then
  openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/ca.key" 2>/dev/null
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=local-kube-ca -days 30 -out "$PKI/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
fi
[ -s "$PKI/sa.key" ] || openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
mkcert apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$SERVICE_IP${ADVERTISE_ADDRESS:+,IP:$ADVERTISE_ADDRESS}"
mkcert admin "/O=system:masters/CN=local-admin"
mkcert kcm /CN=system:kube-controller-manager
mkcert scheduler /CN=system:kube-scheduler
mkcert apiserver-kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
SELF=https://127.0.0.1:$API_PORT
for u in admin kcm scheduler; do mkkubeconfig "$WORK/$u.kubeconfig" "$SELF" $u; done
chmod 600 "$PKI"/*.key

# --- processes (all four at once: each retries until the one below answers) ---------------------
proc_start etcd "$BIN/etcd" --name local --data-dir "$WORK/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
  --listen-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
  --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER_PORT" \
  --initial-cluster "local=http://127.0.0.1:$ETCD_PEER_PORT"
if [ -n "$ADVERTISE_ADDRESS" ]; then ADV="--advertise-address=$ADVERTISE_ADDRESS"
else ADV="--advertise-address=127.0.0.1 --endpoint-reconciler-type=none"; fi
proc_start kube-apiserver "$BIN/kube-apiserver" --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
  --bind-address="$BIND_ADDRESS" --secure-port="$API_PORT" $ADV \
  --service-cluster-ip-range="$SERVICE_CIDR" --allow-privileged=true \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction,PodSecurity \
  --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
  --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
  --kubelet-client-key="$PKI/apiserver-kubelet-client.key" --kubelet-certificate-authority="$PKI/ca.crt" \
  --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$PKI/sa.key" --service-account-signing-key-file="$PKI/sa.key" \
  --shutdown-delay-duration=0s
CIDR="--allocate-node-cidrs=false"
[ -z "${ENABLE_NODES:-}" ] || CIDR="--allocate-node-cidrs=true --cluster-cidr=$POD_CIDR"
nsready() { $NSENTER curl -fsS --noproxy '*' --max-time 2 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" "$SELF$1"; }
wait_for 60 kube-apiserver nsready /readyz
log "apiserver ready"
proc_start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$WORK/kcm.kubeconfig" \
  --bind-address=127.0.0.1 --secure-port="$KCM_PORT" --leader-elect=false --use-service-account-credentials \
  --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/sa.key" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" $CIDR
proc_start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$WORK/scheduler.kubeconfig" \
  --bind-address=127.0.0.1 --secure-port="$KS_PORT" --leader-elect=false
# Ready means usable: the default service account exists, or pods would be refused at first.
wait_for 60 kube-controller-manager nsready /api/v1/namespaces/default/serviceaccounts/default
wait_for 30 kube-controller-manager nsready /api/v1/namespaces/default/configmaps/kube-root-ca.crt
wait_for 30 kube-scheduler $NSENTER curl -fsSk --noproxy '*' --max-time 2 "https://127.0.0.1:$KS_PORT/healthz"
for p in etcd kube-apiserver kube-controller-manager kube-scheduler; do proc_alive $p || die "$p died: $LOGS/$p.log"; done
log "controller-manager and scheduler ready"
echo "$WORK/admin.kubeconfig"
