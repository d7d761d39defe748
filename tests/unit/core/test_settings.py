"""Settings: what the arguments may be, and the sentences for what they may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.settings import ARGUMENTS, EngineChoice, RootChoice, Settings, parse


@pytest.mark.parametrize(
    "raw, expected",
    [
        pytest.param({}, Settings(), id="nothing given"),
        pytest.param(dict.fromkeys(ARGUMENTS, "  "), Settings(), id="everything blank"),
        pytest.param({"namespaces": "b,a"}, Settings(namespaces=("b", "a")), id="order is kept"),
        pytest.param(
            {"namespaces": " a , b\tc\n"}, Settings(namespaces=("a", "b", "c")), id="space"
        ),
        pytest.param({"namespaces": ",a,,"}, Settings(namespaces=("a",)), id="empty parts"),
        pytest.param(
            {"namespaces": "a" * 63}, Settings(namespaces=("a" * 63,)), id="63 characters"
        ),
        pytest.param({"exclude": "x y"}, Settings(exclude=frozenset("xy")), id="exclude"),
        *(
            pytest.param({"root": way.value}, Settings(root=way), id=f"root {way}")
            for way in RootChoice
        ),
        pytest.param({"engine": "auto"}, Settings(engine=EngineChoice.AUTO), id="engine auto"),
        pytest.param(
            {"engine": "native"}, Settings(engine=EngineChoice.NATIVE), id="engine native"
        ),
        pytest.param({"linger": "0"}, Settings(linger=0), id="linger least"),
        pytest.param({"linger": " 300 "}, Settings(linger=300), id="linger most"),
        pytest.param({"bare_names": "False"}, Settings(bare_names=False), id="Starlark's False"),
        pytest.param({"bare_names": "true"}, Settings(bare_names=True), id="true"),
        pytest.param({"bare_names": "0"}, Settings(bare_names=False), id="0"),
        pytest.param({"bare_names": "1"}, Settings(bare_names=True), id="1"),
        pytest.param({"bare_names": "NO"}, Settings(bare_names=False), id="NO"),
        pytest.param({"bare_names": "yes"}, Settings(bare_names=True), id="yes"),
        pytest.param({"bare_names": "off"}, Settings(bare_names=False), id="off"),
        pytest.param({"bare_names": "on"}, Settings(bare_names=True), id="on"),
        pytest.param(
            {"allow_other_users": "True"}, Settings(allow_other_users=True), id="other users"
        ),
        pytest.param({"allow_other_users": "no"}, Settings(), id="no other users"),
        pytest.param({"skip": "a/b c/d"}, Settings(skip=(("a", "b"), ("c", "d"))), id="skip"),
        pytest.param(
            {"allow_hostnames": "dev.example.com, a.b"},
            Settings(allow_hostnames=("dev.example.com", "a.b")),
            id="hostnames",
        ),
        pytest.param({"instance": "tilt-1"}, Settings(instance="tilt-1"), id="instance"),
    ],
)
def test_good_arguments_become_settings(raw: dict[str, str], expected: Settings) -> None:
    assert parse(raw) == expected


@pytest.mark.parametrize(
    "raw, wrong, remedy",
    [
        pytest.param({"namespaces": "Web"}, "namespaces: 'Web'", "lower-case", id="capital"),
        pytest.param(
            {"namespaces": "a_b"}, "'a_b' is not the name", "digits and '-'", id="underscore"
        ),
        pytest.param({"namespaces": "-a"}, "'-a'", "at both ends", id="leading dash"),
        pytest.param({"namespaces": "a-"}, "'a-'", "at both ends", id="trailing dash"),
        pytest.param({"namespaces": "a.b"}, "'a.b'", "use lower-case", id="dot"),
        pytest.param({"namespaces": "a" * 64}, "aaa'", "63 characters", id="64 characters"),
        pytest.param({"namespaces": "é"}, "'é'", "use lower-case", id="not ASCII"),
        pytest.param({"namespaces": "a,b,a"}, "'a' is listed 2 times", "list it once", id="twice"),
        pytest.param({"exclude": "a b a a"}, "exclude: 'a' is listed 3 times", "once", id="thrice"),
        pytest.param({"exclude": "*"}, "exclude: '*'", "use lower-case", id="no patterns"),
        pytest.param(
            {"namespaces": "a,b", "exclude": "b"},
            "'b' is also in namespaces",
            "take it out",
            id="both",
        ),
        pytest.param(
            {"kubefwd": "bin/kubefwd"}, "kubefwd: 'bin/kubefwd'", "put kubefwd on PATH", id="path"
        ),
        pytest.param(
            {"kubefwd": "/k", "engine": "native"},
            "kubefwd: a path is given",
            "take one of the two out",
            id="a path for nothing",
        ),
        pytest.param(
            {"engine": "ssh"}, "engine: 'ssh' is not an engine", "use 'auto'", id="unknown engine"
        ),
        pytest.param({"engine": "Auto"}, "'Auto'", "use 'auto'", id="engine in capitals"),
        pytest.param({"root": "su"}, "root: 'su' is no way to root", "or 'terminal'", id="su"),
        pytest.param({"linger": "301"}, "linger: '301'", "0 to 300", id="linger too long"),
        pytest.param({"linger": "-1"}, "'-1'", "0 to 300", id="linger negative"),
        pytest.param({"linger": "1.5"}, "'1.5'", "whole number", id="linger fraction"),
        pytest.param({"linger": "30s"}, "'30s'", "whole number", id="linger with a unit"),
        pytest.param({"linger": "²"}, "'²'", "whole number", id="linger a digit to Unicode only"),
        pytest.param({"bare_names": "maybe"}, "bare_names: 'maybe'", "use 'true'", id="maybe"),
        pytest.param(
            {"allow_other_users": "root"},
            "allow_other_users: 'root' is neither true nor false",
            "use 'true' or 'false'",
            id="other users by name",
        ),
        pytest.param({"skip": "web"}, "skip: 'web' is not a service", "such as", id="no namespace"),
        pytest.param({"skip": "a/b/c"}, "'a/b/c' is not a service", "such as", id="three parts"),
        pytest.param({"skip": "a/b a/b"}, "'a/b' is listed 2", "once", id="skipped twice"),
        pytest.param(
            {"allow_hostnames": "com"},
            "allow_hostnames: 'com' is not a domain of 2 to 10 labels",
            "use one such as",
            id="a top-level domain",
        ),
        pytest.param({"allow_hostnames": "*.a.b"}, "'*.a.b' is not a domain", "use one", id="star"),
        pytest.param({"allow_hostnames": ".a.b"}, "'.a.b' is not a domain", "use one", id="dot"),
        pytest.param({"allow_hostnames": "a.b a.b"}, "'a.b' is listed 2", "once", id="same twice"),
        pytest.param(
            {"allow_hostnames": ",".join(f"d{n}.test" for n in range(21))},
            "allow_hostnames: 21 domains are more than 20",
            "list fewer",
            id="many hostnames",
        ),
        pytest.param({"instance": "Tilt"}, "instance: 'Tilt'", "1 to 32", id="instance capital"),
        pytest.param({"instance": "a" * 33}, "aaa'", "1 to 32", id="instance too long"),
        pytest.param({"instance": "../x"}, "'../x'", "1 to 32", id="instance a path"),
        pytest.param(
            {"namespace": "a"}, "namespace: there is no such", "use one of namespaces", id="typo"
        ),
    ],
)
def test_a_bad_argument_is_named_with_its_remedy(
    raw: dict[str, str], wrong: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(raw)
    (line,) = str(caught.value).splitlines()
    assert wrong in line
    assert remedy in line


def test_every_bad_argument_is_listed_at_once() -> None:
    raw = {
        "namespaces": "A,ok,ok,also_bad",
        "exclude": "ok",
        "engine": "ssh",
        "root": "su",
        "linger": "x",
        "bare_names": "x",
        "allow_other_users": "x",
        "instance": "X",
        "color": "red",
    }
    with pytest.raises(SettingsError) as caught:
        parse(raw)
    subjects = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert subjects == [
        "namespaces",
        "namespaces",
        "namespaces",
        "engine",
        "root",
        "linger",
        "bare_names",
        "allow_other_users",
        "instance",
        "color",
        "exclude",
    ]


@given(st.dictionaries(st.sampled_from(ARGUMENTS), st.text(max_size=40)))
def test_any_text_gives_settings_or_sentences(raw: dict[str, str]) -> None:
    try:
        settings = parse(raw)
    except SettingsError:
        return  # what its sentences say is in the table above
    assert 0 <= settings.linger <= 300
    assert not settings.exclude & set(settings.namespaces)
    assert len(set(settings.namespaces)) == len(settings.namespaces)
