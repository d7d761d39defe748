#!/bin/sh
# Makes what the operator runs from, and finds it again. Tilt runs it twice: as the resource's
# `cmd` (make it), then with --run as its `serve_cmd` (run it).
#
#   bootstrap.sh            make what is missing; say in one line what is ready
#   bootstrap.sh --print    the same, and print the folder of the package
#   bootstrap.sh --run      the same, then become `kopf run` (exec: signals reach Kopf itself)
#   bootstrap.sh --python   print the Python that a venv would be made with
#   bootstrap.sh --cache    print where all of it is kept
#
# Everything lives in the user's cache directory, because Tilt removes and pulls the folder of an
# extension under a running operator:
#
#   venvs/KEY.XXXXXX/       a venv; KEY is the hash of requirements.txt and the platform
#   venvs/KEY.ready         names the one that is complete, and a hash of the names of its files
#   packages/DIGEST/        a copy of the package, named by the hash of what is in it
#   bin/kubefwd-operator    the command line tool of the newest start (also in the venv's bin)
#   lock                    held (flock) by the one that builds
#
# A venv cannot be moved, so it is built where it stays, under a name of its own, and counts only
# once KEY.ready, written last and renamed into place, names it. Whatever was there before stays
# usable by whoever runs from it: a running operator holds shared locks on its venv and package,
# and only what nobody holds or names, or nobody used for 30 days, is removed.
set -eu
umask 077

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
imports='import aiohttp, certifi, click, kopf, kubernetes.aio, platformdirs, pykube, python_socks
import rich, uvloop, yaml'

