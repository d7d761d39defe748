"""How long becoming root waits for what, as data; tests have their own."""

from dataclasses import dataclass

from kubefwd_operator.privileged.channel import BEAT


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    `grace`: for a lingering helper to come back; it knocks every 0.1 s. `grace_after_another`: the
    same when an earlier operator's socket was in our place; that one may be alive, and lets its
    helper go once it has seen ours. `check`: between looks at whose socket it is. `hello`: for the
    answer to it. `silent`: for a way that asks nobody. `pause`: before something of ours that has
    failed is done again. `back_off`: between tries of the silent ways after a loss; the last one
    repeats. `beat`: between heartbeats.
    """

    grace: float = 0.5
    grace_after_another: float = 2.0
    check: float = 0.25
    hello: float = 10.0
    silent: float = 15.0
    pause: float = 1.0
    back_off: tuple[float, ...] = (1.0, 5.0, 15.0, 60.0, 300.0)
    beat: float = BEAT
