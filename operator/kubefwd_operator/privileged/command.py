"""The one command line that root runs, as a value.

Pure, so that every way, `authorize` and every message spell it alike. No secret is in it: an
instance id, from which both sides compute the rest, with the kubefwd engine the one program that
root may run, by path and content, and the suffixes that the hostnames of policies may have.
"""

import shlex
from collections.abc import Sequence

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.settings import is_instance

_ISOLATED = ("-I", "-S", "-B", "-X", "pycache_prefix=/dev/null")
"""No environment, no site packages, no caches written, and none read from beside the source
(measured: even with -B a planted .pyc runs, unless pycache_prefix points away)."""


def require_instance(instance: str) -> str:
    """Return the instance id as given. Raises SettingsError when the root side would refuse it."""
    if not is_instance(instance):
        raise SettingsError(
            f"{instance!r} is no instance id: it takes 1 to 32 lower-case letters, digits and "
            "dashes, such as tilt-10350."
        )
    return instance


def command(
    interpreter: str,
    root_folder: str,
    instance: str,
    uid: int | None = None,
    kubefwd: PinnedKubefwd | None = None,
    hostnames: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the argv of the helper. `uid` is named only where nothing else tells root who asks.

    sudo and pkexec tell it in the environment (SUDO_UID, PKEXEC_UID), and the helper refuses to be
    told twice. Raises SettingsError on an instance id that is none.
    """
    told = () if uid is None else ("--uid", str(uid))
    pin = () if kubefwd is None else ("--kubefwd", kubefwd.path, "--sha256", kubefwd.sha256)
    who = ("--instance", require_instance(instance), *told)
    suffixes = ("--hostnames", ",".join(hostnames)) if hostnames else ()
    return isolated(interpreter, root_folder, *who, *pin, *suffixes)


def isolated(interpreter: str, program: str, *arguments: str) -> tuple[str, ...]:
    """Return the argv of a program of ours, a folder or a file, as root runs it."""
    return (interpreter, *_ISOLATED, program, *arguments)


def sudo(program: str, argv: Sequence[str], *options: str) -> tuple[str, ...]:
    """Put `argv` under sudo, with sudo's own options before the `--`."""
    return (program, *options, "--", *argv)


def typed(argv: Sequence[str]) -> str:
    """Spell a command as a person can paste it into any shell."""
    return shlex.join(argv)
