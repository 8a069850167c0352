#!/usr/bin/env bash
# PESQ (ITU-T P.862) for `cargo bench --bench quality`, in an environment of its own beside the lab's roots. Needs python3
# with venv, and a C compiler.
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
"$LAB/pesq/bin/python" -c 'import pesq' 2>/dev/null && exit
python3 -m venv --clear "$LAB/pesq"
"$LAB/pesq/bin/pip" install --quiet numpy pesq==0.0.4
