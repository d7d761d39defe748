"""What a ledger holds, read from its folder, and owners that live."""

import os
from pathlib import Path

from kubefwd_operator.root.helper.ledger import Ledger


def ours(ledger: Ledger) -> set[str]:
    """Return the addresses that the ledger's owner holds."""
    leases = Path(ledger.folder, "leases").iterdir()
    return {lease.name for lease in leases if ledger.holder(lease.name) == ledger.owner}


def alive(ledger: Ledger, seconds: float = 0) -> int:
    """Let the ledger's owner live until this descriptor is closed."""
    with ledger.live(seconds) as life:
        return os.dup(life.fileno())