say() { printf '%s\n' "kubefwd-operator: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# --- where, and hashes ------------------------------------------------------------------------

cache_folder() {
    case ${XDG_CACHE_HOME:-} in
    /*) base=$XDG_CACHE_HOME ;;
    *)
        [ -n "${HOME:-}" ] || die "HOME is not set, so there is no cache directory. Set HOME or XDG_CACHE_HOME."
        base=$HOME/.cache
        if [ "$(uname -s)" = Darwin ]; then base=$HOME/Library/Caches; fi
        ;;
    esac
    printf '%s\n' "$base/kubefwd-operator"
}

# Of standard input, or of each file that is named.
sha256() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$@"
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$@"
    else
        openssl dgst -sha256 -r "$@"
    fi
}

digest() { sha256 | cut -c 1-16; }

# What a package folder holds: names and contents, without what Python and editors leave behind.
package_digest() (
    cd -- "$1" || exit 1
    set -f
    IFS='
'
    # One file a line, and none of ours has a line break or is too many for one command line.
    # shellcheck disable=SC2046
    sha256 $(find __main__.py requirements.txt kubefwd_operator -name __pycache__ -prune -o \
        -type f ! -name '.*' ! -name '*~' -print | LC_ALL=C sort) | digest
)

# The names of all files of a venv, but for our own: tells one that a cache cleaner has thinned out.
venv_names() (
    cd -- "$1" && find . -name __pycache__ -prune -o ! -type d ! -name 'kubefwd-operator*' -print |
        LC_ALL=C sort | digest
)

# --- finding a Python -------------------------------------------------------------------------

usable() {
    "$1" -I -c 'import sys, ensurepip, venv
sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' >/dev/null 2>&1
}

# macOS's /usr/bin/python3 is 3.9, or a stub that opens a dialog: never asked.
find_python() (
    set -f
    system=$(uname -s)
    IFS=:
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        for folder in $PATH; do
            if [ "$system" = Darwin ] && [ "$folder" = /usr/bin ]; then continue; fi
            if [ -x "$folder/$name" ] && [ ! -d "$folder/$name" ] && usable "$folder/$name"; then
                printf '%s\n' "$folder/$name"
                return 0
            fi
        done
    done
    return 1
)

no_python() {
    say "No Python 3.11 or newer that can make a venv was found on PATH, and no uv either."
    say "Install one of them, then trigger kubefwd:run again in Tilt:"
    say "  Debian, Ubuntu   sudo apt-get install python3 python3-venv"
    say "  Fedora           sudo dnf install python3"
    say "  macOS            brew install python"
    say "  anywhere         uv, which brings a Python of its own"
    exit 1
}

# --- locks ------------------------------------------------------------------------------------

# flock on an open descriptor, whoever offers it: lock_fd FD [-s|-x] [-n]. Status 2: nobody does.
lock_fd() {
    descriptor=$1
    shift
    if command -v flock >/dev/null 2>&1; then
        flock "$@" "$descriptor"
    elif locker=$(locking_python); then
        "$locker" -I -S -c 'import fcntl, sys
flags = {"-s": fcntl.LOCK_SH, "-x": fcntl.LOCK_EX, "-n": fcntl.LOCK_NB}
try: fcntl.flock(int(sys.argv[1]), sum(flags[word] for word in sys.argv[2:]))
except BlockingIOError: sys.exit(1)' "$descriptor" "$@"
    else
        return 2
    fi
}

locking_python() {
    if [ -n "${venv:-}" ] && [ -x "$venv/bin/python" ]; then
        printf '%s\n' "$venv/bin/python"
    else
        find_python
    fi
}

# Without any way to lock, building twice is only a waste: every build has a folder of its own.
take_lock() {
    mkdir -p -- "$venvs" "$packages" "$cache/bin"
    exec 9>"$cache/lock"
    locked=yes
    lock_fd 9 -x -n && return
    say "another kubefwd-operator is being set up; waiting for it"
    lock_fd 9 -x || locked=no
}

in_use() { ! (exec 6<"$1" && lock_fd 6 -x -n) 2>/dev/null; }

# --- the venv ---------------------------------------------------------------------------------

venv_is_sound() {
    [ -r "$ready" ] || return 1
    { read -r name && read -r names; } <"$ready" || return 1
    venv=$venvs/$name
    [ -x "$venv/bin/python" ] && [ "$(venv_names "$venv")" = "$names" ] &&
        "$venv/bin/python" -I -c 'from importlib.util import find_spec
import sys
sys.exit(find_spec("kopf") is None)' 2>/dev/null
}

with_pip() {
    say "making a venv with $1 (once, until the requirements change)"
    "$1" -I -m venv "$new" || die "$1 could not make a venv; its message is above."
    # The user's own pip settings count, but for the two that would install somewhere else.
    env -u PIP_TARGET -u PIP_PREFIX "$new/bin/python" -I -m pip install --no-input --no-user \
        --disable-pip-version-check --progress-bar off --only-binary :all: --no-deps \
        --require-hashes -r "$here/requirements.txt" >&2
}

# uv reads no PIP_* variable: a company's index and certificate are handed over.
with_uv() {
    say "making a venv with uv (once, until the requirements change)"
    if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi
    if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"; fi
    if [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"; fi
    uv venv --no-project --no-config --allow-existing --python '>=3.11' "$new" >&2 ||
        die "uv could not make a venv; its message is above."
    uv pip install --no-config --python "$new/bin/python" --only-binary :all: --no-deps \
        --require-hashes -r "$here/requirements.txt" >&2
}

build_venv() {
    new=$(mktemp -d "$venvs/$key.XXXXXX")
    trap 'rm -rf -- "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    if python=$(find_python); then
        with_pip "$python"
    elif command -v uv >/dev/null 2>&1; then
        with_uv
    else
        no_python
    fi || die "The packages could not be installed; the message above says why. Offline, or behind an index of your own? Set PIP_INDEX_URL (or pip's own configuration), then trigger kubefwd:run again."
    "$new/bin/python" -I -c "$imports" ||
        die "The packages were installed but cannot be imported; the message above says why."
    printf '%s\n%s\n' "${new##*/}" "$(venv_names "$new")" >"$new.ready"
    mv -f -- "$new.ready" "$ready"
    trap - EXIT HUP INT TERM
    venv=$new
}

# --- the package ------------------------------------------------------------------------------

package_is_sound() {
    [ -x "$package/kubefwd-operator" ] && [ "$(package_digest "$package")" = "$contents" ]
}

