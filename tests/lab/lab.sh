# shellcheck shell=bash
# Shared by the lab's scripts: where things are, and a private Debian root for peers that this release lacks. Source it.
#
#   WABRIDGE_LAB   directory of the roots and the downloads (default /var/cache/wabridge-lab)
#
# Nothing here changes the packages of the machine itself.
LAB=${WABRIDGE_LAB:-/var/cache/wabridge-lab}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
ROOT=${ROOT:-$LAB/sid}

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The Debian mirror that this machine already uses.
mirror() {
  { apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk '$1 == "main" { print $2 }'
    grep -rhoE '[a-z+]+://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null
  } | grep -v security | sed 's| *$||; s|/*$||' | head -1
}

# apt against an empty system of its own: `private_apt install ...` resolves and fetches for suite sid.
private_apt() {
  local state=$LAB/apt
  if [ ! -f "$state/apt.conf" ]; then
    mkdir -p "$state"/{lists/partial,cache,parts} "$LAB/debs/partial"
    : > "$state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) sid main" > "$state/sources.list"
    { printf '%s "%s";\n' \
        Dir::Etc::main /dev/null Dir::Etc::parts "$state/parts" Dir::Etc::sourcelist "$state/sources.list" \
        Dir::Etc::sourceparts "$state/parts" Dir::Etc::preferences /dev/null Dir::Etc::preferencesparts "$state/parts" \
        Dir::State "$state" Dir::State::lists "$state/lists" Dir::State::status "$state/status" \
        Dir::Cache "$state/cache" Dir::Cache::archives "$LAB/debs" \
        APT::Install-Recommends false APT::Sandbox::User root Acquire::Languages none Acquire::Retries 3
      # proxies, time-outs and age checks are the machine's own
      apt-config dump | grep -E '^Acquire::(https?::|Check-)[^ ]+ "[^"]+";$' || true
    } > "$state/apt.conf"
  fi
  APT_CONFIG=$state/apt.conf apt-get -qq "$@"
}

# make_root PACKAGE... : $ROOT holds these and all they need. Unpacked only: no package script runs, nothing is started.
make_root() {
  local wanted="$*" files
  [ "$(cat "$ROOT/.packages" 2>/dev/null)" = "$wanted" ] && return
  [ "$(id -u)" = 0 ] || die "installing the peers needs root"
  say "fetching: $wanted"
  private_apt update
  private_apt install -y --download-only base-files "$@" >/dev/null
  rm -rf --one-file-system "$ROOT.new"; mkdir -p "$ROOT.new"
  files=$(APT_CONFIG=$LAB/apt/apt.conf apt-get install -y --print-uris -o Dir::Cache::archives=/nonexistent \
    base-files "$@" 2>/dev/null | awk -F"[' ]+" '/^.http|^.[a-z+]*:\/\// { print $3 }')
  [ -n "$files" ] || die "nothing to unpack"
  say "unpacking $(wc -w <<<"$files") packages"
  dpkg-deb -x "$LAB"/debs/base-files_*.deb "$ROOT.new"
  grep -v '^base-files_' <<<"$files" | xargs -P "$(nproc)" -I{} dpkg-deb -x "$LAB/debs/{}" "$ROOT.new"
  finish_root "$ROOT.new"
  echo "$wanted" > "$ROOT.new/.packages"
  rm -rf --one-file-system "$ROOT"; mv "$ROOT.new" "$ROOT"
}

# What package scripts would have made and programs miss.
finish_root() {
  local root=$1 device
  [ -e "$root/bin/sh" ] || ln -s dash "$root/usr/bin/sh"
  mkdir -p "$root"/{proc,dev/shm,tmp,run/lab,root,etc/asterisk/keys}
  chmod 1777 "$root/tmp" "$root/dev/shm"
  for device in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do
    # shellcheck disable=SC2086
    set -- $device; mknod -m 666 "$root/dev/$1" c 1 "$2"
  done
  echo '127.0.0.1 localhost' > "$root/etc/hosts"
  : > "$root/etc/resolv.conf"
  printf 'root:x:0:0::/root:/bin/sh\n' > "$root/etc/passwd"
  printf 'root:x:0:\n' > "$root/etc/group"
  printf 'hosts: files\npasswd: files\ngroup: files\n' > "$root/etc/nsswitch.conf"
  chroot "$root" /sbin/ldconfig
  local voices; voices=$(cd "$root" && find usr/share -name 'demo-congrats.*' -printf '%h\n' -quit)
  [ -z "$voices" ] || [ -e "$root/usr/share/asterisk/sounds/en" ] || ln -s "/$voices" "$root/usr/share/asterisk/sounds/en"
}

# tell PORT COMMAND [PARAMETER] : to a baresip. ctrl_tcp speaks JSON in netstrings. Its answer has to be read: baresip dies of
# a connection closed before.
tell() {
  local json="{\"command\":\"$2\",\"params\":\"${3:-}\"}"
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf '%d:%s,' "${#json}" "$json" >&3
  local length; IFS= read -r -d : -t 5 length <&3 && head -c "$((length + 1))" <&3 >/dev/null
  exec 3>&-
}

# in_root PROGRAM ... : runs it inside the private root.
in_root() { chroot "$ROOT" "$@"; }
