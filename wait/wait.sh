#!/bin/sh
# What a resource of kubefwd_wait runs: wait.sh SECONDS NAME:PORT...
#
# The command line tool is where operator/bootstrap.sh puts it. At the first `tilt up` that may be under
# way, and after an update the one that is there may be too old to wait: so it is waited for as well,
# within the same time.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
limit=$1
shift

now() { date +%s; }
ends=$(($(now) + limit))

tool=$(sh "$here/../operator/bootstrap.sh" --cache)/bin/kubefwd-operator
told=
until "$tool" wait --help >/dev/null 2>&1; do
    if [ "$(now)" -ge "$ends" ]; then
        printf '%s\n' "kubefwd-operator was not set up within $limit s: see the log of kubefwd:run. If" \
            "there is no such resource, the Tiltfile does not load the extension (kubefwd:config)." >&2
        exit 3
    fi
    if [ -z "$told" ]; then
        told=yes
        printf '%s\n' "kubefwd-operator is being set up; waiting for it" >&2
    fi
    sleep 1
done

left=$((ends - $(now)))
if [ "$left" -lt 1 ]; then left=1; fi
exec "$tool" wait --timeout "${left}s" -- "$@"
