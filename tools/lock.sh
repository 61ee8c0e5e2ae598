#!/bin/sh
# Pin every dependency with its hashes: requirements/{run,test}.lock. Needs uv (pip install uv). Names no index.
set -eu
cd "$(dirname "$0")/.."
common="--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate"
# shellcheck disable=SC2086
uv pip compile $common --all-extras --group build pyproject.toml -o requirements/run.lock "$@"
# shellcheck disable=SC2086
uv pip compile $common --all-extras --group test -c requirements/run.lock pyproject.toml -o requirements/test.lock "$@"