# A copy goes to a name of its own and is renamed; a damaged one of that name makes way first.
copy_package() {
    new=$(mktemp -d "$packages/.XXXXXX")
    trap 'rm -rf -- "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    cp -R -- "$here/__main__.py" "$here/requirements.txt" "$here/kubefwd_operator" "$new/"
    find "$new" -name __pycache__ -prune -exec rm -rf -- {} +
    [ "$(package_digest "$new")" = "$contents" ] || die "The extension's folder changed while it was copied. Trigger kubefwd:run again."
    printf '%s\n' "$key" >"$new/venv"
    cat >"$new/kubefwd-operator" <<'LAUNCHER'
#!/bin/sh
# The command line tool, run from this folder and from the venv that belongs to it. Through sudo it
# writes no caches: its user could not remove what is root's.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) && venvs=${here%/*/*}/venvs &&
    read -r key <"$here/venv" && read -r venv <"$venvs/$key.ready" || exit 1
exec "$venvs/$venv/bin/python" -I ${SUDO_UID:+-B} "$here" "$@"
LAUNCHER
    chmod 700 "$new/kubefwd-operator"
    if [ -e "$package" ]; then mv -f -- "$package" "$new.damaged"; fi
    mv -f -- "$new" "$package"
    rm -rf -- "$new.damaged"
    trap - EXIT HUP INT TERM
}

# In the cache, where people find it, and in the venv, where a program finds it by sys.prefix.
publish_commands() {
    mkdir -p -- "$cache/bin"
    publish_command "$cache/bin" ..
    publish_command "$venv/bin" ../../..
}

publish_command() {
    command=$1/kubefwd-operator
    if [ -x "$command" ] && grep -q "$contents" "$command"; then return; fi
    cat >"$command.$$" <<LAUNCHER
#!/bin/sh
exec "\$(dirname -- "\$0")/$2/packages/$contents/kubefwd-operator" "\$@"
LAUNCHER
    chmod 700 "$command.$$"
    mv -f -- "$command.$$" "$command"
}

# --- what is old ------------------------------------------------------------------------------

unused_for_long() { [ -z "$(find "$1" -prune -mtime -30 2>/dev/null)" ]; }

prune() {
    [ "$locked" = yes ] || return 0
    for old in "$packages"/*; do
        if [ "$old" = "$package" ] || [ ! -f "$old/venv" ]; then continue; fi
        if unused_for_long "$packages/.${old##*/}.used" && ! in_use "$old/venv"; then
            rm -rf -- "$old" "$packages/.${old##*/}.used"
        fi
    done
    for old in "$venvs"/*.ready; do
        if [ "$old" != "$ready" ] && unused_for_long "${old%.ready}.used"; then
            rm -f -- "$old" "${old%.ready}.used"
        fi
    done
    for old in "$venvs"/*/; do
        old=${old%/}
        read -r name 2>/dev/null <"${old%.*}.ready" || name=
        if [ "$name" = "${old##*/}" ]; then continue; fi
        if [ ! -f "$old/pyvenv.cfg" ] || ! in_use "$old/pyvenv.cfg"; then rm -rf -- "$old"; fi
    done
}

# --- main -------------------------------------------------------------------------------------

ensure() {
    cache=$(cache_folder)
    venvs=$cache/venvs
    packages=$cache/packages
    key=$({ uname -sm && cat -- "$here/requirements.txt"; } | digest)
    ready=$venvs/$key.ready
    contents=$(package_digest "$here")
    package=$packages/$contents
    if ! venv_is_sound || ! package_is_sound; then
        take_lock
        venv_is_sound || build_venv
        package_is_sound || copy_package
        prune
        exec 9>&-
    fi
    : >"$venvs/$key.used"
    : >"$packages/.$contents.used"
    publish_commands
}

# The descriptors 7 and 8 stay open in Kopf's process, and with them the locks. The folder of the
# extension may vanish, so it is not where Kopf lives.
run() {
    exec 7<"$venv/pyvenv.cfg" 8<"$package/venv"
    lock_fd 7 -s || true
    lock_fd 8 -s || true
    cd -- "${HOME:-/}" || cd /
    exec "$venv/bin/python" -I "$package" kopf run -A --standalone -m kubefwd_operator.handlers
}

case ${1:-} in
'')
    ensure
    say "ready, from $package"
    ;;
--print)
    ensure
    printf '%s\n' "$package"
    ;;
--run)
    ensure
    run
    ;;
--python) find_python || no_python ;;
--cache) cache_folder ;;
*) die "unknown argument '$1'. Known are --print, --run, --python and --cache." ;;
esac
