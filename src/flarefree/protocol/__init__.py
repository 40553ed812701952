"""What a trial says: one YAML file, checked from end to end.

Takes the name of a built-in protocol or a file; gives a `LoadedProtocol`: the typed schema, every
sentence parsed with its units reconciled, the line of every part.  Broken protocols stop at the first
error, with file, line and path.  Read `schema.py` first (what may be said), then `language/nodes.py`
(what a sentence means), then `loading.py` (how a file becomes a protocol).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.protocol.loading import builtin_protocols, load_protocol, parse_protocol
    from flarefree.protocol.published import load_published
    from flarefree.protocol.schema import Protocol

__all__ = [
    "LoadedProtocol",
    "Protocol",
    "builtin_protocols",
    "load_protocol",
    "load_published",
    "parse_protocol",
]

_HOME = {
    "LoadedProtocol": "flarefree.protocol.loaded",
    "Protocol": "flarefree.protocol.schema",
    "builtin_protocols": "flarefree.protocol.loading",
    "load_protocol": "flarefree.protocol.loading",
    "load_published": "flarefree.protocol.published",
    "parse_protocol": "flarefree.protocol.loading",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
