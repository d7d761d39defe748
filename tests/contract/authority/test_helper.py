"""The channel against the real helper, on places of the test's own: what the fake does, it does."""

import asyncio
import json
import logging
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.privileged.talk import TalksToHelper

from kubefwd_operator.privileged.channel import Helper
from kubefwd_operator.privileged.command import command
from kubefwd_operator.privileged.listening import Listening
from kubefwd_operator.privileged.peer import descends, uid_of
from kubefwd_operator.privileged.rundir import RunDirectory, locate
from kubefwd_operator.privileged.surroundings import INTERPRETERS, ROOT_FOLDER

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(os.geteuid() != 0, reason="the helper needs a machine on which we are root"),
]
START = Path(__file__).parents[1] / "helper" / "start.py"
HOSTS = "127.0.0.1 localhost\n"


class Place:
    """A run directory, a hosts file and a state directory, and the helper that knows them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.hosts = base / "hosts"
        self.hosts.write_text(HOSTS)
        (base / "run" / "0").mkdir(parents=True)
        (base / "run" / "0").chmod(0o700)
        self.listening = Listening(self._locate, 0)

    def _locate(self) -> RunDirectory:
        return locate(0, self.base / "home", "tilt-1", self.base / "run")

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the helper as `command` spells it, but with places of its own."""
        python, *options, _, _, instance, _, uid = command(
            INTERPRETERS[0], ROOT_FOLDER, "tilt-1", 0
        )
        paths = {
            "hosts": str(self.hosts),
            "state": str(self.base / "state"),
            "run_user": str(self.base / "run"),
        }
        arguments = [ROOT_FOLDER, json.dumps(paths), "--instance", instance, "--uid", uid]
        return subprocess.Popen([python, *options, str(START), *arguments], env={})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class TestRealHelper(TalksToHelper):
    @pytest.fixture
    async def helper(self, place: Place) -> AsyncIterator[Helper]:
        place.listening.open()
        process = place.start()
        connection = await asyncio.wait_for(place.listening.accept(), 30)
        assert uid_of(connection) == 0
        helper = Helper(
            connection, session=1, log=logging.getLogger("test"), hosts_file=place.hosts
        )
        await helper.hello(0)
        assert helper.pid == process.pid
        assert descends(helper.guardian, process.pid) is True
        assert descends(1, process.pid) is False
        yield helper
        helper.close()
        place.listening.close()
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert place.hosts.read_text() == HOSTS
