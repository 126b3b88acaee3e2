#!/usr/bin/env bash
# smoke.sh URL [VERSION]: wait until the service at URL (of that VERSION) is ready, then request what a client needs first.
set -euo pipefail
url=${1:?usage: smoke.sh URL [VERSION]}
version=${2:-}
deadline=$((SECONDS + ${SMOKE_SECONDS:-600}))

until ready=$(curl --fail --silent --max-time 5 "$url/readyz") && [[ -z $version || $ready == *"\"version\": \"$version\""* ]]; do
    if ((SECONDS > deadline)); then
        echo "Not ready: ${ready:-no answer}" >&2
        exit 1
    fi
    sleep 2
done

expect() { # STATUS PATH
    local status
    status=$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "$url$2")
    [ "$status" = "$1" ] || { echo "$2 answers $status, not $1" >&2; exit 1; }
}
expect 200 /healthz
expect 401 /api/customers/
expect 401 /api/orders/
expect 200 /o/.well-known/openid-configuration
expect 200 /o/.well-known/jwks.json
expect 200 /api/docs/
expect 200 /accounts/login/
echo "$url works: $ready"
