"""The hosts file, edited in place and without regard for other people's lines, as kubefwd does."""

from pathlib import Path

DEFAULT = Path("/etc/hosts")


class Hosts:
    """Adds and removes names, in place, whoever's they are."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.registered: list[str] = []

    def back_up(self, file: Path) -> None:
        file.write_bytes(self._file.read_bytes())

    def add(self, ip: str, names: list[str]) -> None:
        self.registered += names
        self._edit(self._file, names, f"{ip} {' '.join(names)}\n" if ip != "<nil>" else "")

    def remove(self, names: list[str]) -> None:
        self._edit(self._file, names, "")

    def sweep(self) -> None:
        """Remove every name that there ever was from the default file, whichever was in use."""
        self._edit(DEFAULT, self.registered, "")

    @staticmethod
    def _edit(file: Path, gone: list[str], line: str) -> None:
        kept = []
        for each in file.read_bytes().decode("latin-1").splitlines(keepends=True):
            words = each.split("#")[0].split()
            left = [word for word in words[1:] if word not in gone]
            if len(left) == len(words[1:]):
                kept.append(each)
            elif left:
                kept.append(f"{words[0]} {' '.join(left)}\n")
        file.write_bytes(("".join(kept) + line).encode("latin-1"))
