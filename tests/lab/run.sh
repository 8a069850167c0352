#!/usr/bin/env bash
# run.sh COMMAND... : runs a command where Asterisk is up with the project's configuration, in a network of its own that
# holds nothing but the loopback, so that no port of the machine is taken or met. Needs root.
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
if [ "${WABRIDGE_LAB_INSIDE:-}" != yes ]; then
  "$lab/install.sh"
  export WABRIDGE_LAB_INSIDE=yes
  exec unshare --net --mount --pid --fork --mount-proc --kill-child "$lab/run.sh" "$@"
fi
ip link set lo up
trap '"$lab/asterisk.sh" stop' EXIT
"$lab/asterisk.sh" start
"$@"
