"""The door: whoever connects is looked at, and a helper is greeted; one at a time.

While a helper is in, nobody else is taken: a second one waits in the backlog, unanswered, and is
there at once should the first one go (which is how a helper comes back to an operator that was
stopped and continued).
"""

import asyncio
import logging
import socket
from collections.abc import Sequence

from kubefwd_operator.core.errors import HelperError, HelperGone
from kubefwd_operator.privileged import peer
from kubefwd_operator.privileged.channel import Helper
from kubefwd_operator.privileged.listening import Listening
from kubefwd_operator.privileged.timing import Timing


class Door:
    """Takes helpers in. `root_uid` is who may be one: 0, but in the tests of ordinary users.

    `kubefwd` is the SHA-256 of the one that the helper must have been authorised with, if any, and
    `hostnames` are the suffixes that it must have been authorised with.
    """

    def __init__(
        self,
        listening: Listening,
        *,
        linger: int,
        log: logging.Logger,
        timing: Timing,
        root_uid: int = 0,
        kubefwd: str = "",
        hostnames: Sequence[str] = (),
    ) -> None:
        self._listening = listening
        self._linger = linger
        self._log = log
        self._timing = timing
        self._root_uid = root_uid
        self._kubefwd = kubefwd
        self._hostnames = list(hostnames)
        self._told = ""

    async def next(self, session: int) -> Helper:
        """Wait for the next helper that has answered our hello."""
        while True:
            connection = await self._connection()
            if self._is_root(connection):
                helper = Helper(connection, session=session, log=self._log, beat=self._timing.beat)
                if await self._greeted(helper):
                    self._told = ""
                    return helper
            else:
                connection.close()

    async def _connection(self) -> socket.socket:
        while True:
            try:
                return await self._listening.accept()
            except OSError as error:
                self._tell(f"A connection of the helper cannot be taken: {error.strerror}.")
                await asyncio.sleep(self._timing.pause)

    def _is_root(self, connection: socket.socket) -> bool:
        try:
            uid = peer.uid_of(connection)
        except OSError as error:
            self._tell(f"A connection was refused: who it is cannot be told ({error.strerror}).")
            return False
        if uid != self._root_uid:
            self._tell(f"A connection by user id {uid} was refused: the helper is root.")
        return uid == self._root_uid

    async def _greeted(self, helper: Helper) -> bool:
        done = False
        try:
            async with asyncio.timeout(self._timing.hello):
                await helper.hello(self._linger)
                unfit = self._unfit(helper)
                done = not unfit
                if unfit:
                    self._tell(f"A helper was sent away: it was authorised for {unfit}.")
                    await helper.bye()
        except HelperGone:
            # It connected while nobody answered, and has given up since.
            self._log.debug("A helper had gone before it was greeted.")
        except (HelperError, TimeoutError) as error:
            self._tell(f"A helper connected and cannot be used: {str(error) or 'it says nothing'}")
        finally:
            if not done:
                helper.close()
        return done

    def _unfit(self, helper: Helper) -> str:
        """Say for what else than ours a helper was authorised; "" when it is ours."""
        if self._kubefwd and helper.kubefwd != self._kubefwd:
            return "another kubefwd"
        return "other `allow_hostnames`" if helper.hostnames != self._hostnames else ""

    def _tell(self, message: str) -> None:
        """Warn once: a helper that is turned away comes back ten times a second."""
        if message != self._told:
            self._told = message
            self._log.warning("%s", message)
