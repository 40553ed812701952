"""Which treatments are connected by studies, and names given by the caller that no study has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, NotFoundError
from flarefree.evidence.inputs import name_text
from flarefree.evidence.networks.studies import Studies, Study

__all__ = ["find_parts", "is_connected", "most_studied", "place_of", "require_connected", "take_part"]


def find_parts(studies: Sequence[Study], n_treatments: int) -> list[list[int]]:
    """The connected parts of the network, largest first; each as its treatments in order."""
    return _parts([study.arms.tolist() for study in studies], n_treatments)


def is_connected(designs: Sequence[Sequence[int]], n_treatments: int) -> bool:
    """Whether these sets of treatments leave one part of all treatments."""
    return len(_parts(designs, n_treatments)) == 1


def _parts(sets: Sequence[Sequence[int]], n_treatments: int) -> list[list[int]]:
    label = list(range(n_treatments))

    def root(i: int) -> int:
        while label[i] != i:
            label[i] = label[label[i]]
            i = label[i]
        return i

    for arms in sets:
        first = root(arms[0])
        for arm in arms[1:]:
            label[root(arm)] = first
    parts: dict[int, list[int]] = {}
    for i in range(n_treatments):
        parts.setdefault(root(i), []).append(i)
    return sorted(parts.values(), key=lambda part: (-len(part), part))


def require_connected(found: Studies, where: str) -> None:
    """One connected part, or an error that names the parts."""
    parts = find_parts(found.studies, len(found.treatments))
    if len(parts) == 1:
        return
    told = [f"part {k}: " + ", ".join(found.treatments[i] for i in part) for k, part in enumerate(parts, 1)]
    told += [f"note: {note}" for note in found.notes]
    example = found.treatments[parts[0][0]]
    raise EvidenceError(
        f"the network is not connected: {len(parts)} parts share no study",
        where=where,
        found="\n".join(told),
        expected="a chain of studies between any two treatments",
        try_=f"network(..., part={example!r}) for the part with that treatment",
    )


def take_part(found: Studies, part: str, where: str) -> Studies:
    """The studies of the connected part that holds the treatment `part`."""
    at = place_of(part, found.treatments, "part", where)
    kept = next(p for p in find_parts(found.studies, len(found.treatments)) if at in p)
    new = {old: i for i, old in enumerate(kept)}
    studies = tuple(
        replace(study, arms=np.array([new[int(a)] for a in study.arms], np.int64))
        for study in found.studies
        if int(study.arms[0]) in new
    )
    others = [t for i, t in enumerate(found.treatments) if i not in new]
    notes = (f"only the part of the network with {part}; left out: {', '.join(others)}",) if others else ()
    return Studies(tuple(found.treatments[i] for i in kept), studies, found.notes + notes)


def place_of(name: object, treatments: Sequence[str], argument: str, where: str = "network") -> int:
    """The place of a treatment by its name, or an error with the nearest name."""
    name = name_text(name)
    if name in treatments:
        return list(treatments).index(name)
    folded = {t.casefold(): t for t in treatments}
    near = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    raise NotFoundError(
        "no such treatment",
        where=f"{where}: {argument}",
        found=repr(name),
        expected=", ".join(treatments),
        try_=f"{argument}={folded[near[0]]!r}" if near else "",
    )


def most_studied(studies: Sequence[Study], n_treatments: int) -> int:
    """The treatment in most studies; the first of them in order."""
    count: NDArray[np.int64] = np.zeros(n_treatments, np.int64)
    for study in studies:
        count[study.arms] += 1
    return int(count.argmax())
