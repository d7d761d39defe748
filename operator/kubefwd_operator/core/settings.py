"""Settings: the extension's arguments, validated once, wherever they come from.

`config.py` collects raw strings (from the environment that the Tiltfile fills, or from a command
line); `parse` turns them into a frozen `Settings` or raises one `SettingsError` that lists every
bad argument, so that a developer corrects his Tiltfile once and not once per mistake.
An argument that is missing or blank has its default.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.names import is_hostname, is_label

_T = TypeVar("_T")

LINGER_SECONDS = range(301)
"""What the helper accepts in `hello`: 0 to 300 seconds."""

NO_NAMESPACE = (
    "'{}' is not the name of a namespace: use lower-case letters, digits and '-', at most 63 "
    "characters, with a letter or digit at both ends"
)
"""What to say of a name that no namespace can have."""

MAX_SUFFIXES = 20
"""How many domains `allow_hostnames` may list; the root side takes some more."""

_INSTANCE = re.compile(r"[a-z0-9-]{1,32}")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class EngineChoice(StrEnum):
    """The engines. `auto` takes kubefwd where a usable one is installed, else the native one."""

    AUTO = "auto"
    KUBEFWD = "kubefwd"
    NATIVE = "native"


class RootChoice(StrEnum):
    """How to become root. `auto` tries what works here; each other one forces one way."""

    AUTO = "auto"
    SUDO = "sudo"
    """`sudo -n`: without a question, or not at all."""
    ASKPASS = "askpass"
    DIALOG = "dialog"
    OSASCRIPT = "osascript"
    PKEXEC = "pkexec"
    TERMINAL = "terminal"
    """Nothing is tried: a line is printed, to be run in a terminal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the developer asked for.

    `skip` are services, (namespace, service), that are not forwarded; `kubefwd` is the path of the
    program, empty for the one on PATH; `linger` is in seconds; `allow_other_users` lets everybody
    on the machine connect; `allow_hostnames` are the domains that hostnames of policies may end
    in, besides .test and .localhost; `instance` tells two Tilts apart.
    """

    namespaces: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()
    skip: tuple[tuple[str, str], ...] = ()
    engine: EngineChoice = EngineChoice.AUTO
    kubefwd: str = ""
    root: RootChoice = RootChoice.AUTO
    linger: int = 30
    bare_names: bool = True
    allow_other_users: bool = False
    allow_hostnames: tuple[str, ...] = ()
    instance: str = "tilt-10350"


_DEFAULT = Settings()

ARGUMENTS = (
    "namespaces",
    "exclude",
    "skip",
    "engine",
    "kubefwd",
    "root",
    "linger",
    "bare_names",
    "allow_other_users",
    "allow_hostnames",
    "instance",
)
"""The keys that `parse` reads, spelled as in the Tiltfile."""


def parse(raw: Mapping[str, str]) -> Settings:
    """Validate raw arguments (keys as in `ARGUMENTS`) into Settings.

    Lists are separated by commas or white space. Raises SettingsError with one line per bad
    argument, each saying what is wrong and what to do.
    """
    reader = _Reader(raw)
    settings = Settings(
        namespaces=reader.namespaces("namespaces"),
        exclude=frozenset(reader.namespaces("exclude")),
        skip=reader.services("skip"),
        engine=reader.read("engine", _engine, _DEFAULT.engine),
        kubefwd=reader.read("kubefwd", _absolute, _DEFAULT.kubefwd),
        root=reader.read("root", _root, _DEFAULT.root),
        linger=reader.read("linger", _linger, _DEFAULT.linger),
        bare_names=reader.read("bare_names", _boolean, _DEFAULT.bare_names),
        allow_other_users=reader.read("allow_other_users", _boolean, _DEFAULT.allow_other_users),
        allow_hostnames=reader.suffixes("allow_hostnames"),
        instance=reader.read("instance", _instance, _DEFAULT.instance),
    )
    errors = [*reader.errors, *_unknown(raw), *_contradictions(settings)]
    if errors:
        raise SettingsError("\n".join(errors))
    return settings


class _Reader:
    """Reads one argument after the other and collects what is wrong with them."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self.raw = raw
        self.errors: list[str] = []

    def read(self, key: str, convert: Callable[[str], _T], default: _T) -> _T:
        """Convert an argument; the default when it is blank or wrong."""
        text = self.raw.get(key, "").strip()
        try:
            return convert(text) if text else default
        except ValueError as error:
            self.errors.append(f"{key}: {error}")
            return default

    def namespaces(self, key: str) -> tuple[str, ...]:
        """Split a list of namespace names and check each."""
        return self._list(key, is_label, NO_NAMESPACE)

    def suffixes(self, key: str) -> tuple[str, ...]:
        """Split a list of domains and check each, and all of them."""
        names = self._list(key, _is_suffix, _NO_SUFFIX)
        if len(names) > MAX_SUFFIXES:
            self.errors.append(
                f"{key}: {len(names)} domains are more than {MAX_SUFFIXES}: list fewer"
            )
        return names

    def services(self, key: str) -> tuple[tuple[str, str], ...]:
        """Split a list of services, `namespace/service`, and check each."""
        names = self._list(key, _is_service, _NO_SERVICE)
        return tuple((one, two) for one, _, two in (name.partition("/") for name in names))

    def _list(self, key: str, good: Callable[[str], bool], otherwise: str) -> tuple[str, ...]:
        names = tuple(name for name in re.split(r"[\s,]+", self.raw.get(key, "")) if name)
        self.errors += [f"{key}: {sentence}" for sentence in _wrong(names, good, otherwise)]
        return names


