#!/usr/bin/env bash
# The virtual environment with exactly what a lock names, every file checked against its hash.
# Usage: environment.sh [FOLDER] [LOCK]
set -euo pipefail
venv=${1:-.venv}
lock=${2:-requirements.lock}
python=${PYTHON:-python3}
"$python" - <<'PY'
import sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(f"Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}.\n"
             "Install one and run the same command with PYTHON=python3.12 in front.")
PY
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "installing what $lock names (some minutes where torch is one of them)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
