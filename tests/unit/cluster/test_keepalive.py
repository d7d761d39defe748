"""Keepalive is set as told, and what cannot be set is left alone."""

import socket
import sys

import pytest

from kubefwd_operator.cluster.keepalive import keep_alive


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's names of the options")
def test_every_option_is_set() -> None:
    with socket.socket() as sock:
        keep_alive(sock, idle=7, interval=3, count=2)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [7, 3, 2]


def test_a_socket_that_has_no_such_options_is_left_as_it_is() -> None:
    one, two = socket.socketpair()
    with one, two:
        keep_alive(one, idle=7, interval=3, count=2)
        one.close()
        keep_alive(one, idle=7, interval=3, count=2)
