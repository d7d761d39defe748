"""An operator in miniature: one Authority, told by lines on stdin, telling by JSON on stdout.

Run as the throw-away user. LAB_ROOT is the setting `root`. Commands: `refresh`, `listen IP PORT`,
`hosts IP SERVICE NAMESPACE`, `close`; SIGTERM is one too, as for Kopf. What is listened on answers
"hello" to whoever connects.
"""

import asyncio
import json
import logging
import os
import signal
import sys

import uvloop

from kubefwd_operator.core.model import Desired
from kubefwd_operator.core.names import HostsEntry
from kubefwd_operator.core.settings import RootChoice
from kubefwd_operator.privileged import trust
from kubefwd_operator.privileged.authority import Authority
from kubefwd_operator.privileged.ways import chosen


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Tell(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(log=record.getMessage(), level=record.levelname)


class Operator:
    def __init__(self, instance: str, linger: int) -> None:
        self.generation = 1
        self.servers: list[asyncio.Server] = []
        self.authority = Authority(
            instance=instance,
            linger=linger,
            environ=os.environ,
            changed=self.changed,
            ways=chosen(RootChoice(os.environ.get("LAB_ROOT", "auto"))),
        )

    def changed(self) -> None:
        seen = self.authority.seen()
        if self.authority.helper is None:  # it has shut down what it handed over
            for server in self.servers:
                server.close()
        tell(
            state=seen.state,
            reason=seen.problem.reason if seen.problem else "",
            message=seen.problem.message if seen.problem else "",
            way=seen.way,
            session=seen.session,
            helper=self.authority.helper is not None,
        )

    async def command(self, verb: str, *args: str) -> None:
        helper = self.authority.helper
        if verb == "refresh":
            self.generation += 1
            self.authority.want(Desired(generation=self.generation))
        elif verb == "listen" and helper:
            listener = await helper.listen(args[0], int(args[1]))
            self.servers.append(await asyncio.start_server(self.serve, sock=listener))
            tell(done=verb)
        elif verb == "hosts" and helper:
            outcome = await helper.hosts([HostsEntry(args[0], args[1], args[2], bare=True)])
            tell(done=verb, changed=outcome.changed, withheld=len(outcome.withheld))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    async def run(self) -> None:
        self.authority.start()
        self.authority.want(Desired(generation=self.generation))
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, reader.feed_eof)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for line in reader:
            if line.split() == [b"close"]:
                break
            await self.command(*line.decode().split())
        await self.authority.close()
        tell(done="close")


async def main(instance: str, linger: int) -> None:
    await Operator(instance, linger).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, handlers=[Tell()])
    # Where a macOS has its own; no Linux has one to put a stand-in over.
    trust.OSASCRIPTS = (*trust.OSASCRIPTS, "/run/lab/osascript")
    run = uvloop.run if "uvloop" in sys.argv else asyncio.run
    run(main(sys.argv[1], int(sys.argv[2])))
