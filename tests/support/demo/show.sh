# shellcheck shell=sh
# How tests/demo shows what it does, and how it looks whether all is as it tells. Sourced by it.
# $work is its temporary directory, $play the script that decodes a movie.
# shellcheck disable=SC2154

# How wide the terminal is, if there is one.
bold='' plain='' columns=
if [ -t 1 ]; then
    exec 3>&1
    bold=$(printf '\033[1m') plain=$(printf '\033[0m') columns=$(stty size <&3 | cut -d ' ' -f 2)
    exec 3>&-
fi

# What is about to be seen, in one sentence.
step() {
    printf '\n%s' "$bold"
    printf '# %s' "$*" | fold -s -w "${columns:-120}"
    printf '%s\n' "$plain"
}

fail() {
    echo "demo: this is not as told: $*" >&2
    exit 1
}

# Shows a command as it would be typed.
show() {
    line=
    for word; do
        case $word in
        *[!A-Za-z0-9./:=_-]*) line="$line '$word'" ;;
        *) line="$line $word" ;;
        esac
    done
    printf '$%s\n' "$line"
}

# Runs a command in the temporary directory; it must end with this exit code.
run_expecting() {
    wanted=$1
    shift
    show "$@"
    code=0
    (cd "$work" && "$@") || code=$?
    [ "$wanted" = 0 ] && [ "$code" = 0 ] || echo "(exit code $code)"
    [ "$code" = "$wanted" ] || fail "the exit code of '$*' is $code, not $wanted"
}

run() { run_expecting 0 "$@"; }

# The same for what is shown later: as it would look at this terminal.
run_aside() {
    [ -n "$columns" ] || { run "$@" && return; }
    show "$@"
    (cd "$work" && script -qec "stty cols $columns; exec $*" /dev/null) >"$work/aside" || fail "$(cat "$work/aside")"
    tr -d '\r' <"$work/aside"
}

# Runs a command and ends it by kill -9 as soon as a condition, a command, holds.
run_and_kill_when() {
    condition=$1
    shift
    show "$@"
    (cd "$work" && exec "$@") &
    killed=$!
    until "$condition"; do
        kill -0 "$killed" 2>/dev/null || fail "'$*' has ended before it could be killed"
        sleep 0.05
    done
    kill -9 "$killed"
    code=0
    wait "$killed" 2>/dev/null || code=$?
    killed=
    [ "$code" = 137 ] || fail "'$*' ended with $code"
    echo "(killed: exit code $code)"
}

# The footage in a directory: what has no hidden name.
footage_in() {
    [ ! -d "$1" ] || find "$1" -mindepth 1 -name '.*' -prune -o -type f -printf '%P\n' | LC_ALL=C sort
}

# The same as a tree.
tree() {
    echo "${1##*/}/"
    footage_in "$1" | awk -F/ '{
        for (at = 1; at < NF; at++) {
            if ($at != shown[at]) {
                printf "%*s%s/\n", 2 * at, "", $at
                shown[at] = $at
                delete shown[at + 1]
            }
        }
        printf "%*s%s\n", 2 * NF, "", $NF
    }'
}

# How many bytes the files in a directory have, hidden ones too, without .footage.
bytes_in() {
    find "$1" -name .footage -prune -o -type f -printf '%s\n' | awk '{ bytes += $1 } END { print bytes + 0 }'
}

# Every file below the directories, with what would change if somebody touched it.
inventory() {
    for directory; do
        find "$directory" -name .footage -prune -o -type f -printf '%p %s %T@ %i\n'
    done | LC_ALL=C sort
}

# Names of movies, for grep -E.
movies='\.(mp4|mkv)$'

# Decodes every movie of a directory to its end; what ffmpeg complains of is a failure. Shows what each is.
play_all() {
    (cd "$1" && footage_in . | grep -E "$movies" | xargs -P 4 -n 1 sh "$play") >"$work/played" ||
        fail "$(cat "$work/played")"
    [ "$(footage_in "$1" | grep -cE "$movies")" = "$(wc -l <"$work/played")" ] || fail 'not every movie was played'
    LC_ALL=C sort -b -k 6 "$work/played"
}
