"""Asking a running operator whether a pod takes a connection. Blocking: a command waits for it."""

import os
import socket
import threading

from kubefwd_operator.core.errors import OperatorSilent
from kubefwd_operator.core.model import Dialled
from kubefwd_operator.privileged import peer, rundir
from kubefwd_operator.privileged.listening import connect_at
from kubefwd_operator.waiting import wire

SECONDS = 30.0
"""For one answer; the operator gives up on the cluster earlier."""

_ONE_BY_ONE = threading.Lock()
"""Where connecting changes the working directory, which all threads share (macOS)."""


def ask(instance: str, address: str, port: int) -> Dialled:
    """Ask the operator of an instance of this user. Raises OperatorSilent."""
    uid = os.geteuid()
    directory = rundir.locate(uid, rundir.home_of(uid), instance).path
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            _connect(connection, str(directory))
            if peer.uid_of(connection) not in (uid, 0):
                raise OperatorSilent(f"Somebody else listens in {directory}.")
            connection.sendall(wire.request(address, port))
            return wire.dialled(_line(connection))
    except (OSError, ValueError) as error:
        raise OperatorSilent(
            f"The operator of {instance} does not answer at {directory / wire.SOCKET}: is it "
            "running, and of this version?"
        ) from error


def _connect(connection: socket.socket, directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _ONE_BY_ONE:
            connect_at(connection, descriptor, wire.SOCKET)
    finally:
        os.close(descriptor)


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) <= wire.MAX_LINE:
        chunk = connection.recv(wire.MAX_LINE)
        if not chunk:
            break
        line += chunk
    return line
