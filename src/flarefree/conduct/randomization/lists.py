"""The trial's lists: drawn once for every stratum, sealed, and refused on loading if anything is not right.

A slot has an arm and a treatment code.  Codes are drawn apart from arms, by the slot's address alone, so
that swapping arms changes no code: whoever sees codes, in whatever order, learns no arm.  Minimization has
no arms in advance; its one list holds the random number that each patient's allocation will use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from flarefree.conduct.randomization.drawing import draw_arms
from flarefree.conduct.randomization.entropy import SecretStream, require_seed
from flarefree.conduct.randomization.plan import Cell, RandomizationPlan
from flarefree.conduct.randomization.possible import first_impossible
from flarefree.conduct.randomization.schemes import Scheme
from flarefree.conduct.randomization.sealing import Sealed, digest_of, open_sealed, seal
from flarefree.errors import ConductError

__all__ = [
    "LIST_KIND",
    "ListSet",
    "StratumList",
    "Use",
    "check_digit",
    "draw_lists",
    "load_lists",
    "seal_lists",
]

LIST_KIND = "flarefree randomization lists 1"
Use = Literal["routine", "emergency"]
USES: tuple[Use, ...] = ("routine", "emergency")
_CODE_DIGITS = 7  # and one to check: what a caller can read back and a telephone can send
_DRAW_BITS = 53


@dataclass(frozen=True)
class StratumList:
    """One stratum's slots, in the order in which they are given.

    Attributes
    ----------
    cell : tuple of str
        The stratum; empty for minimization, which has one list.
    use : "routine" or "emergency"
    entries : tuple of int
        Arms by number; of minimization, random numbers of 53 bits.  Not shown by `repr`.
    codes : tuple of str
        Treatment codes, one a slot.
    """

    cell: Cell
    use: Use
    entries: tuple[int, ...] = field(repr=False)
    codes: tuple[str, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For sealing."""
        return {
            "cell": list(self.cell),
            "codes": list(self.codes),
            "entries": list(self.entries),
            "use": self.use,
        }


@dataclass(frozen=True)
class ListSet:
    """All lists of a trial.

    Attributes
    ----------
    plan : RandomizationPlan
    protocol_digest : str
        Of the protocol under which they were drawn.
    seed_commitment : str
        SHA-256 of the seed: says later that this seed, and no other, gave the lists.
    lists : tuple of StratumList
        Routine lists of every stratum in the plan's order, then the emergency lists.
    """

    plan: RandomizationPlan
    protocol_digest: str
    seed_commitment: str
    lists: tuple[StratumList, ...] = field(repr=False)

    def to_body(self) -> dict[str, Any]:
        """What is sealed."""
        return {
            "lists": [one.to_dict() for one in self.lists],
            "plan": self.plan.to_dict(),
            "protocol_digest": self.protocol_digest,
            "scheme_hash": self.plan.scheme_hash,
            "seed_commitment": self.seed_commitment,
            "trial": self.plan.trial,
        }

    @cached_property
    def sha256(self) -> str:
        """What is published when the lists are sealed."""
        return digest_of(LIST_KIND, self.to_body())

    @cached_property
    def _by_cell(self) -> dict[tuple[Use, Cell], StratumList]:
        return {(one.use, one.cell): one for one in self.lists}

    def list_of(self, cell: Cell, use: Use = "routine") -> StratumList | None:
        """A stratum's list; None if the plan keeps none for that use."""
        return self._by_cell.get((use, cell if self.plan.has_lists else ()))


# Drawing -----------------------------------------------------------------------------------------


def draw_lists(plan: RandomizationPlan, *, protocol_digest: str, seed: bytes) -> ListSet:
    """Draw every stratum's lists, whether or not a patient of it will come.

    Parameters
    ----------
    plan : RandomizationPlan
    protocol_digest : str
        SHA-256 of the protocol's file.
    seed : bytes
        32 bytes from `new_seed`; kept by the unblinded statistician, needed by `replay` only.

    Returns
    -------
    ListSet
        The same for the same plan, protocol and seed.
    """
    purpose = f"lists\x1f{plan.trial}\x1f{protocol_digest}\x1f{plan.scheme_hash}"
    stream = SecretStream(seed, purpose)
    codes = _Codes(SecretStream(seed, f"codes\x1f{plan.trial}"))
    lists = [
        _draw_list(plan, cell, use, stream, codes)
        for use in USES
        for cell in (plan.cells if plan.has_lists else ((),))
        if _length_of(plan, use)
    ]
    return ListSet(plan, protocol_digest, seed_commitment(seed), tuple(lists))


def seed_commitment(seed: bytes) -> str:
    """SHA-256 of a seed, published with the lists."""
    return hashlib.sha256(b"flarefree seed 1\n" + require_seed(seed)).hexdigest()


def _length_of(plan: RandomizationPlan, use: Use) -> int:
    return plan.list_length if use == "routine" else plan.emergency_length


def _address(use: Use, cell: Cell) -> str:
    return "\x1e".join([use, *cell])


def _draw_list(
    plan: RandomizationPlan, cell: Cell, use: Use, stream: SecretStream, codes: _Codes
) -> StratumList:
    address, length = _address(use, cell), _length_of(plan, use)
    uniforms = stream.uniforms(address, 2 * length)
    if isinstance(plan.scheme, Scheme):
        scheme = plan.scheme.of_length(length)
        entries = draw_arms(scheme, uniforms.reshape(1, length, 2))[0].tolist()
    else:
        entries = [int(u * 2.0**_DRAW_BITS) for u in uniforms[:length]]
    return StratumList(
        cell, use, tuple(entries), tuple(codes.draw(f"{address}\x1e{i}") for i in range(length))
    )


