#!/usr/bin/env bash
# deploy/seed.sh: alice, bob and carol with a first chat, in the dev overlay's cluster. The edge has to be reachable at
# GODWIT_EDGE (ws://127.0.0.1:8080, which Tilt forwards). Profiles are those of the CLI; who is there already is kept.
set -euo pipefail
cd "$(dirname "$0")/.."
EDGE=${GODWIT_EDGE:-ws://127.0.0.1:8080}
export GODWIT_API_KEY=${GODWIT_API_KEY:-godwit-development-key}
godwit() { npx godwit --edge "$EDGE" "$@"; }
# The line of the outbox with the last code for a phone; nothing: none was sent yet.
last_sms() {
  { kubectl -n godwit exec deployment/account -- tail -n 50 /tmp/sms-outbox.jsonl 2>/dev/null || true; } |
    { grep "\"phone\":\"$1\"" || true; } | tail -n 1
}
# The code for a phone, as soon as there is another line than this one.
code_after() {
  local sms
  for _ in {1..60}; do
    sms=$(last_sms "$1")
    if [ "$sms" != "$2" ]; then sed 's/.*"code":"\([0-9]*\)".*/\1/' <<<"$sms"; return; fi
    sleep 0.5
  done
  echo "no code for $1 came within half a minute" >&2
  return 1
}
number=101
for name in alice bob carol; do
  phone=+12025550$number; number=$((number + 1))
  if godwit --profile $name whoami >/dev/null 2>&1; then echo "$name is there"; continue; fi
  before=$(last_sms $phone)
  code_after $phone "$before" | godwit --profile $name register --phone $phone --name $name
done
godwit --profile alice send @bob 'Hello from Tilt'
godwit --profile bob history @alice
