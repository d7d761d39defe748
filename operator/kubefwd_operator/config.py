"""The only reader of the environment: what the operator and the command line were started with.

The Tiltfile hands the extension's arguments over as `KUBEFWD_OPERATOR_*` variables (argv belongs to
`kopf run`). Which Tilt is meant comes from `TILT_PORT`, which Tilt sets for what it starts, and
from the variables that move Tilt's own directory. `core/settings.py` judges the values.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.settings import ARGUMENTS, Settings, parse
from kubefwd_operator.tilt.session import DEFAULT_PORT, TiltLocation, config_paths

PREFIX = "KUBEFWD_OPERATOR_"
"""Of the variables that carry the extension's arguments."""

APP_NAME = "kubefwd-operator"
"""The name of our directory in the developer's cache."""


NATIVE_WANTED = NoKubefwd("it is what engine='native' asks for")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that comes from outside.

    `cache` is our directory in the developer's cache; `environ` the developer's environment, for
    sudo and the programs that it asks with.
    """

    settings: Settings
    tilt: TiltLocation
    cache: Path
    environ: Mapping[str, str]
    kubefwd: PinnedKubefwd | NoKubefwd = NATIVE_WANTED


def load(env: Mapping[str, str] | None = None, port: int | None = None) -> Config:
    """Read the environment; a `port` that was given on a command line goes before TILT_PORT.

    Raises SettingsError, one line per wrong argument.
    """
    env = os.environ if env is None else env
    location = locate(env, port)
    raw = {"instance": f"tilt-{location.port}"} | _arguments(env)
    return Config(parse(raw), location, cache(), dict(env))


def cache() -> Path:
    """Return our directory in the developer's cache; bootstrap.sh finds it by the same rules."""
    return platformdirs.user_cache_path(APP_NAME)


def locate(env: Mapping[str, str] | None = None, port: int | None = None) -> TiltLocation:
    """Say which Tilt is meant, and nothing else: for commands that only look."""
    env = os.environ if env is None else env
    return TiltLocation(config_paths(env, Path.home()), _port(env) if port is None else port)


def _arguments(env: Mapping[str, str]) -> dict[str, str]:
    given = {key: env.get(PREFIX + key.upper(), "") for key in ARGUMENTS}
    return {key: value for key, value in given.items() if value.strip()}


def _port(env: Mapping[str, str]) -> int:
    text = env.get("TILT_PORT", "").strip()
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise SettingsError(f"TILT_PORT: '{text}' is not a port: unset it, or give a number.")
    return int(text)
