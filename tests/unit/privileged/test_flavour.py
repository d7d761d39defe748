"""Which sudo it is, by what it says of itself."""

import pytest

from kubefwd_operator.privileged.flavour import Flavour, read


@pytest.mark.parametrize(
    "said, name, prompts, asks_programs",
    [
        (["Sudo version 1.9.13p3", "Sudoers policy plugin version 1"], "sudo 1.9.13", True, True),
        (["Sudo version 1.8.31"], "sudo 1.8.31", True, True),
        (["sudo-rs 0.2.4"], "sudo-rs 0.2.4", False, False),
        (["sudo-rs 0.2.5"], "sudo-rs 0.2.5", True, False),
        (["sudo-rs 0.2.10"], "sudo-rs 0.2.10", True, False),
        (["sudo-rs 0.2.11"], "sudo-rs 0.2.11", True, True),
        (["sudo-rs 1.0.0"], "sudo-rs 1.0.0", True, True),
        (["something else"], "sudo", True, True),
        ([], "sudo", True, True),
    ],
)
def test_what_it_can_do(said: list[str], name: str, prompts: bool, asks_programs: bool) -> None:
    found = read(said)
    assert (str(found), found.prompts, found.asks_programs) == (name, prompts, asks_programs)
    assert found == Flavour() or found.version
