"""The first root process: makes itself harmless, forks the guardian, serves one operator at a time.

A connection that ends, or silence for 15 s, undoes everything. Then the worker lingers: it looks
every 0.1 s whether an operator of the same user and instance listens again, all verified anew.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import syslog
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from . import guardian, peer, protocol
from .hosts import Hosts
from .kubefwd.process import Kubefwd
from .ledger import Ledger
from .listeners import Listeners
from .protocol import MAX_LISTENERS, Refusal
from .session import Session


class Paths(NamedTuple):
    """The places on this machine, and limits in seconds; tests have their own."""

    hosts: str
    state: str
    run_user: str
    silence: float = 15
    patience: float = 10


def say(message: str) -> None:
    """Write a line to the system's log and to standard error, which may be gone."""
    syslog.syslog(message)
    with contextlib.suppress(OSError, ValueError):
        print(f"kubefwd-helper: {message}", file=sys.stderr, flush=True)  # noqa: T201 - its output


def run(paths: Paths, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Be the helper until it is over. Return the exit code; 1 when no operator was there."""
    syslog.openlog("kubefwd-helper", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    try:
        user = peer.identify(arguments, environ)
        _harmless()
        worker = Worker(paths, user)
    except (Refusal, OSError) as error:
        say(str(error))
        return 1
    try:
        worker.undo(worker.ledger.mine)
        worker.undo(worker.ledger.dead)
        return worker.live()
    finally:
        worker.undo(worker.ledger.mine)
        worker.pair.close()
        os.waitpid(worker.guardian, 0)


def _harmless() -> None:
    """Drop what was inherited; standard error stays."""
    os.umask(0o077)
    os.chdir("/")
    os.environ.clear()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


class Worker:
    """Forks the guardian, then serves connection after connection."""

    def __init__(self, paths: Paths, user: peer.User) -> None:
        self._paths, self._user = paths, user
        self.ledger = Ledger(paths.state, user.owner)
        self._life = self.ledger.live(paths.patience)
        self._hosts = Hosts(paths.hosts, self.ledger, user.suffixes)
        self._listeners = Listeners(self.ledger)
        self._kubefwd = Kubefwd(user, self._hosts)
        self.pair, self.guardian = guardian.fork(lambda: self.undo(self.ledger.mine))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = max(soft, MAX_LISTENERS + 1024)
        with contextlib.suppress(ValueError, OSError):  # then EMFILE is an answer to `listen`
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))

    def undo(self, whose: Callable[[str], bool]) -> None:
        """Undo what such owners have done; a step that fails keeps no other from being taken."""
        steps = self._hosts.remove, self._kubefwd.undo, self._listeners.close, self.ledger.free
        for step in steps:
            try:
                step(whose)
            except Exception as error:  # noqa: BLE001 - whatever it is, the rest must be undone
                say(f"Not everything could be put back: {error}")

    def _stop(self, *_: object) -> None:
        """Take note of a signal to end: our end of the pair is readable from then on."""
        with contextlib.suppress(OSError):  # it is closed, so the end is near anyhow
            self.pair.shutdown(socket.SHUT_RD)

    def live(self) -> int:
        """Connect, serve, undo, linger; until over, or nobody has come for too long."""
        until, code, reason = time.monotonic() + self._paths.patience, 1, ""
        while time.monotonic() < until:
            session = Session(self._hosts, self._listeners, self._kubefwd, self.guardian, self.undo)
            try:
                with peer.connect(self._user, self._paths.run_user) as sock:
                    self._serve(sock, session)
                self.undo(self.ledger.mine)
            except (Refusal, OSError) as error:
                reason = str(error)
            if session.over:
                return 0
            if session.linger is not None:
                until, code = time.monotonic() + session.linger, 0
            self._wait(0.1)
        if code:
            say(f"No operator listens for {self._user.owner}: {reason}")
        return code

    def _serve(self, sock: socket.socket, session: Session) -> None:
        """Answer lines until either side ends the connection or the operator falls silent."""
        sock.settimeout(self._paths.silence)
        buffer, heard, limit = b"", time.monotonic(), self._paths.patience  # until it is greeted
        with contextlib.suppress(OSError):  # the operator is gone in the middle of an answer
            while (left := heard + limit - time.monotonic()) > 0:
                ready = self._wait(left, sock)
                for event in self._kubefwd.events():
                    protocol.send(sock, event)
                if sock.fileno() not in ready:
                    continue
                data = sock.recv(1 << 16)
                *lines, buffer = (buffer + data).split(b"\n")
                if len(buffer) > protocol.MAX_LINE:
                    lines.append(buffer)
                for line in lines:
                    protocol.send(sock, *session.answer(line))
                    heard, limit = time.monotonic(), self._paths.silence
                    if session.closed:
                        return
                if not data:
                    return

    def _wait(self, seconds: float, sock: socket.socket | None = None) -> set[int]:
        """Wait for something to read. Return from what; end when the guardian has, or we must."""
        poll = select.poll()
        sources: Sequence[Any] = (self.pair, sock, self._kubefwd.output)
        for one in filter(None, sources):
            poll.register(one, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(max(0, seconds) * 1000)}
        if self.pair.fileno() in ready:
            sys.exit(0)
        return ready
