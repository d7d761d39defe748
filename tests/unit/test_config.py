"""What the environment says, and what is wrong with it."""

from pathlib import Path

import pytest

from kubefwd_operator import config
from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.settings import EngineChoice, RootChoice, Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    found = config.load({})
    assert found.settings == Settings(instance="tilt-10350")
    assert found.tilt.context == "tilt-default"
    assert found.cache.name == "kubefwd-operator"


def test_every_argument_is_read() -> None:
    env = {
        "KUBEFWD_OPERATOR_NAMESPACES": "a,b",
        "KUBEFWD_OPERATOR_EXCLUDE": "c",
        "KUBEFWD_OPERATOR_ENGINE": "kubefwd",
        "KUBEFWD_OPERATOR_KUBEFWD": "/opt/kubefwd",
        "KUBEFWD_OPERATOR_ROOT": "terminal",
        "KUBEFWD_OPERATOR_LINGER": "0",
        "KUBEFWD_OPERATOR_BARE_NAMES": "false",
        "KUBEFWD_OPERATOR_ALLOW_OTHER_USERS": "true",
        "KUBEFWD_OPERATOR_INSTANCE": "mine",
    }
    expected = Settings(
        namespaces=("a", "b"),
        exclude=frozenset("c"),
        engine=EngineChoice.KUBEFWD,
        kubefwd="/opt/kubefwd",
        root=RootChoice.TERMINAL,
        linger=0,
        bare_names=False,
        allow_other_users=True,
        instance="mine",
    )
    assert config.load(env).settings == expected
    assert config.load(env).environ == env


def test_the_instance_follows_the_port_unless_given() -> None:
    assert config.load({"TILT_PORT": "10351"}).settings.instance == "tilt-10351"
    assert config.load({"TILT_PORT": "1", "KUBEFWD_OPERATOR_INSTANCE": " "}).settings.instance == (
        "tilt-1"
    )


@pytest.mark.parametrize(
    "env, port, context",
    [
        pytest.param({}, None, "tilt-default", id="default"),
        pytest.param({"TILT_PORT": "10350"}, None, "tilt-default", id="default, said"),
        pytest.param({"TILT_PORT": "7"}, None, "tilt-7", id="variable"),
        pytest.param({"TILT_PORT": "7"}, 8, "tilt-8", id="option before variable"),
        pytest.param({"TILT_PORT": "7"}, 0, "tilt-0", id="port 0 is a port"),
        pytest.param({"TILT_PORT": "nonsense"}, 8, "tilt-8", id="option makes variable moot"),
    ],
)
def test_which_tilt(env: dict[str, str], port: int | None, context: str) -> None:
    assert config.locate(env, port).context == context
    assert config.load(env, port).tilt.context == context


@pytest.mark.parametrize("text", ["web", "-1", "65536", "1.5", "١"])
def test_a_port_that_is_none_is_said_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match=r"TILT_PORT: '.*' is not a port: unset it"):
        config.load({"TILT_PORT": text})


def test_all_wrong_arguments_are_told_at_once() -> None:
    env = {"KUBEFWD_OPERATOR_LINGER": "x", "KUBEFWD_OPERATOR_ENGINE": "y"}
    with pytest.raises(SettingsError) as caught:
        config.load(env)
    assert len(str(caught.value).splitlines()) == 2


def test_tilt_is_looked_for_where_the_environment_says() -> None:
    assert config.load({"TILT_DEV_DIR": "/d"}).tilt.paths == (Path("/d/config"),)


def test_foreign_variables_have_no_part_in_it() -> None:
    assert config.load({"KUBEFWD_OPERATOR_CACHE": "x"}).settings == Settings()
