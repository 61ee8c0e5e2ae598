#!/bin/sh
# Check, test and build the screen with the environment's Node, and require that hub/static is what was built.
set -eu
cd "$(dirname "$0")/../hub/web"
stamp=node_modules/.zhantu.stamp
now=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
  npm ci --no-audit --no-fund --loglevel=error
  printf '%s' "$now" >"$stamp"
fi
npx tsc --noEmit
npx vitest run
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npx vite build --outDir "$built" --emptyOutDir --logLevel warn
if ! diff -rq "$built" ../static; then
  echo "web: hub/static is not what the sources build; run 'make web' and commit it" >&2
  exit 1
fi
