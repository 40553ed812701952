"""Cases are put before the committee in batches, with negative controls and blind copies among them.

A control is a patient and an assessment at which the rule was known not to be met, drawn at random; it is
asked about in the same words, shown from the same list of fields, dated and cut as a real case, numbered
and assigned by the same lot.  A copy shows a decided case again to those who voted on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from flarefree.conduct.adjudication.cases import Case, CaseKind, CaseState, Round
from flarefree.conduct.adjudication.committee import Chance, Committee
from flarefree.conduct.adjudication.queue import Batch, Queue
from flarefree.conduct.detecting import QuietPeriod
from flarefree.errors import ConductError

__all__ = ["release"]

_TRIES = 50  # draws of a quiet period that has as long a course after it as the real case


def release(
    queue: Queue,
    quiet: Sequence[QuietPeriod],
    committee: Committee,
    chance: Chance,
    at: datetime,
    who: str = "keeper",
) -> Queue:
    """Put every waiting case before members, with controls and copies among them.

    Parameters
    ----------
    queue : Queue
    quiet : sequence of QuietPeriod
        Of all patients (`Detection.quiet`), from which controls are drawn.
    committee : Committee
    chance : Chance
        `random.SystemRandom()`; lots must not be foreseeable.
    at : datetime
    who : str

    Returns
    -------
    Queue
        With a `Batch` more, if anything was waiting.

    Raises
    ------
    ConductError
        Too few members may judge one of the cases; nothing was released.
    """
    waiting = [case for case in queue.cases if case.state is CaseState.WAITING]
    if not waiting:
        return queue
    copies = _Drawn(queue, chance).copies(waiting, committee, at)
    controls, missing = _Drawn(queue, chance).controls(waiting, len(copies), quiet, committee, at)
    batch: list[Case] = [*waiting, *controls, *copies]
    chance.shuffle(batch)
    shown = sum(b.suspected + b.controls + b.duplicates for b in queue.batches)
    for place, case in enumerate(batch, start=shown + 1):
        if case.kind is not CaseKind.SUSPECTED:  # named like any other: its id tells nothing
            case = replace(case, id=queue.new_id(case.endpoint, case.subject))
        members = _members(case, queue, committee, chance, at)
        queue = queue.with_case(case.assign(f"{place:05d}", members, at, who))
    told = Batch(at, len(waiting), len(controls), len(copies), missing)
    return replace(queue, batches=(*queue.batches, told))


def _members(case: Case, queue: Queue, committee: Committee, chance: Chance, at: datetime) -> tuple[str, ...]:
    if case.kind is CaseKind.DUPLICATE:
        original = next(c for c in queue.cases if c.id == case.copy_of)
        return tuple(ballot.member for ballot in original.round.ballots[: queue.rules.votes])
    return committee.assign(
        queue.rules.votes, case.subject, case.site, case.endpoint, at.date(), chance, load=queue.load
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What is drawn by lot for one batch."""

    queue: Queue
    chance: Chance

    # Controls --------------------------------------------------------------------------------------

    def controls(
        self,
        waiting: Sequence[Case],
        n_copies: int,
        quiet: Sequence[QuietPeriod],
        committee: Committee,
        at: datetime,
    ) -> tuple[list[Case], int]:
        """Controls for a batch, and how many could not be drawn."""
        used = {(c.subject, c.endpoint, c.day) for c in self.queue.cases if c.kind is CaseKind.CONTROL}
        free = [q for q in quiet if (q.subject, q.endpoint, q.day) not in used]
        number = self._how_many(waiting, n_copies)
        made: list[Case] = []
        asked = {q.endpoint for q in free}
        # A death has nothing after it, and nobody is quiet of it: it is no pattern for a control.
        alike = [case for case in waiting if case.endpoint in asked] or list(waiting)
        while len(made) < number and free:
            like = alike[int(self.chance.random() * len(alike))]
            place = self._draw(free, like)
            drawn = free.pop(place)
            case = self._control(drawn, like, at)
            if self._can_be_judged(case, committee, at):
                made.append(case)
        return made, number - len(made)

    def _how_many(self, waiting: Sequence[Case], n_copies: int) -> int:
        """At least the protocol's share of all that was ever shown; by lot sometimes more."""
        share = self.queue.rules.control_share
        per_other = share / (1 - share)
        before = self.queue.batches
        others = sum(b.suspected + b.duplicates for b in before) + len(waiting) + n_copies
        least = ceil(per_other * others - 1e-9) - sum(b.controls for b in before)
        by_lot = sum(self.chance.random() < per_other for _ in waiting)
        return max(least, by_lot, 0)

    def _draw(self, free: Sequence[QuietPeriod], like: Case) -> int:
        """A quiet period by lot: of the same endpoint, and followed for as long, if there is one."""
        after = like.last_day - like.day
        same = [i for i, q in enumerate(free) if q.endpoint == like.endpoint] or list(range(len(free)))
        place = same[int(self.chance.random() * len(same))]
        for _ in range(_TRIES):
            if free[place].last_day - free[place].day >= after:
                break
            place = same[int(self.chance.random() * len(same))]
        return place

    def _control(self, drawn: QuietPeriod, like: Case, at: datetime) -> Case:
        last_day = min(drawn.last_day, drawn.day + max(like.last_day - like.day, 0))
        why = "drawn as a control"
        case = Case(
            "", drawn.subject, drawn.site, drawn.endpoint, drawn.day,
            last_day, "", kind=CaseKind.CONTROL, rounds=(Round(1, "", why),),
        )  # fmt: skip
        return case.with_entry(at, "lot", "opened", why)

    def _can_be_judged(self, case: Case, committee: Committee, at: datetime) -> bool:
        able = committee.eligible(case.subject, case.site, case.endpoint, at.date())
        return len(able) >= self.queue.rules.votes

    # Copies ----------------------------------------------------------------------------------------

    def copies(self, waiting: Sequence[Case], committee: Committee, at: datetime) -> list[Case]:
        """Blind copies of cases decided long enough ago, whose voters may still judge them."""
        rules = self.queue.rules
        shown = sum(b.suspected + b.controls for b in self.queue.batches) + len(waiting)
        number = int(rules.duplicate_share * shown) - sum(b.duplicates for b in self.queue.batches)
        if number <= 0:
            return []
        copied = {case.copy_of for case in self.queue.cases}
        free = [
            case
            for case in self.queue.cases
            if case.kind is not CaseKind.DUPLICATE
            and case.id not in copied
            and self._is_old_enough(case, at)
            and self._voters_are_there(case, committee, at)
        ]
        self.chance.shuffle(free)
        return [self._copy(case, at) for case in free[:number]]

    def _is_old_enough(self, case: Case, at: datetime) -> bool:
        verdict = case.verdict
        return verdict is not None and (at - verdict.at).days >= self.queue.rules.duplicate_after

    def _voters_are_there(self, case: Case, committee: Committee, at: datetime) -> bool:
        about = (case.subject, case.site, case.endpoint)
        try:
            voters = [committee.member(b.member) for b in case.round.ballots[: self.queue.rules.votes]]
        except ConductError:
            return False  # a voter has left the committee
        return all(not m.barred(*about) and not m.is_away(at.date()) for m in voters)

    def _copy(self, case: Case, at: datetime) -> Case:
        why = "drawn as a blind copy"
        copy = Case(
            "", case.subject, case.site, case.endpoint, case.day, case.last_day,
            case.round.basis, kind=CaseKind.DUPLICATE, level=case.level,
            rounds=(Round(1, case.round.basis, why),), copy_of=case.id,
        )  # fmt: skip
        return copy.with_entry(at, "lot", "opened", why)
