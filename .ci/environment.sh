#!/usr/bin/env bash
# The virtual environment with exactly what requirements.lock names, every file checked against its hash.
set -euo pipefail
venv=${1:-.venv}
python=${PYTHON:-python3}
"$python" - <<'PY'
import sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(f"Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}.\n"
             "Install one and run the same command with PYTHON=python3.12 in front.")
PY
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "installing what requirements.lock names (torch is large: some minutes)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
