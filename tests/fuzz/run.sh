#!/usr/bin/env bash
# run.sh SECONDS [TARGET...]: builds every fuzz target and runs each, or those named, for so long.
# Fails when one finds something; the input that did it is then in tests/fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift

command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz

# The dependencies are those of the program itself.
cp ../../Cargo.lock Cargo.lock

fuzz() {
    cargo fuzz "$1" --fuzz-dir . --sanitizer none "${@:2}"
}

# What a target begins with: its seeds, and for whole messages those of RFC 4475 (their notation left as it is).
seed() {
    mkdir -p "corpus/$1"
    for file in seeds/"$1"/* $(case $1 in sip_message | framer) ls ../rfc4475/messages/*.txt ;; esac); do
        [ -f "$file" ] || continue
        case $1 in
        sip_message) sed 's/$/\r/' "$file" ;;
        framer) printf 'chunks: ' && sed 's/$/\r/' "$file" ;;
        *) cat "$file" ;;
        esac >"corpus/$1/seed-${file##*/}"
    done
}

[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list --fuzz-dir .)
[ $# -eq 0 ] || targets=("$@")

fuzz build
failed=()
for target in "${targets[@]}"; do
    seed "$target"
    echo "fuzz $target for $seconds s"
    fuzz run "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
        grep --text --line-buffered -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)' || failed+=("$target")
done
[ ${#failed[@]} = 0 ] || { echo "findings in: ${failed[*]}"; exit 1; }
