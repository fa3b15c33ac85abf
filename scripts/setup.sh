#!/bin/sh
# Makes .venv with the pinned dependencies and the project itself, or leaves it alone when nothing
# changed. Reports one line when something is missing on this machine.
set -eu

stamp=.venv/.set-up

complain() {
    printf '%s\n' "$1" >&2
    exit 1
}

is_usable() {
    command -v "$1" > /dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_usable "$PYTHON" || complain "Watchkeeper needs Python 3.11 or newer, and '$PYTHON' isn't."
        printf '%s' "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_usable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    complain "Watchkeeper needs Python 3.11 or newer: install it, on Debian with: apt-get install python3 python3-venv"
}

# What the environment was made from. A moved clone has programs that point to the old place.
fingerprint() {
    pwd -P
    cat requirements/dev.lock pyproject.toml scripts/setup.sh | cksum
}

wanted=$(fingerprint)
if [ -x .venv/bin/watchkeeper ] && [ "$(cat $stamp 2> /dev/null)" = "$wanted" ] &&
    .venv/bin/python -c '' 2> /dev/null; then
    exit 0
fi

python=$(find_python)
"$python" -c 'import ensurepip, venv' 2> /dev/null ||
    complain "Python's venv is missing: install it, on Debian with: apt-get install python3-venv"

echo "Setting up .venv (a minute or two, once) …"
rm -f $stamp
# An environment that still works here is kept: then only what changed is installed.
.venv/bin/python -m pip --version > /dev/null 2>&1 &&
    [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" = "$(pwd -P)/.venv" ] ||
    "$python" -m venv --clear .venv

pip() {
    .venv/bin/python -m pip --quiet --disable-pip-version-check --no-input "$@"
}
export PIP_ROOT_USER_ACTION=ignore
pip install --require-hashes -r requirements/dev.lock ||
    complain "The dependencies couldn't be installed; the reason is above. 'make setup' tries again."
pip install --no-deps --no-build-isolation --editable . ||
    complain "Watchkeeper itself couldn't be installed; the reason is above."
fingerprint > $stamp
