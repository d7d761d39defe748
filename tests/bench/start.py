"""From the start of the operator's process to the first HTTP answer by name, becoming root on the
way. The process begins as bootstrap.sh, which checks the venv, so that is in it.

`linger` is 0: each start asks sudo anew. Askpass answers at once; a person takes longer.
"""

import time

from tests.bench.place import WEB, Place, forwarding, only_operator
from tests.bench.probe import age, answers, wait
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS, helpers
from tests.lab.tilt import Tilt

RUNS = 5
WAYS = {"sudo -n": False, "sudo -A": True}  # whether sudo wants a password


def measure(place: Place) -> Json:
    """Return the seconds of every start, by the way of becoming root."""
    found: dict[str, list[float]] = {}
    with forwarding(place, linger=0) as tilt:
        try:
            for way, password in WAYS.items():
                place.lab.dev.sudoers(password=password)
                asked = place.lab.dev.prompts
                found[way] = [_restart(tilt, place.hosts) for _ in range(RUNS)]
                assert place.lab.dev.prompts == asked + RUNS * password
        finally:
            place.lab.dev.sudoers()
    return {"seconds": found}


def _restart(tilt: Tilt, hosts: bytes) -> float:
    """Start the operator anew; return how long it took."""
    before = only_operator()
    tilt.run("trigger", "kubefwd:run")
    wait(lambda: not before.is_running(), "the operator before has ended")
    wait(lambda: HOSTS.read_bytes() == hosts and not helpers(), "it has left nothing")
    answered = wait(lambda: answers(WEB), "web.shop answers")
    return round(age(only_operator().pid) - (time.monotonic() - answered), 3)
