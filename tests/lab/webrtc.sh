#!/usr/bin/env bash
# webrtc.sh COMMAND... : runs a command where Asterisk speaks WebRTC in a network of its own, joined to the command's by a
# pair of interfaces; ICE wants addresses that are not the loopback's. Needs root.
#   here        10.66.0.2 to .6   the command, and so the bridge, the browser and the other peers
#   "pbx"       10.66.0.1         Asterisk
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lab/lab.sh
. "$lab/lab.sh"
if [ "${WABRIDGE_LAB_INSIDE:-}" != webrtc ]; then
  "$lab/install.sh"
  export WABRIDGE_LAB_INSIDE=webrtc LAB_OVERLAY=$lab/webrtc
  exec unshare --net --mount --pid --fork --mount-proc --kill-child "$lab/webrtc.sh" "$@"
fi
mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns
ip netns add pbx
ip link add here type veth peer name there netns pbx
for host in 2 3 4 5 6; do ip addr add "10.66.0.$host/24" dev here; done
ip -n pbx addr add 10.66.0.1/24 dev there
ip link set lo up; ip link set here up; ip -n pbx link set lo up; ip -n pbx link set there up
mount -t proc proc "$LAB/web/proc"
mount -t tmpfs tmpfs "$LAB/web/dev/shm"
trap 'ip netns exec pbx "$lab/asterisk.sh" stop' EXIT
ip netns exec pbx "$lab/asterisk.sh" start
"$@"
