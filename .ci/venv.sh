#!/bin/sh
# Makes .venv, or brings it up to date with tests/requirements.txt. Run by make from the checkout.
set -eu

python=$(sh operator/bootstrap.sh --python 2>/dev/null) || {
    # Debian's python3 comes without what a venv needs.
    sh .ci/system.sh python3-venv
    python=$(sh operator/bootstrap.sh --python)
}
if ! .venv/bin/python -I -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    echo "make: making .venv with $python"
    "$python" -I -m venv .venv
fi
.venv/bin/python -I -m pip install --no-input --no-user --disable-pip-version-check \
    --progress-bar off --no-deps --require-hashes -r tests/requirements.txt
.venv/bin/python -I -c 'import pytest, xdist, mypy, kopf'
touch .venv/ready
