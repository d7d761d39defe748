"""The client through proxies: HTTP, HTTPS and SOCKS5, from the kubeconfig or the environment."""

from typing import Any

import pytest
from tests.unit.cluster.server import (
    Pipe,
    answering,
    client,
    connect,
    echo,
    echo_all,
    nobody,
    server_tls,
    serving,
    socks5,
)

from kubefwd_operator.core import errors

PATH = "/api/v1/namespaces/shop/services"


async def through(url: str, server: str, **cluster: Any) -> str:
    """Ask and dial through a proxy; gives the name that the server saw."""
    async with client(server, proxy_url=url, **cluster) as subject:
        seen = await subject.get(PATH)
        opened = await subject.websocket("/ws", protocols=("p",))
        await opened.send_bytes(b"x")
        assert (await opened.receive_bytes()) == b"x"
        await opened.close()
    return str(dict(seen["headers"])["Host"])


async def test_an_http_proxy() -> None:
    pipe = Pipe()
    async with serving(echo_all, server_tls()) as port, pipe.running(connect) as proxy:
        await through(f"http://127.0.0.1:{proxy}", f"https://127.0.0.1:{port}")
        assert set(pipe.asked) == {f"127.0.0.1:{port}"}


async def test_an_https_proxy() -> None:
    """TLS in TLS; the proxy's certificate is judged by the cluster's CA, as client-go does."""
    pipe = Pipe()
    async with (
        serving(echo_all, server_tls()) as port,
        pipe.running(connect, server_tls()) as proxy,
    ):
        await through(f"https://127.0.0.1:{proxy}", f"https://kubernetes.test:{port}")
        assert set(pipe.asked) == {f"kubernetes.test:{port}"}


@pytest.mark.parametrize("proxy", ["http", "socks5"])
async def test_a_proxy_with_another_server_name(proxy: str) -> None:
    pipe = Pipe()
    greet = connect if proxy == "http" else socks5
    async with serving(echo_all, server_tls()) as port, pipe.running(greet) as at:
        url = f"{proxy}://127.0.0.1:{at}"
        await through(url, f"https://wrong.test:{port}", tls_server_name="kubernetes.test")
        with pytest.raises(errors.ClusterUnreachable, match="certificate is not trusted"):
            await through(url, f"https://wrong.test:{port}")
        assert set(pipe.asked) == {f"wrong.test:{port}"}, "the proxy resolves the name"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_with_a_password(scheme: str) -> None:
    pipe = Pipe()
    async with serving(echo_all, server_tls()) as port, pipe.running(socks5) as proxy:
        await through(f"{scheme}://u:hush@127.0.0.1:{proxy}", f"https://kubernetes.test:{port}")
        with pytest.raises(errors.ClusterUnreachable, match="its proxy does not answer") as caught:
            await through(
                f"{scheme}://u:hush2@127.0.0.1:{proxy}", f"https://kubernetes.test:{port}"
            )
        assert "hush" not in str(caught.value)


async def test_a_proxy_that_is_not_there() -> None:
    for scheme in ("http", "socks5"):
        url = f"{scheme}://u:hush@127.0.0.1:{nobody()}"
        with pytest.raises(errors.ClusterUnreachable, match="its proxy does not answer") as caught:
            await through(url, "https://kubernetes.test")
        assert "hush" not in str(caught.value)


async def test_a_proxy_that_wants_a_login() -> None:
    async with serving(answering(407)) as proxy:
        with pytest.raises(errors.ClusterUnreachable, match="its proxy answers with 407"):
            await through(f"http://127.0.0.1:{proxy}", "https://kubernetes.test")


async def test_a_proxy_of_the_environment_is_used_as_kubectl_would() -> None:
    pipe = Pipe()
    async with serving(echo, server_tls()) as port, pipe.running(connect) as proxy:
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}"}
        server = f"https://kubernetes.test:{port}"
        async with client(server, env=env) as subject:
            await subject.get(PATH)
        assert pipe.asked == [f"kubernetes.test:{port}"]
