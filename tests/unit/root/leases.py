"""What a ledger holds, read from its folder."""

from pathlib import Path

from kubefwd_operator.root.helper.ledger import Ledger


def ours(ledger: Ledger) -> set[str]:
    """Return the addresses that the ledger's owner holds."""
    leases = Path(ledger.folder, "leases").iterdir()
    return {lease.name for lease in leases if ledger.holder(lease.name) == ledger.owner}
