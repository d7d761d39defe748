"""From the start of the operator's process to the first HTTP answer by name, becoming root on the
way. The process begins as bootstrap.sh, which checks the venv, so that is in it.

Beside it: how long it is from the click in the dialog (here askpass, which answers at once) until a
service answers by its name, which is all that somebody waits for after that.

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
    """Return the seconds of every start, by the way of becoming root, and those after a click."""
    found: dict[str, list[float]] = {}
    clicked: list[float] = []
    with forwarding(place, linger=0) as tilt:
        try:
            for way, password in WAYS.items():
                place.lab.dev.sudoers(password=password)
                asked = place.lab.dev.prompts
                found[way] = []
                for _ in range(RUNS):
                    found[way].append(_restart(tilt, place.hosts))
                    clicked += [_since_click(place)] if password else []
                assert place.lab.dev.prompts == asked + RUNS * password
        finally:
            place.lab.dev.sudoers()
    return {"seconds": found, "clicked": clicked}


def _restart(tilt: Tilt, hosts: bytes) -> float:
    """Start the operator anew; return how long it took."""
    before = only_operator()
    tilt.run("trigger", "kubefwd:run")
    wait(lambda: not before.is_running(), "the operator before has ended")
    wait(lambda: HOSTS.read_bytes() == hosts and not helpers(), "it has left nothing")
    answered = wait(lambda: answers(WEB), "web.shop answers")
    return round(age(only_operator().pid) - (time.monotonic() - answered), 3)


def _since_click(place: Place) -> float:
    """Return how long ago askpass was asked, in the moment after the first answer."""
    return round(time.time() - place.lab.dev.asked_at, 3)
