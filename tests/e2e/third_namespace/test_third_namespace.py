"""A namespace more is deployed while bytes flow in another: nothing is interrupted."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
from tests.lab.forwarding import (
    forms,
    get,
    is_ready,
    names_of,
    namespaces_of,
    wait_answer,
)
from tests.lab.servers import pattern
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("native", "kubefwd")

SIZE = 200_000_000  # bytes: far more than all buffers on the way hold together
CHUNK = 256 * 1024  # bytes
PAUSE = 0.25  # seconds between chunks: 190 s for all, were it never hurried
NEW = [*forms("index", "search"), *forms("suggest", "search")]


@dataclass(slots=True)
class Download:
    """Reads a body slowly, so that it cannot end by itself before it is hurried."""

    url: str
    length: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    hurried: threading.Event = field(default_factory=threading.Event)

    def run(self) -> str:
        """Read all of it; return its SHA-256."""
        digest = hashlib.sha256()
        with httpx.stream("GET", self.url, trust_env=False, timeout=60) as answer:
            for chunk in answer.raise_for_status().iter_raw(CHUNK):
                digest.update(chunk)
                self.length += len(chunk)
                self.begun.set()
                self.hurried.wait(PAUSE)
        return digest.hexdigest()


def test_a_download_goes_on_while_a_third_namespace_is_deployed(tilt: Tilt) -> None:
    tilt.wait_status(lambda status: is_ready(status) and len(namespaces_of(status)) == 2)
    wait_answer("web.storefront", "ledger.billing")
    before = get("web.storefront").json()
    download = Download(f"http://web.storefront/bytes/{SIZE}")
    with ThreadPoolExecutor(1) as pool:
        downloaded = pool.submit(download.run)
        try:
            assert download.begun.wait(60)
            tilt.add("k8s_yaml('search.yaml')\n")
            wait_answer(*NEW)
            read, running = download.length, not downloaded.done()
        finally:
            download.hurried.set()
        assert downloaded.result(60) == hashlib.sha256(pattern(SIZE)).hexdigest()
    # It was under way all the time, and most of it came afterwards.
    assert running
    assert 0 < read < SIZE / 2
    status = tilt.wait_status(lambda status: is_ready(status) and set(NEW) <= names_of(status))
    assert namespaces_of(status)[2:] == ["search"]
    assert get("web.storefront").json() == before
    assert tilt.prompts == 1
