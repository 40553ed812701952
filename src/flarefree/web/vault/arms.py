"""Arms of patients, for other modules of the vault: nothing here is exported by its service."""

from __future__ import annotations

from collections.abc import Iterable

from flarefree.web.vault.allocations import opened_arms
from flarefree.web.vault.lists import current_lists

__all__ = ["arms_of"]


def arms_of(subjects: Iterable[str]) -> dict[str, str]:
    """Each patient's arm, by its key in the protocol."""
    names = current_lists().plan.arms
    found = opened_arms()
    return {subject: names[found[subject]] for subject in subjects}
