"""What an ADaM-shaped dataset is: names, labels, keys and flags, as SAS transport files want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

__all__ = ["Dataset", "make_dataset", "short_names", "yes", "yes_no"]

NAME_LENGTH, LABEL_LENGTH = 8, 40


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset: its rows, and what its columns are called in words.

    Attributes
    ----------
    name, label : str
        `ADSL`, `Subject-Level Analysis Dataset`.
    frame : DataFrame
        Text, numbers and dates; flags are `Y`, `N` or null.
    labels : mapping of str to str
        Of every column.
    keys : tuple of str
        Columns that tell rows apart and put them in order.
    """

    name: str
    label: str
    frame: pl.DataFrame = field(repr=False)
    labels: Mapping[str, str] = field(repr=False)
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))

    @property
    def title(self) -> str:
        """Its label."""
        return self.label


def make_dataset(
    name: str, label: str, columns: Mapping[str, str], frame: pl.DataFrame, keys: tuple[str, ...]
) -> Dataset:
    """A dataset of the columns named in `columns` (with their labels), sorted by its keys."""
    labels = {column: text[:LABEL_LENGTH].rstrip() for column, text in columns.items()}
    too_long = [column for column in labels if len(column) > NAME_LENGTH]
    if too_long:
        raise ValueError(f"{name}: names longer than {NAME_LENGTH}: {too_long}")
    return Dataset(
        name, label, frame.select(*labels).sort(*keys, nulls_last=True, maintain_order=True), labels, keys
    )


def short_names(names: list[str], taken: set[str] = frozenset()) -> dict[str, str]:  # type: ignore[assignment]
    """A name of at most 8 capitals for each of `names`, none twice and none of `taken`.

    Words are cut to share the room: `induction_drug` becomes `INDUDRUG`.
    """
    found: dict[str, str] = {}
    used = set(taken)
    for name in names:
        base = _shortened(name)
        candidate, number = base, 2
        while candidate in used:
            tail = str(number)
            candidate = base[: NAME_LENGTH - len(tail)] + tail
            number += 1
        used.add(candidate)
        found[name] = candidate
    return found


def _shortened(name: str) -> str:
    plain = name.replace("_", "").upper()
    if len(plain) <= NAME_LENGTH:
        return plain
    words = [word for word in name.upper().split("_") if word]
    room = max(NAME_LENGTH // len(words), 1)
    short = "".join(word[:room] for word in words)[:NAME_LENGTH]
    return short if len(words) > 1 else plain[:NAME_LENGTH]


def yes_no(condition: pl.Expr) -> pl.Expr:
    """A flag: `Y` where true, `N` where false, null where unknown."""
    return pl.when(condition).then(pl.lit("Y")).when(~condition).then(pl.lit("N"))


def yes(condition: pl.Expr) -> pl.Expr:
    """A flag that is `Y` or nothing."""
    return pl.when(condition.fill_null(False)).then(pl.lit("Y"))
