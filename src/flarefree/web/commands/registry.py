"""All commands by name: what the API offers, the matrix's tests try and the router may reach."""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType

from flarefree.web import commands as _package
from flarefree.web.commands.base import Command

__all__ = ["all_commands"]

_NOT_COMMANDS = frozenset({"base", "executing", "naming", "registry"})


@lru_cache(maxsize=1)
def all_commands() -> MappingProxyType[str, type[Command]]:
    """Every command by its name, in alphabetical order; each module of this package holds some."""
    found: dict[str, type[Command]] = {}
    for module in pkgutil.iter_modules(_package.__path__):
        if module.name in _NOT_COMMANDS:
            continue
        loaded = import_module(f"{_package.__name__}.{module.name}")
        for value in vars(loaded).values():
            if not (isinstance(value, type) and issubclass(value, Command)):
                continue
            # A class without a name of its own is what others are made from.
            if value.__module__ == loaded.__name__ and "name" in vars(value):
                found[value.name] = value
    return MappingProxyType(dict(sorted(found.items())))
