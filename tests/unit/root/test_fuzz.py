"""A bounded run of the fuzzer, which can be run longer on demand (see fuzz.py)."""

import random
import sys
from collections.abc import Callable

from tests.unit.root import fuzz


def test_generated_lines_are_refused_or_right(record_property: Callable[..., None]) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    record_property("seed", seed)
    sys.stdout.write(f"seed {seed}\n")  # shown when it fails
    ends = fuzz.run(20_000, seed)
    assert set(fuzz.VERBS[:10]) <= set(ends), "no line of some verb gets through: a weak fuzzer"
    assert fuzz.CODES - {"limit"} <= set(ends)
