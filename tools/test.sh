#!/bin/sh
# Everything that must hold, in the order in which a failure is cheapest. Called by `make test`.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH:/usr/sbin:/sbin"
export PATH

step() { printf '\n== %s\n' "$*"; }

step "style: ruff"
ruff check .
ruff format --check .
step "types: mypy --strict"
mypy
step "law of imports"
lint-imports --no-cache >/tmp/zhantu-imports.$$ 2>&1 || { cat /tmp/zhantu-imports.$$; exit 1; }
tail -n 1 /tmp/zhantu-imports.$$
rm -f /tmp/zhantu-imports.$$
step "screen: types, unit tests, and the built files are those of the sources"
tools/web.sh
step "tests"
# Much of it waits for programs, so three files at a time on two cores, the slow ones of flow not last; a file's own tests stay in order.
pytest -n 3 --dist loadfile --no-loadscope-reorder "$@"
