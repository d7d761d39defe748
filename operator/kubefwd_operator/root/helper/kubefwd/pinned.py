"""What kubefwd is given: the program that was authorised, and a kubeconfig. Both are root's own.

The user's path is opened once, with the user's own rights, and hashed while it is copied from that
descriptor: whatever becomes of the path meanwhile, what runs is what was hashed. The kubeconfig is
built from validated values; no command, no proxy and no path of the user's exists in it.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import stat
from typing import Any

from ..peer import User
from ..protocol import Refusal

# What hashlib itself falls back on. hashlib would load OpenSSL, 4 MB (measured) in each process.
try:
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:  # before Python 3.12
    from _sha256 import sha256  # type: ignore[import-not-found]

MAX_BYTES = 256 << 20
CONTEXT = "kubefwd-operator"  # a name that can be part of a URL, which the user's own may not be


def copy(user: User, target: str) -> None:
    """Copy the program that was authorised, or refuse it as `unusable`."""
    digest, size = sha256(), 0
    with open(_open(user), "rb") as source, open(f"{target}.new", "wb") as file:
        while size <= MAX_BYTES and (piece := source.read(1 << 20)):
            size += len(piece)
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != user.sha256:
        os.unlink(f"{target}.new")
        raise _unusable(user, "is not what was authorised any more")
    os.chmod(f"{target}.new", 0o700)
    os.rename(f"{target}.new", target)


def _open(user: User) -> int:
    """Open it as the user, so that root reads nothing for him that he may not read himself."""
    entry, groups = pwd.getpwuid(user.uid), os.getgroups()
    try:
        os.setgroups(os.getgrouplist(entry.pw_name, entry.pw_gid))
        os.setegid(entry.pw_gid)
        os.seteuid(entry.pw_uid)
        fd = os.open(user.kubefwd, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _unusable(user, f"cannot be read ({error.strerror})") from None
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    info = os.fstat(fd)
    if why := _objection(info, user.uid):
        os.close(fd)
        raise _unusable(user, why)
    return fd


def _objection(info: os.stat_result, uid: int) -> str:
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    if info.st_uid not in (0, uid):
        return "belongs to another user"
    if info.st_mode & 0o002:
        return "can be changed by everybody"
    return "is larger than 256 MiB" if info.st_size > MAX_BYTES else ""


def _unusable(user: User, why: str) -> Refusal:
    return Refusal("unusable", f"{user.kubefwd} {why}.")


def kubeconfig(access: dict[str, str], token_file: str) -> str:
    """Write a kubeconfig with one context. JSON is YAML, and nothing can break out of it."""
    cluster: dict[str, Any] = {"server": access["server"]}
    user: dict[str, Any] = {}
    if access["tls_server_name"]:
        cluster["tls-server-name"] = access["tls_server_name"]
    if access["ca"]:
        cluster["certificate-authority-data"] = _encoded(access["ca"])
    if access["certificate"]:
        user["client-certificate-data"] = _encoded(access["certificate"])
        user["client-key-data"] = _encoded(access["key"])
    if access["token"]:
        user["tokenFile"] = token_file
    context = {"cluster": CONTEXT, "user": CONTEXT}
    groups = {"clusters": cluster, "users": user, "contexts": context}
    document = {"apiVersion": "v1", "kind": "Config", "current-context": CONTEXT}
    named = {key: [{"name": CONTEXT, key[:-1]: value}] for key, value in groups.items()}
    return json.dumps({**document, **named})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
