"""What a sweep of kubefwd's has taken out of the hosts file, put back."""

import pytest

from kubefwd_operator.root.helper.kubefwd.sweep import unswept

BLOCK = b"127.18.0.3 web.shop # kubefwd-operator:0.tilt-1\n"
USER = b"127.0.0.1\tlocalhost\n\n# by hand\n10.0.0.9   web.shop   mine # two\n10.0.0.8 other"


@pytest.mark.parametrize(
    "before, now, after",
    [
        pytest.param(USER, USER, USER, id="nothing taken"),
        pytest.param(
            USER, USER.replace(b"\t", b"  "), USER.replace(b"\t", b"  "), id="only spaced"
        ),
        pytest.param(USER, b"127.0.0.1 localhost\n10.0.0.9 mine\n", USER, id="a name taken"),
        pytest.param(USER, b"", USER, id="everything taken"),
        pytest.param(BLOCK + USER, b"10.0.0.9 mine\n", USER, id="our block gone meanwhile"),
        pytest.param(USER, BLOCK + b"10.0.0.9 mine\n", BLOCK + USER, id="a block meanwhile"),
        pytest.param(
            USER,
            b"127.0.0.1 localhost\n10.0.0.9 mine\n10.0.0.8 other\n10.0.0.7 added",
            b"127.0.0.1 localhost\n10.0.0.9 mine\n10.0.0.8 other\n10.0.0.7 added"
            b"\n10.0.0.9   web.shop   mine # two",
            id="a name taken while somebody added one",
        ),
    ],
)
def test_what_a_sweep_has_taken_is_put_back(before: bytes, now: bytes, after: bytes) -> None:
    assert unswept(before, now) == after
