#!/usr/bin/env bash
# deploy/seed.sh: alice, bob and carol with a first chat, in the dev overlay's cluster. The edge has to be reachable at
# GODWIT_EDGE (ws://127.0.0.1:8080, which Tilt forwards). Profiles are those of the CLI; who is there already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
EDGE=${GODWIT_EDGE:-ws://127.0.0.1:8080}
export GODWIT_API_KEY=${GODWIT_API_KEY:-godwit-development-key}
godwit() { npx godwit --edge "$EDGE" "$@"; }
code_of() {
  kubectl -n godwit exec deployment/account -- tail -n 50 /tmp/sms-outbox.jsonl |
    sed -n "s/.*\"phone\":\"$1\",\"code\":\"\([0-9]*\)\".*/\1/p" | tail -n 1
}
number=101
for name in alice bob carol; do
  phone=+12025550$number; number=$((number + 1))
  if godwit --profile $name whoami >/dev/null 2>&1; then echo "$name is there"; continue; fi
  # The prompt for the code comes once it was sent.
  (sleep 5; code_of $phone) | godwit --profile $name register --phone $phone --name $name
done
godwit --profile alice send @bob 'Hello from Tilt'
godwit --profile bob history @alice
