"""Runs measures, keeps their numbers, makes the page: `python -m tests.bench [NAME...]`."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import (
    discoveries,
    idle,
    kills,
    kubefwd,
    machine,
    owners,
    page,
    services,
    start,
    traffic,
)
from tests.bench.place import Place
from tests.lab import inside, isolate, tools
from tests.lab.api import Json
from tests.lab.bootstrapped import prepare
from tests.lab.fixtures import Lab
from tests.lab.user import developer, isolated

# In the order in which they are made: what shares the Tilt with 250 services stands together.
MEASURES: dict[str, Callable[[Place], Json]] = {
    "start": start.measure,
    "services": services.measure,
    "idle": idle.measure,
    "traffic": traffic.measure,
    "kills": kills.measure,
    "discoveries": discoveries.measure,
    "owners": owners.measure,
    "kubefwd": kubefwd.measure,
}
ALONE = {"start", "discoveries", "owners", "kubefwd"}  # these have a Tilt of their own, or none


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"bench: {line}\n")
    sys.stdout.flush()


def keep(file: Path, text: str) -> None:
    """Write a file of the checkout; it belongs to whom its folder belongs, not to root."""
    file.write_text(text)
    if os.geteuid() == 0:
        owner = file.parent.stat()
        shutil.chown(file, owner.st_uid, owner.st_gid)


def run(names: Sequence[str]) -> int:
    """Make these measures where we are; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="kubefwd-bench-", dir=inside.SCRATCH) as folder:
        lab = Lab(Path(folder), developer())
        lab.dev.runtime_folder()
        try:
            place, about = Place(lab), machine.about()
            for name in names:
                if name in ALONE:
                    place.stop_shared()
                _one(name, place, about)
        finally:
            lab.close()
    return 0


def _one(name: str, place: Place, about: Json) -> None:
    say(f"{name} (load {machine.load()})")
    began, before = time.monotonic(), machine.load()
    values = MEASURES[name](place)
    load = {"before": before, "after": machine.load()}
    result = {"measure": name, **about, "load_average": load, "values": values}
    keep(page.RESULTS / f"{name}.json", json.dumps(result, indent=1) + "\n")
    keep(page.PAGE, page.page(page.read()))
    say(f"{name}: {time.monotonic() - began:.0f} s: {json.dumps(values)}")


def run_isolated(names: Sequence[str]) -> int:
    """Run in a namespace with its own /etc and loopback; return the exit code."""
    command = [sys.executable, "-m", "tests.bench", *names]
    with isolate.namespace(command, log=None, prepared=str(prepare())) as process:
        return process.wait()


def main() -> int:
    """Read argv and run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--page", action="store_true", help="only make the page again")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}: take one of {', '.join(MEASURES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped
    if arguments.page:
        keep(page.PAGE, page.page(page.read()))
        return 0
    names = [name for name in MEASURES if name in arguments.names or not arguments.names]
    if isolated():
        return run(names)
    if why := isolate.unavailable():
        say(f"{why}: the machine's own /etc/hosts and sudoers are not touched")
        return 1
    tools.ensure()
    return run_isolated(names)


if __name__ == "__main__":
    sys.exit(main())
