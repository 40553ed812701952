"""Paper of an outage beside the vault: what was given from the emergency list, and what was entered of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flarefree.conduct.randomization.allocating import Receipt
from flarefree.conduct.randomization.reconciling import Slip, Unreconciled, reconcile
from flarefree.web.vault.allocations import receipts_since

__all__ = ["PaperSlip", "Unreconciled", "reconcile_paper"]

PaperSlip = Slip


def reconcile_paper(
    slips: Sequence[Slip], *, is_seen: Callable[[Receipt], bool] = lambda receipt: True
) -> tuple[Unreconciled, ...]:
    """What does not agree between paper and vault; empty if all does.

    Parameters
    ----------
    slips : sequence of PaperSlip
        Of the whole outage, in their order.
    is_seen : function of a receipt
        Whether the reader may know of it; others are left out, as if they were not there.
    """
    receipts = [given.receipt for given in receipts_since() if is_seen(given.receipt)]
    return reconcile(slips, receipts)
