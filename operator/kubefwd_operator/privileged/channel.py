"""One helper as the rest of the program knows it: its verbs, its heartbeat, its end.

A listener that is handed over is known by the address it is bound to, not by its place in the
stream: a descriptor that the kernel dropped (EMFILE shows as MSG_CTRUNC) then costs the request
that it belonged to, and no other.

Raised to callers: HelperRefused with the wire's code, and HelperGone once the connection is over.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from kubefwd_operator.core.errors import HelperError, HelperGone, HelperRefused
from kubefwd_operator.core.kubefwd import KubefwdAccess
from kubefwd_operator.core.names import HostsEntry, spell
from kubefwd_operator.privileged.conversation import Conversation
from kubefwd_operator.privileged.leftovers import HOSTS
from kubefwd_operator.privileged.rivals import Contested, contested
from kubefwd_operator.privileged.wire import VERSION, Answer, Event
from kubefwd_operator.privileged.withheld import Withheld, withheld

BEAT = 2.0
"""Seconds between heartbeats. The helper takes 15 s of silence for our end."""

SILENT_BEATS = 8
"""Heartbeats without any answer after which the helper counts as gone: just over 15 s. Beats are
counted, not seconds, so that time in which we ourselves were stopped is not held against it."""


_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True)
class HostsOutcome:
    """What became of a `hosts` request. `changed` is False when the file was so already."""

    withheld: tuple[Withheld, ...] = ()
    changed: bool = False
    contested: tuple[Contested, ...] = ()


@dataclass(frozen=True, slots=True)
class StartedKubefwd:
    """A kubefwd that root has started: the key to its API, and its pid."""

    key: str = field(repr=False)
    pid: int = 0


class Helper:
    """One accepted connection, from `hello` until HelperGone. `session` counts them.

    `kubefwd` is the SHA-256 of the kubefwd that was authorised with it, empty for none, `hostnames`
    the suffixes; what that kubefwd says goes to `heard`, if that is set, else to the log.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        session: int,
        log: logging.Logger,
        beat: float = BEAT,
        hosts_file: Path = HOSTS,
    ) -> None:
        self.session = session
        self.pid = 0
        self.guardian = 0
        self.kubefwd = ""
        self.hostnames: object = None
        self.heard: Callable[[Event], None] | None = None
        self._log = log
        self._talk = Conversation(connection, log, self._hear)
        self._beat = beat
        self._hosts_file = hosts_file
        self._pulse: asyncio.Task[None] | None = None
        self._fetching: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    @property
    def alive(self) -> bool:
        """False from the moment at which the connection is known to be over."""
        return self._talk.alive

    async def gone(self) -> str:
        """Wait for the end of the connection; a sentence that says how it ended."""
        return await self._talk.gone()

    async def hello(self, linger: int) -> None:
        """Say hello and start the heartbeat. `linger`: seconds the helper waits after our end."""
        answer = await self._talk.ask("hello", version=VERSION, linger=linger)
        if answer.body.get("version") != VERSION:
            raise HelperRefused("version", "The privileged helper is of another version.")
        self.pid = _number(answer, "pid")
        self.guardian = _number(answer, "guardian")
        self.kubefwd = str(answer.body.get("kubefwd", ""))
        self.hostnames = answer.body.get("hostnames")
        self._pulse = asyncio.create_task(self._beating())

    async def listen(self, ip: str, port: int) -> socket.socket:
        """Get a non-blocking TCP socket that listens on ip:port; the caller owns it.

        Raises HelperRefused: foreign, leased, in-use, limit, system; and HelperGone.
        """
        wanted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._fetch(ip, port, wanted, taken))
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)
        try:
            listener = await wanted
        except asyncio.CancelledError:
            if not wanted.cancelled():
                wanted.exception()  # came at the same moment, and is nobody's any more
            taken.set_result(False)
            raise
        taken.set_result(True)
        return listener

    async def release(self, ip: str, port: int) -> None:
        """Let the helper close its copy. The caller closes its own."""
        await self._talk.ask("release", ip=ip, port=port)

    async def hosts(self, entries: Sequence[HostsEntry]) -> HostsOutcome:
        """Replace this instance's names.

        Raises HelperRefused: foreign, limit, read-only, system; and HelperGone.
        """
        answer = await self._talk.ask("hosts", entries=[entry._asdict() for entry in entries])
        changed = answer.body.get("changed") is True
        try:
            content = self._hosts_file.read_bytes()
        except OSError:
            return HostsOutcome((), changed)
        suffixes = self.hostnames if isinstance(self.hostnames, list) else ()
        missing = withheld(entries, content, suffixes=suffixes)
        elsewhere = {each.name for each in missing}
        names = [name for entry in entries for name in spell(entry) if name not in elsewhere]
        return HostsOutcome(missing, changed, contested(dict.fromkeys(names), content))

    async def kubefwd_start(self, access: KubefwdAccess) -> StartedKubefwd:
        """Have the authorised kubefwd run, with these credentials.

        Raises HelperRefused: unusable, in-use, protocol, limit, system; and HelperGone.
        """
        answer = await self._talk.ask("kubefwd-start", **asdict(access))
        return StartedKubefwd(str(answer.body.get("api_key", "")), _number(answer, "pid"))

    async def kubefwd_stop(self) -> None:
        """Have it ended; returns when it is gone, which may take seconds."""
        await self._talk.ask("kubefwd-stop")

    async def kubefwd_token(self, token: str) -> None:
        """Give it a fresh token, for which it is not restarted."""
        await self._talk.ask("kubefwd-token", token=token)

    async def bye(self) -> None:
        """Everything undone and the helper ended at once, without lingering."""
        await self._talk.ask("bye")

    async def purge(self) -> None:
        """As `bye`, and what dead instances have left behind is swept."""
        await self._talk.ask("purge")

    def close(self) -> None:
        """End the connection from our side, without `bye`: the helper undoes and lingers."""
        self._talk.end("this operator has closed the connection")
        if self._pulse is not None:
            self._pulse.cancel()

    async def _fetch(
        self,
        ip: str,
        port: int,
        wanted: asyncio.Future[socket.socket],
        taken: asyncio.Future[bool],
    ) -> None:
        """Ask for a listener, and give it back when the caller was cancelled meanwhile.

        One request for an address at a time: the next one waits until this one's has gone back.
        """
        async with self._turns.setdefault((ip, port), asyncio.Lock()):
            try:
                listener = await self._ask_for(ip, port)
            except HelperError as error:
                if not wanted.done():
                    wanted.set_exception(error)
                return
            if not wanted.done():
                wanted.set_result(listener)
            if not await taken:
                listener.close()
                with suppress(HelperError):
                    await self.release(ip, port)

    async def _ask_for(self, ip: str, port: int) -> socket.socket:
        await self._talk.ask("listen", ip=ip, port=port)
        if (listener := self._talk.received.take(ip, port)) is not None:
            return listener
        await self.release(ip, port)
        raise HelperRefused(
            "limit",
            f"The listener for {ip}:{port} could not be received: too many open files. Raise the "
            "limit (ulimit -n) or forward fewer namespaces.",
        )

    def _hear(self, event: Event) -> None:
        if self.heard is not None:
            self.heard(event)
        else:
            self._log.log(_LEVELS.get(event.level, logging.INFO), "helper: %s", event.message)

    async def _beating(self) -> None:
        with suppress(HelperGone):
            while True:
                await asyncio.sleep(self._beat)
                if self._talk.unanswered >= SILENT_BEATS:
                    self._talk.end("it has not answered for 15 seconds")
                self._talk.unanswered += 1
                _ = self._talk.ask("heartbeat")


def _number(answer: Answer, key: str) -> int:
    value = answer.body.get(key)
    return value if isinstance(value, int) else 0
