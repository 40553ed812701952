"""The allocation vault's one door.

What comes out of it has no arm, but for one patient's code in an emergency, and the released key file.

Takes requests to randomize, sealed lists, laboratory results that would give the arm away; gives receipts,
refusals and what may be shown.  No other module of this package is imported from outside.
"""

from __future__ import annotations

from flarefree.conduct.randomization.allocating import Receipt, Refused, Request
from flarefree.web.vault.alarms import Alarm, alarms, ring
from flarefree.web.vault.allocations import (
    Given,
    allocate,
    has_no_gaps,
    is_reconciled,
    logged_allocations,
    receipt_of,
    receipts_since,
    store_known,
)
from flarefree.web.vault.append_only import grants_of
from flarefree.web.vault.guarding import Known, Unreconciled, Witness
from flarefree.web.vault.keeping import keep, kept_values
from flarefree.web.vault.lists import (
    InstalledLists,
    ListsStatus,
    ListUse,
    emergency_codes,
    install_lists,
    installed_lists,
    list_uses,
)
from flarefree.web.vault.opening import open_code
from flarefree.web.vault.paper import PaperSlip, reconcile_paper
from flarefree.web.vault.releasing import is_released, key_file, present_share, signed_by
from flarefree.web.vault.reports import keep_report, lists_status
from flarefree.web.vault.troughs import install_donors, keep_trough, receive_sample, shown_troughs

__all__ = [
    "Alarm",
    "Given",
    "InstalledLists",
    "Known",
    "ListUse",
    "ListsStatus",
    "PaperSlip",
    "Receipt",
    "Refused",
    "Request",
    "Unreconciled",
    "Witness",
    "alarms",
    "allocate",
    "emergency_codes",
    "grants_of",
    "has_no_gaps",
    "install_donors",
    "install_lists",
    "installed_lists",
    "is_reconciled",
    "is_released",
    "keep",
    "keep_report",
    "keep_trough",
    "kept_values",
    "key_file",
    "list_uses",
    "lists_status",
    "logged_allocations",
    "open_code",
    "present_share",
    "receipt_of",
    "receipts_since",
    "receive_sample",
    "reconcile_paper",
    "ring",
    "shown_troughs",
    "signed_by",
    "store_known",
]
