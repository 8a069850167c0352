#!/usr/bin/env bash
# baresip with ICE and DTLS-SRTP, as a PBX of its own: it answers whatever comes to 10.66.0.6:5060.
#   webphone.sh start [WAV]          WAV (16-bit mono) is what it says
#   webphone.sh do COMMAND [PARAMETER]      dial URI, hangup
#   webphone.sh stop                 prints the directory with log and heard.wav, what it heard
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
at=10.66.0.6
inside=/run/lab/webphone
D=$ROOT$inside
control=40999

configure() {
  rm -rf "$D"; mkdir -p "$D"
  cp "$1" "$D/source.wav"
  in_root /usr/bin/sox "$inside/source.wav" -r 48000 -c 1 -b 16 "$inside/says.wav" repeat 20
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=webphone -days 30 \
    -keyout "$D/tls.key" -out "$D/tls.crt" 2>/dev/null
  cat "$D/tls.key" "$D/tls.crt" > "$D/tls.pem"
  cat > "$D/config" <<CONFIG
sip_listen $at:5060
sip_certificate $inside/tls.pem
net_interface $at
audio_source aufile,$inside/says.wav
audio_player aubridge,nobody
snd_path $inside
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 1
auplay_channels 1
rtp_ports 31000-31098
rtcp_mux yes
call_max_calls 4
ctrl_tcp_listen 127.0.0.1:$control
opus_bitrate 20000
opus_inbandfec yes
module_path /usr/lib/baresip/modules
module opus.so
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module ice.so
module dtls_srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
CONFIG
  echo "<sip:100@$at>;regint=0;answermode=auto;catchall=yes;audio_codecs=opus/48000/2;medianat=ice;mediaenc=dtls_srtp" > "$D/accounts"
  : > "$D/contacts"
}

case $1 in
  start)
    configure "${2:-$PROJECT/src/sim/speech/agent.wav}"
    (exec chroot "$ROOT" /usr/bin/baresip -f "$inside" -v) >"$D/log" 2>&1 </dev/null &
    echo $! > "$D/pid"
    for _ in $(seq 100); do grep -q 'baresip is ready' "$D/log" && exit 0; sleep 0.1; done
    cat "$D/log" >&2; die "baresip did not start" ;;
  do) shift; tell "$control" "$@" ;;
  stop)
    kill "$(cat "$D/pid")" 2>/dev/null || true
    sleep 0.5
    # Opus is recorded as two channels, which are the same.
    for heard in "$D"/dump-*-dec.wav; do
      [ ! -f "$heard" ] || [ -f "$D/heard.wav" ] || in_root /usr/bin/sox "$inside/${heard##*/}" "$inside/heard.wav" remix 1
    done
    echo "$D" ;;
  *) die "usage: see the head of webphone.sh" ;;
esac
