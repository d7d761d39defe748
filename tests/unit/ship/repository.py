"""The repository's files, as git sees them: tracked, or new and not ignored."""

import subprocess
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[3]


@lru_cache
def files() -> tuple[Path, ...]:
    """List the files relative to the checkout; those deleted but not yet committed are left out."""
    argv = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = (Path(name) for name in listed.split("\0") if name)
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def text(path: Path) -> str:
    """Read one of them; what is no text counts as empty."""
    try:
        return (ROOT / path).read_text()
    except UnicodeDecodeError:
        return ""


def python_files(*folders: str) -> list[Path]:
    """List the Python files below those folders."""
    return [
        path
        for path in files()
        if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in folders)
    ]