_NO_SERVICE = "'{}' is not a service: use its namespace and its name, such as 'billing/ledger'"
_NO_SUFFIX = "'{}' is not a domain of 2 to 10 labels: use one such as 'dev.example.com'"


def _is_suffix(text: str) -> bool:
    return is_hostname(text) and text.count(".") < 10


def _is_service(text: str) -> bool:
    namespace, _, service = text.partition("/")
    return is_label(namespace) and is_label(service)


def _wrong(names: tuple[str, ...], good: Callable[[str], bool], otherwise: str) -> Iterable[str]:
    for name in dict.fromkeys(names):
        if not good(name):
            yield otherwise.format(name)
        elif names.count(name) > 1:
            yield f"'{name}' is listed {names.count(name)} times: list it once"


def _engine(text: str) -> EngineChoice:
    if text not in list(EngineChoice):
        raise ValueError(f"'{text}' is not an engine: use 'auto', 'kubefwd' or 'native'")
    return EngineChoice(text)


def _root(text: str) -> RootChoice:
    if text not in list(RootChoice):
        *most, last = (f"'{choice}'" for choice in RootChoice)
        raise ValueError(f"'{text}' is no way to root: use {', '.join(most)} or {last}")
    return RootChoice(text)


def _absolute(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"'{text}' is not an absolute path: give one, or put kubefwd on PATH")
    return text


def _linger(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) in LINGER_SECONDS):
        raise ValueError(f"'{text}' is not a whole number of seconds from 0 to 300: give one")
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(f"'{text}' is neither true nor false: use 'true' or 'false'")
    return text.lower() in _TRUE


def is_instance(text: str) -> bool:
    """Whether the root side would take this for an instance id."""
    return _INSTANCE.fullmatch(text) is not None


def _instance(text: str) -> str:
    if not is_instance(text):
        raise ValueError(
            f"'{text}' cannot name an instance: use 1 to 32 lower-case letters, digits and '-'"
        )
    return text


def _unknown(raw: Mapping[str, str]) -> Iterable[str]:
    for key in sorted(set(raw) - set(ARGUMENTS)):
        yield f"{key}: there is no such argument: use one of {', '.join(ARGUMENTS)}"


def _contradictions(settings: Settings) -> Iterable[str]:
    for name in dict.fromkeys(settings.namespaces):
        if name in settings.exclude:
            yield f"exclude: '{name}' is also in namespaces: take it out of one of the two"
    if settings.kubefwd and settings.engine is EngineChoice.NATIVE:
        yield "kubefwd: a path is given, but engine is 'native': take one of the two out"
