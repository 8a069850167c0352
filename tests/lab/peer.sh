#!/usr/bin/env bash
# peer.sh chromium|aiortc URL WAV : a WebRTC peer that asks the test at URL what to do, and says WAV (16-bit mono) over and
# over. It runs until it is ended.
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
ROOT=$LAB/web
D=$ROOT/tmp/peer-$$
mkdir -p "$D"
inside=/tmp/peer-$$
cp "$3" "$D/says.wav"
cp "$HERE/webrtc/peer.py" "$D/"
case $1 in
  chromium)
    exec chroot "$ROOT" /usr/bin/env HOME="$inside" /usr/lib/chromium/chromium --headless=new --no-sandbox --disable-gpu \
      --disable-dev-shm-usage --no-first-run --user-data-dir="$inside/profile" --no-proxy-server \
      --use-fake-ui-for-media-stream --use-fake-device-for-media-stream --use-file-for-fake-audio-capture="$inside/says.wav" \
      --autoplay-policy=no-user-gesture-required --disable-features=WebRtcHideLocalIpsWithMdns \
      --disable-background-networking --disable-component-update "$2" ;;
  aiortc) exec chroot "$ROOT" /usr/bin/python3 "$inside/peer.py" "$2" "$inside/says.wav" ;;
  *) die "usage: see the head of peer.sh" ;;
esac
