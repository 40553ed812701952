"""The allocation vault: the one door.  What comes out of it has no arm, but for one patient's code in an emergency and the released key file.

Takes requests to randomize, sealed lists, laboratory results that would give the arm away; gives receipts,
refusals and what may be shown.  No other module of this package is imported from outside.
"""

from __future__ import annotations

from flarefree.conduct.randomization.allocating import Receipt, Refused, Request
from flarefree.web.vault.allocations import Given, allocate, receipt_of, receipts_since, store_known
from flarefree.web.vault.guarding import Known, Unreconciled, Witness
from flarefree.web.vault.lists import (
    InstalledLists,
    ListStatus,
    install_lists,
    installed_lists,
    lists_status,
)

__all__ = [
    "Given",
    "InstalledLists",
    "Known",
    "ListStatus",
    "Receipt",
    "Refused",
    "Request",
    "Unreconciled",
    "Witness",
    "allocate",
    "install_lists",
    "installed_lists",
    "lists_status",
    "receipt_of",
    "receipts_since",
    "store_known",
]
