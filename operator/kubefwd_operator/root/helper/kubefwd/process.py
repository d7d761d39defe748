"""The one kubefwd of an owner, and how it is ended whoever is left to do it.

All that it is given is in the root-owned folder `OWNER.kubefwd`. There, `life` holds its pid and is
locked by kubefwd itself, through a descriptor that it inherits: so the guardian, or the next
helper, ends one whose worker is gone. On Linux it lives in a mount namespace of its own, in which
the hosts file is another one; elsewhere, what its last sweep takes out of the file is put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ..hosts import Hosts, without
from ..ledger import locked
from ..peer import User
from ..protocol import Refusal
from . import pinned, wire
from .output import Output
from .sweep import unswept

API = ("127.2.27.1", 80)
_ENDS = (signal.SIGTERM, signal.SIGINT)
# Its own limits add up to 7 s; what it leaves unfinished hurts only where it shares our hosts file.
# Meanwhile heartbeats wait, for which the operator has 16 s of patience.
GRACE = 5 if sys.platform == "linux" else 12
_NEW_NAMESPACE, _PRIVATE, _BIND, _REMOUNT_TO_RUN = 0x20000, 0x44000, 0x1000, 0x1026


class Kubefwd:
    """At most one process. `output` is what it says; None while there is none."""

    def __init__(self, user: User, hosts: Hosts, private: bool = sys.platform == "linux") -> None:
        self._user, self._hosts, self._ledger, self._private = user, hosts, hosts.ledger, private
        self._folder = f"{hosts.ledger.folder}/{user.owner}.kubefwd"
        self.pid, self.authorised = 0, user.sha256
        self.output: Output | None = None
        self.grammar = wire.VERBS
        self.methods: dict[str, Callable[..., dict[str, Any] | None]] = {
            "kubefwd-start": self.start,
            "kubefwd-stop": self.stop,
            "kubefwd-token": self.token,
        }

    def lends(self, ip: str) -> bool:
        """Whether names may lead there, because it runs and gives that address to services."""
        return self.output is not None and wire.is_own(ip)

    def start(self, **access: str) -> dict[str, Any]:
        """Run it. Return the key to its API, which is made here, and its pid."""
        if not self._user.kubefwd:
            raise Refusal("unusable", "No kubefwd was authorised together with this helper.")
        for name in ("etc", "work"):
            os.makedirs(f"{self._folder}/{name}", 0o700, exist_ok=True)
        with self._ledger.lock():
            self._be_alone()
            life = locked(f"{self._folder}/life")
        try:
            life.truncate(0)
            if not os.path.exists(f"{self._folder}/kubefwd"):
                pinned.copy(self._user, f"{self._folder}/kubefwd")
            self._write("kubeconfig", pinned.kubeconfig(access, f"{self._folder}/token"))
            self._write("token", access["token"])
            self._write("etc/hosts", without(self._read(), bool).decode("latin-1"))
            key = os.urandom(16).hex()
            self._run(life.fileno(), key, access["token"])
        finally:
            life.close()
        return {"api_key": key, "pid": self.pid}

    def token(self, token: str) -> None:
        """Replace, in one step, the token that kubefwd reads."""
        if self.output and token:
            self.output.secrets.append(token.encode())
            self._write("token", token)

    def stop(self) -> None:
        """End it; the names that lead to it go first."""
        try:
            self._hosts.remove(self._ledger.mine)
        finally:
            self._end(self._folder)

    def undo(self, whose: Callable[[str], bool]) -> None:
        """End the kubefwds of such owners, and remove what they were given."""
        for owner, folder in self._folders():
            if whose(owner):
                self._end(folder)
                for path, folders, files in os.walk(folder, topdown=False):
                    for name in files:
                        os.unlink(f"{path}/{name}")
                    for name in folders:
                        os.rmdir(f"{path}/{name}")
                os.rmdir(folder)

    def events(self) -> Iterator[dict[str, str]]:
        """Read what it says. At its end its names are taken away, and that is the last event."""
        output = self.output
        for text in output.lines() if output else ():
            yield {"event": "log", "level": "info", "message": text}
        if output and output.ended:
            self._hosts.remove(self._ledger.mine)
            message = f"kubefwd has ended with code {self._reap(output)}."
            yield {"event": "exited", "level": "warning", "message": message}

    def _read(self) -> bytes:
        with open(self._hosts.path, "rb") as file:
            return file.read()

    def _folders(self) -> Iterator[tuple[str, str]]:
        for name in os.listdir(self._ledger.folder):
            owner, _, kind = name.rpartition(".")
            if kind == "kubefwd":
                yield owner, f"{self._ledger.folder}/{name}"

    def _be_alone(self) -> None:
        for owner, folder in self._folders():
            if _holder(folder) is not None:
                raise Refusal("in-use", f"A kubefwd of {owner} runs already.")
        try:
            socket.create_server(API).close()
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # on macOS it is kubefwd that adds the address
                message = "Another program, perhaps another kubefwd, listens on {}:{}."
                raise Refusal("in-use", message.format(*API)) from None

    def _write(self, name: str, text: str) -> None:
        with open(f"{self._folder}/{name}.new", "wb") as file:
            file.write(text.encode("latin-1"))
        os.rename(f"{self._folder}/{name}.new", f"{self._folder}/{name}")

    def _run(self, life: int, key: str, token: str) -> None:
        ear, mouth = os.pipe()
        # Whatever is sent to the child before it has let go of the worker's handlers has to wait.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        self.pid = os.fork()
        if not self.pid:
            self._become(life, mouth, key)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
        os.pwrite(life, b"%d" % self.pid, 0)  # whoever of the two comes first
        os.close(mouth)
        self.output = Output(ear, key, token)

    def _become(self, life: int, mouth: int, key: str) -> NoReturn:
        try:
            os.setsid()
            for number in _ENDS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
            os.dup2(mouth, 1)
            os.dup2(mouth, 2)
            os.pwrite(life, b"%d" % os.getpid(), 0)
            os.set_inheritable(life, True)
            argv = [f"{self._folder}/kubefwd", "svc", "-c", f"{self._folder}/kubeconfig"]
            if self._private:
                _leave(self._folder, os.path.dirname(os.path.realpath(self._hosts.path)))
            else:
                argv += ["--hosts-path", f"{self._folder}/etc/hosts"]
            path = "/usr/sbin:/usr/bin:/sbin:/bin"
            env = {"PATH": path, "HOME": self._folder, "KUBEFWD_API_KEY": key}
            os.execve(argv[0], argv, env)  # noqa: S606 - there is no shell, and none is wanted
        except BaseException as error:  # noqa: BLE001 - it must not become a second worker
            os.write(2, f"kubefwd cannot be started: {error}.\n".encode())
        finally:
            os._exit(127)

    def _end(self, folder: str) -> None:
        """End who holds the lock of that folder, if anybody does: TERM, a grace, KILL."""
        until, sent = time.monotonic() + GRACE, 0
        before = b"" if self._private else self._read()
        while (pid := _holder(folder)) is not None:
            left = until - time.monotonic()
            number = signal.SIGTERM if left > 0 else signal.SIGKILL
            if pid > 1 and number != sent:  # a second TERM would keep it from cleaning up
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                sent = number
            if left < -GRACE:
                raise Refusal("system", f"The kubefwd of {folder} cannot be ended.")
            if self.output:
                self.output.lines()  # with its pipe full it could not end
            time.sleep(0.02)
        if not self._private:
            self._hosts.edit(lambda now: unswept(before, now))
        if self.output and folder == self._folder:
            self._reap(self.output)

    def _reap(self, output: Output) -> int:
        """Collect it, which has ended or is about to. Return its exit code."""
        os.close(output.fd)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid, self.output = 0, None
        return code


def _holder(folder: str) -> int | None:
    """Return the pid of who holds the lock there, 0 when it is not written yet, None for nobody."""
    try:
        locked(f"{folder}/life").close()
    except Refusal:
        with open(f"{folder}/life", "rb") as file:
            return int(file.read() or b"0")
    except FileNotFoundError:  # none was started yet
        pass
    return None


def _leave(folder: str, etc: str) -> None:
    """Go into a mount namespace: programs may run in `folder`, and `etc` has another hosts file.

    Laid over the whole of /etc, because a mount on the file itself is gone (measured) as soon as
    somebody outside replaces the file.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    place, over = os.fsencode(folder), b"overlay"
    layers = os.fsencode(f"lowerdir={etc},upperdir={folder}/etc,workdir={folder}/work")
    if (
        libc.unshare(_NEW_NAMESPACE)
        or libc.mount(None, b"/", None, _PRIVATE, None)
        or libc.mount(place, place, None, _BIND, None)
        or libc.mount(None, place, None, _REMOUNT_TO_RUN, None)
        or libc.mount(over, os.fsencode(etc), over, 0, layers)
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
