#!/usr/bin/env bash
# certificates.sh DIR: an authority and the certificates that cert-manager would make (k8s/components/certificates), put
# into the cluster of KUBECONFIG as the same Secrets. DIR/caller.* is for a caller that is no member of the fleet.
set -euo pipefail
DIR=$(mkdir -p "$1" && cd "$1" && pwd); cd "$DIR"; umask 077

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }
# certificate NAME SUBJECT SAN
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" 2>/dev/null |
    openssl x509 -req -CA ca.crt -CAkey ca.key -days 30 -set_serial "0x$(openssl rand -hex 8)" -out "$1.crt" -extfile <(
      printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$3"
    ) 2>/dev/null
}

if [ ! -s ca.crt ]; then
  key ca
  openssl req -x509 -new -key ca.key -subj /CN=godwit-authority -days 30 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  certificate caller /O=internal-team/CN=caller DNS:caller
fi
for service in account edge group message-store presence push router session; do
  namespace=godwit; [ $service != edge ] || namespace=godwit-edge
  [ -s $service.crt ] || certificate $service "/O=godwit-fleet/CN=$service" \
    "DNS:$service.$namespace.svc,DNS:*.$service.$namespace.svc"
  kubectl create secret generic $service-tls -n $namespace --type kubernetes.io/tls --dry-run=client -o yaml \
    --from-file=tls.crt=$service.crt --from-file=tls.key=$service.key --from-file=ca.crt=ca.crt |
    kubectl apply --server-side -f - >/dev/null
done
