#!/usr/bin/env bash
# deploy.sh IMAGE: deploy IMAGE to every service whose deploy hook is in DEPLOY_HOOKS (one per line).
set -euo pipefail
image=${1:?usage: deploy.sh IMAGE}
: "${DEPLOY_HOOKS:?DEPLOY_HOOKS is not set}"

while read -r hook; do
    [ -n "$hook" ] || continue
    # The hook is a secret and ends in a query (?key=...): it goes by standard input, which no process list shows.
    printf 'url = "%s&imgURL=%s"\n' "$hook" "$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$image")" |
        curl --config - --fail --silent --show-error --request POST --output /dev/null
done <<<"$DEPLOY_HOOKS"
echo "Asked for $image."
