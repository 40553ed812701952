"""The trail of who did what, when and why: entries in a chain of hashes, anchored by somebody outside.

Takes what is to be done and the head of a log; gives the next entry, a receipt, exports and anchors.
Storing them is the application's work.  What a reader must not see is withheld and the chain still holds.
Begin reading at `entries.py`; `verify_audit.py` is a program of its own that a stranger can run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.audit.anchors import Anchor, anchor_log, anchors_file, public_key_of
    from flarefree.conduct.audit.entries import Change, Draft, Entry, Head, append_entry, begin_log
    from flarefree.conduct.audit.exporting import Redaction, export_log, read_export, tell_who_when_why
    from flarefree.conduct.audit.identity import IdentityKeys, conceal, reveal
    from flarefree.conduct.audit.rebuilding import perform_audited, rebuild_state

__all__ = [
    "Anchor",
    "Change",
    "Draft",
    "Entry",
    "Head",
    "IdentityKeys",
    "Redaction",
    "anchor_log",
    "anchors_file",
    "append_entry",
    "begin_log",
    "conceal",
    "export_log",
    "perform_audited",
    "public_key_of",
    "read_export",
    "rebuild_state",
    "reveal",
    "tell_who_when_why",
]

_HOME = {
    "anchors": ("Anchor", "anchor_log", "anchors_file", "public_key_of"),
    "entries": ("Change", "Draft", "Entry", "Head", "append_entry", "begin_log"),
    "exporting": ("Redaction", "export_log", "read_export", "tell_who_when_why"),
    "identity": ("IdentityKeys", "conceal", "reveal"),
    "rebuilding": ("perform_audited", "rebuild_state"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        return getattr(import_module(f"flarefree.conduct.audit.{_MODULE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
