#!/usr/bin/env bash
# Asterisk 22 with asterisk-config/ exactly as it stands, in the private root.
#   asterisk.sh start | stop | cli COMMAND... | log
# It takes the ports that those files name (5060, 5161, 10000-19999): run it where they are free, as run.sh does.
set -euo pipefail
# shellcheck source=tests/lab/lab.sh
. "$(dirname "$0")/lab.sh"
RUN=$ROOT/run/lab

cli() { in_root /usr/sbin/asterisk -C /run/lab/etc/asterisk.conf -rx "$*"; }

configure() {
  rm -rf "$RUN"; mkdir -p "$RUN"/{etc,db,keys,log/cdr-csv,spool/{outgoing,tmp,monitor,voicemail}}
  # the distribution's files, then the project's over them, then where this instance keeps its things
  local from; for from in "$ROOT/etc/asterisk" "$PROJECT/asterisk-config" "$HERE/asterisk"; do cp "$from"/*.conf "$RUN/etc/"; done
  if [ -n "${LAB_OVERLAY:-}" ]; then
    cat "$LAB_OVERLAY/pjsip.conf" >> "$RUN/etc/pjsip.conf"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=pbx -keyout "$RUN/keys/rsa.key" -out "$RUN/keys/rsa.pem" 2>/dev/null
  fi
  [ -f "$ROOT/etc/asterisk/keys/asterisk.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
    -nodes -days 3650 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$ROOT/etc/asterisk/keys/asterisk.key" -out "$ROOT/etc/asterisk/keys/asterisk.crt" 2>/dev/null
}

start() {
  mountpoint -q "$ROOT/proc" || mount -t proc proc "$ROOT/proc"
  configure
  in_root /usr/sbin/asterisk -f -C /run/lab/etc/asterisk.conf </dev/null >"$RUN/log/console" 2>&1 &
  echo $! > "$RUN/pid"
  for _ in $(seq 150); do cli core waitfullybooted >/dev/null 2>&1 && return; sleep 0.2; done
  tail -20 "$RUN/log/console" >&2
  die "Asterisk did not start"
}

stop() {
  [ -f "$RUN/pid" ] || return 0
  cli core stop now >/dev/null 2>&1 || true
  for _ in $(seq 50); do kill -0 "$(cat "$RUN/pid")" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$(cat "$RUN/pid")" 2>/dev/null || true
  rm -f "$RUN/pid"
}

case ${1:-} in
  start) stop; start ;;
  stop) stop ;;
  cli) shift; cli "$@" ;;
  log) cat "$RUN/log/messages" ;;
  *) die "usage: asterisk.sh start | stop | cli COMMAND... | log" ;;
esac
