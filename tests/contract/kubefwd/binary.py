"""The programs: the real kubefwd, where it is on PATH, and the stand-in as one executable file.

The stand-in runs under the system's interpreter, in an empty environment, and keeps no bytecode.
"""

import shutil
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent / "stand_in"
SHEBANG = b"#!/usr/bin/python3 -IB\n"
MAIN = "from stand_in.program import main\n\nmain()\n"


def real() -> str | None:
    """Where the real kubefwd is; None when it is not on PATH."""
    return shutil.which("kubefwd")


def pack(file: Path) -> Path:
    """Write the stand-in, executable by everybody; return where."""
    file.write_bytes(SHEBANG)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("__main__.py", MAIN)
        for module in sorted(SOURCE.glob("*.py")):
            archive.write(module, f"{SOURCE.name}/{module.name}")
    file.chmod(0o755)
    return file
