"""Starts the real helper as start.py does, and kills it in the middle of its first hosts write.

CRASH in the environment says where; only the worker dies, so that the guardian can write.
"""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, sys.argv[1])
from helper import hosts  # type: ignore[import-not-found]  # found in root's folder

WORKER, STEP = os.getpid(), os.environ["CRASH"]
rename, overwrite = os.rename, hosts._overwrite


def die(step: str) -> None:
    if step == STEP and os.getpid() == WORKER:
        os.kill(WORKER, signal.SIGKILL)


def crashing_rename(source: str, target: str) -> None:
    die("journal" if target.endswith(".journal") else "spare")
    rename(source, target)


def crashing_overwrite(file: BinaryIO, content: bytes) -> None:
    if not isinstance(file.name, int):  # the spare file, which has a name
        overwrite(file, content)
        return
    die("untouched")
    if STEP == "half" and os.getpid() == WORKER:
        file.write(content[: len(content) // 2])
        file.flush()
    die("half")
    overwrite(file, content)
    die("whole")


os.rename, hosts._overwrite = crashing_rename, crashing_overwrite  # type: ignore[assignment]
runpy.run_path(str(Path(__file__).with_name("start.py")), run_name="__main__")
