#!/bin/sh
# Installs those of Debian's packages that the lab needs and this machine lacks. Without root or
# sudo, or without apt-get, it says what is missing and lets the tests say what they skip.
#
#   system.sh              all of them
#   system.sh PACKAGE...   these, whether or not a command tells that they are there
set -eu

# command:package that brings it
needed='sudo:sudo chromium:chromium openssl:openssl gcc:gcc ip:iproute2 unshare:util-linux
useradd:passwd tmux:tmux git:git getent:libc-bin shellcheck:shellcheck'

missing() {
    for pair in $needed; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair#*:}"
    done
    # The compiler alone is not enough: Tilt is built with cgo.
    if [ ! -e /usr/include/stdlib.h ]; then printf 'libc6-dev '; fi
}

# sbin is not on every user's PATH, and useradd and ip live there.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
packages=${*:-$(missing)}
if [ -z "${packages% }" ] || [ "$(uname -s)" != Linux ]; then exit 0; fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "make: please install what these Debian packages hold: $packages" >&2
    exit 0
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null 2>&1 || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
        echo "make: please install as root: apt-get install $packages" >&2
        exit 0
    fi
fi

echo "make: installing $packages"
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages
