#!/usr/bin/env bash
# An agent's phone: baresip, registered at Asterisk, told what to do. It lives on 127.0.0.2, because Asterisk takes
# whatever comes from 127.0.0.1 for wabridge.
#   phone.sh start EXTENSION [auto|manual] [WAV]   registers; WAV (16-bit mono) is what the agent says
#   phone.sh do EXTENSION COMMAND [PARAMETER]      accept, hangup, hold, resume, transfer URI, dial URI, sndcode DIGITS...
#   phone.sh stop EXTENSION                        prints the directory with log and dump-*-dec.wav, what the agent heard
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
extension=${2:?EXTENSION}
inside=/run/lab/phone-$extension
D=$ROOT$inside
control=$((40000 + extension))

configure() {
  local answer=$1 wav=$2
  rm -rf "$D"; mkdir -p "$D"
  cp "$wav" "$D/source.wav"
  in_root /usr/bin/sox "$inside/source.wav" -r 48000 -c 1 -b 16 "$inside/says.wav" repeat 20
  # (baresip's file player dies when a call is held; its recorder does not)
  cat > "$D/config" <<CONFIG
sip_listen 127.0.0.2:$((50000 + extension))
net_interface 127.0.0.2
audio_source aufile,$inside/says.wav
audio_player aubridge,nobody
snd_path $inside
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 1
auplay_channels 1
rtp_ports $((30000 + (extension % 100) * 20))-$((30018 + (extension % 100) * 20))
call_max_calls 4
ctrl_tcp_listen 127.0.0.1:$control
module_path /usr/lib/baresip/modules
module g711.so
module opus.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
CONFIG
  echo "<sip:$extension@127.0.0.1:5060>;auth_user=$extension;auth_pass=change-me-$extension;answermode=$answer;regint=60;audio_codecs=${CODECS:-PCMU,PCMA}" > "$D/accounts"
  : > "$D/contacts"
}

case $1 in
  start)
    configure "${3:-auto}" "${4:-$PROJECT/src/sim/speech/agent.wav}"
    in_root /usr/bin/baresip -f "$inside" >"$D/log" 2>&1 </dev/null &
    echo $! > "$D/pid"
    for _ in $(seq 100); do grep -q '200 OK' "$D/log" && exit 0; sleep 0.1; done
    cat "$D/log" >&2; die "the phone did not register" ;;
  do) shift 2; tell "$control" "$@" ;;
  stop) kill "$(cat "$D/pid")" 2>/dev/null || true; echo "$D" ;;
  *) die "usage: see the head of phone.sh" ;;
esac
