"""The helper's side of the wire on real sockets, with real listeners, without being root.

Beside `talk.py`, whose tests run on this and on the real helper. As a program it connects back to
the run directory that it is given, as the helper does, and lingers: `python fake_helper.py FOLDER`.
"""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any


class FakeHelper:
    """Answers one connection, line by line. `deaf` never answers, `lossy` loses descriptors.

    `kubefwd` is the SHA-256 of the one that it was authorised with; `hosts` is where it writes.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        deaf: bool = False,
        lossy: bool = False,
        kubefwd: str = "",
        hosts: Path | None = None,
    ):
        self.kubefwd = kubefwd
        self.hosts = hosts
        self.connection = connection
        self.heard: list[dict[str, Any]] = []
        self.deaf = deaf
        self.lossy = lossy
        self.listening: dict[tuple[str, int], socket.socket] = {}
        self.over = False

    def start(self) -> None:
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Answer until the connection ends; then let go of everything."""
        try:
            with self.connection, self.connection.makefile("rb") as lines:
                for line in lines:
                    self.hear(json.loads(line))
        except OSError:
            pass
        for listener in self.listening.values():
            listener.close()

    def hear(self, request: dict[str, Any]) -> None:
        self.heard.append(request)
        if self.deaf:
            return
        fields = {key: value for key, value in request.items() if key not in ("id", "verb")}
        try:
            answer, descriptors = getattr(self, f"_{request['verb'].replace('-', '_')}")(**fields)
        except OSError as error:
            answer, descriptors = refusal("in-use", f"{error.strerror}: {request}"), []
        line = json.dumps({"id": request["id"], "ok": True, **answer}).encode() + b"\n"
        socket.send_fds(self.connection, [line], descriptors)

    def say(self, line: bytes) -> None:
        self.connection.sendall(line)

    def _hello(self, version: int, linger: int) -> Any:
        who = {"pid": os.getpid(), "guardian": 2}
        return {"version": version, "kubefwd": self.kubefwd, "hostnames": [], **who}, []

    def _kubefwd_start(self, **access: str) -> Any:
        if not access["server"].startswith("https://"):
            return refusal("protocol", "A server is an https address."), []
        return {"api_key": "k" * 32, "pid": 4711}, []

    def _kubefwd_stop(self) -> Any:
        return {}, []

    def _kubefwd_token(self, token: str) -> Any:
        return {}, []

    def _listen(self, ip: str, port: int) -> Any:
        if not ip.startswith("127.18."):
            return refusal("foreign", f"{ip} is outside 127.18.0.0/15."), []
        listener = socket.create_server((ip, port))
        self.listening[ip, port] = listener
        return {}, [] if self.lossy else [listener.fileno()]

    def _release(self, ip: str, port: int) -> Any:
        self.listening.pop((ip, port)).close()
        return {}, []

    def _hosts(self, entries: list[dict[str, Any]]) -> Any:
        if self.hosts:
            with self.hosts.open("a") as file:
                file.writelines(f"{one['ip']} {' '.join(spelled(one))}\n" for one in entries)
        return {"changed": True}, []

    def _heartbeat(self) -> Any:
        return {}, []

    def _bye(self) -> Any:
        self.over = True
        return {}, []

    _purge = _bye


def spelled(one: dict[str, Any]) -> list[str]:
    """Spell an entry as root does, but for pods and switches, and leave out what it refuses."""
    short = f"{one['service']}.{one['namespace']}"
    names = [one["service"], short, f"{short}.svc", f"{short}.svc.cluster.local"]
    return [name for name in names if name != "localhost"]


def refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "message": message}


def connect(folder: Path, patience: float) -> socket.socket | None:
    os.chdir(folder)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect("helper.sock")
        except OSError:
            connection.close()
            time.sleep(0.02)
        else:
            return connection
    return None


if __name__ == "__main__":
    while found := connect(Path(sys.argv[1]), patience=float(sys.argv[2])):
        FakeHelper(found, kubefwd=sys.argv[3] if sys.argv[3:] else "").serve()