class _Codes:
    """Treatment codes by a slot's address; a code met before is drawn again."""

    def __init__(self, stream: SecretStream) -> None:
        self._stream = stream
        self._taken: set[str] = set()

    def draw(self, address: str) -> str:
        for attempt in range(1000):
            u = self._stream.uniforms(f"{address}\x1e{attempt}", 1)[0]
            digits = f"{int(u * 10**_CODE_DIGITS):0{_CODE_DIGITS}d}"
            if digits not in self._taken:
                self._taken.add(digits)
                return digits + check_digit(digits)
        raise ConductError(
            "treatment codes have run out", where="lists", try_="shorter lists: codes have seven digits"
        )


_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip
"""A totally anti-symmetric quasigroup of order 10 [damm2004]."""


def check_digit(digits: str) -> str:
    """The digit that makes a code's errors known: any single digit, any two neighbors exchanged."""
    state = 0
    for digit in digits:
        state = int(_DAMM[state][int(digit)])
    return str(state)


# Sealing and loading -----------------------------------------------------------------------------


def seal_lists(lists: ListSet, signing_key: bytes) -> Sealed:
    """The lists as they are put into the vault; `sha256` is what is published."""
    return seal(LIST_KIND, lists.to_body(), signing_key)


def load_lists(
    data: bytes,
    *,
    trial: str,
    protocol_digest: str,
    scheme_hash: str,
    public_key: bytes,
    published_sha256: str,
) -> ListSet:
    """The lists of a sealed file, or a refusal: nothing is loaded that is not exactly what was published.

    Parameters
    ----------
    data : bytes
        The file, decrypted.
    trial, protocol_digest, scheme_hash : str
        What the trial is run under.
    public_key : bytes
        Of the unblinded statistician who sealed them.
    published_sha256 : str
        The hash published then.

    Raises
    ------
    ConductError
        Changed, permuted, sorted, truncated, doubled, with arms exchanged, signed by another, of another
        trial, protocol or scheme; or signed, and yet no lists that the scheme can give.
    """
    body = open_sealed(data, kind=LIST_KIND, public_key=public_key, published_sha256=published_sha256)
    lists = _from_body(body)
    expected = {"trial": trial, "protocol_digest": protocol_digest, "scheme_hash": scheme_hash}
    for name, right in expected.items():
        if body[name] != right:
            raise ConductError(
                f"these lists are of another {name.replace('_', ' ')}",
                where=LIST_KIND,
                found=str(body[name]),
                expected=right,
            )
    if lists.plan.scheme_hash != scheme_hash or lists.plan.trial != trial:
        raise ConductError("the lists contradict their own plan", where=LIST_KIND)
    require_sound(lists)
    return lists


def _from_body(body: Mapping[str, Any]) -> ListSet:
    try:
        lists = tuple(
            StratumList(tuple(one["cell"]), one["use"], tuple(one["entries"]), tuple(one["codes"]))
            for one in body["lists"]
        )
        plan = RandomizationPlan.from_dict(body["plan"])
        return ListSet(plan, body["protocol_digest"], body["seed_commitment"], lists)
    except (KeyError, TypeError, ValueError) as error:
        raise ConductError("the lists cannot be read", where=LIST_KIND, found=str(error)[:200]) from None


def require_sound(lists: ListSet) -> None:
    """Every stratum once, full length, codes of their own, and only steps that the scheme can take.

    Raises
    ------
    ConductError
        Names the list and the slot, never an arm.
    """
    plan = lists.plan
    cells = plan.cells if plan.has_lists else ((),)
    due = [(use, cell) for use in USES if _length_of(plan, use) for cell in cells]
    found = [(one.use, one.cell) for one in lists.lists]
    if found != due:
        raise ConductError(
            "the lists are not those of the plan's strata, each once and in order",
            where=LIST_KIND,
            found=f"{len(found)} lists",
            expected=f"{len(due)} lists",
        )
    _require_codes(lists)
    for one in lists.lists:
        _require_entries(one, plan)


def _require_codes(lists: ListSet) -> None:
    seen: set[str] = set()
    for one in lists.lists:
        for slot, code in enumerate(one.codes, 1):
            is_right = isinstance(code, str) and len(code) == _CODE_DIGITS + 1 and code.isdecimal()
            if not is_right or check_digit(code[:-1]) != code[-1] or code in seen:
                raise ConductError(
                    "a treatment code is wrong or stands twice", where=_place(one, slot), found=str(code)[:40]
                )
            seen.add(code)


def _require_entries(one: StratumList, plan: RandomizationPlan) -> None:
    length = _length_of(plan, one.use)
    if len(one.entries) != length or len(one.codes) != length:
        raise ConductError(
            "a list is not of the plan's length",
            where=_place(one),
            found=f"{len(one.entries)} slots",
            expected=str(length),
        )
    highest = plan.scheme.n_arms if plan.has_lists else 2**_DRAW_BITS
    if not all(type(entry) is int and 0 <= entry < highest for entry in one.entries):
        raise ConductError("a slot has no arm of the plan", where=_place(one))
    if not isinstance(plan.scheme, Scheme):
        return
    slot = first_impossible(plan.scheme.of_length(length), np.array(one.entries, dtype=np.int8))
    if slot is not None:
        raise ConductError(
            "a list takes a step that its scheme cannot take",
            where=_place(one, slot + 1),
            expected=plan.scheme.name,
        )


def _place(one: StratumList, slot: int | None = None) -> str:
    """Where in the lists: stratum, use, slot from 1."""
    place = f"{one.use} list of {' / '.join(one.cell) or 'the trial'}"
    return place if slot is None else f"{place}, slot {slot}"
