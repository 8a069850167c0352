#!/usr/bin/env bash
# Puts the real peers of the tests into a private root: Asterisk 22, baresip, rtpengine and a sipp that speaks TLS, all from
# Debian sid, unpacked beside the system and never installed into it. About 20 seconds and 550 MB the first time.
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
make_root dash coreutils libc-bin openssl asterisk asterisk-modules asterisk-config \
  asterisk-core-sounds-en-gsm asterisk-core-sounds-en-wav asterisk-moh-opsound-wav baresip-core sip-tester sox rtpengine-daemon
ROOT=$LAB/web
make_root dash coreutils libc-bin chromium fonts-dejavu-core python3 python3-aiortc
