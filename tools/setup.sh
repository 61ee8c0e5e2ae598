#!/bin/sh
# Make everything ready for `make run` (argument: run) or `make test` (argument: test) on Debian 12 or later.
# As root, or with password-less sudo, missing system packages are installed; otherwise one line says which.
set -eu
cd "$(dirname "$0")/.."
what=${1:?run or test}

say() { printf 'setup: %s\n' "$*" >&2; }

root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null
}

# need COMMAND-OR-FILE PACKAGE...: remember the packages when the thing is not there
missing=""
need() {
  thing=$1
  shift
  case $thing in
    /*) [ -e "$thing" ] && return 0 ;;
    *) command -v "$thing" >/dev/null 2>&1 && return 0 ;;
  esac
  missing="$missing $*"
}

PATH=$PATH:/usr/sbin:/sbin
need python3 python3 python3-venv
if command -v python3 >/dev/null 2>&1; then
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
fi
required=$missing
missing=""
need mosquitto mosquitto
if [ "$what" = test ]; then
  need chromium chromium
  need /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc fonts-noto-cjk
  need git git
  # the C library for boards is compiled, also with sanitizers: libasan8 and libubsan1 are dependencies of gcc
  need gcc gcc libc6-dev
  # Playwright's own Node is linked against it
  need "$(ls /usr/lib/*/libatomic.so.1 2>/dev/null | head -n 1 | grep . || echo /usr/lib/libatomic.so.1)" libatomic1
fi
wanted="$required$missing"

if [ -n "$wanted" ]; then
  if may_install; then
    say "installing$wanted"
    root apt-get update -qq
    # shellcheck disable=SC2086  # a list of package names
    root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null
  elif [ -n "$required" ] || [ "$what" = test ]; then
    say "missing, and may not install (no root, no sudo). Please run: apt-get install$wanted"
    exit 1
  else
    say "no mosquitto, and may not install it: the embedded broker serves (demonstration only)"
  fi
fi

python3 - <<'PY' || { say "python3 is older than 3.11; Debian 12 or later is needed"; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY

# The environment is made anew when the lock, the metadata or the interpreter changed; else nothing is done.
lock=requirements/$what.lock
stamp=.venv/zhantu-$what.stamp
now=$(cat "$lock" pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)-$(python3 -c 'import sys; print(sys.version.split()[0])')
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
  say "creating .venv"
  rm -rf .venv
  python3 -m venv .venv
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
  say "installing the locked Python packages ($lock)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
  printf '%s' "$now" >"$stamp"
fi
