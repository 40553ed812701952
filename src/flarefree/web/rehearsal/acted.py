"""A short virtual trial acted in this process: for checks that need one twice, and the demonstration.

The script and its people are those of the rehearsal; the door is the short one.  Courses can be chosen by
other lists than those in the vault: then nothing that is recorded depends on the arms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.web.clock import clock_set_to
from flarefree.web.rehearsal.clocks import SharedClock
from flarefree.web.rehearsal.patients import Candidate, Pool, candidates_of
from flarefree.web.rehearsal.people import Person
from flarefree.web.rehearsal.script import SCREENED_BEFORE, Enrolled, Step, enroll_all, script_of
from flarefree.web.rehearsal.seeding import begin_draw
from flarefree.web.rehearsal.setting_up import CONSENT, Keys, draw_rehearsal_lists, keys_of, swapped

if TYPE_CHECKING:
    from flarefree.conduct.randomization.lists import ListSet
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.web.rehearsal.rehearsing import Director

__all__ = ["Acted", "Play", "acted", "begin_of", "cast_of"]

_SET_UP_BEFORE = timedelta(days=40)


@dataclass(frozen=True)
class Play:
    """What is acted.

    Attributes
    ----------
    patients, sites, seed : int
    accrual_days : int
        Within which all of them come.
    days : int
        From the first patient's screening; what the script has later is not acted.
    ends_on : date, optional
        The calendar is moved so that the last day is this one.
    are_swapped : bool
        Whether the arms in the vault's lists are exchanged, in every slot.
    is_null : bool
        Whether courses are drawn without regard to the arm.
    """

    patients: int = 6
    sites: int = 2
    seed: int = 1
    days: int = 120
    accrual_days: int = 30
    ends_on: date | None = None
    are_swapped: bool = False
    is_null: bool = False


@dataclass(frozen=True)
class Acted:
    """A trial that was acted up to a day.

    Attributes
    ----------
    play : Play
    director : Director
    lists : ListSet
        As they are in the vault.
    keys : Keys
    enrolled : tuple of Enrolled
        All of the script, whether or not they came yet.
    steps : tuple of Step
        Those that were acted.
    """

    play: Play
    director: Director
    lists: ListSet
    keys: Keys
    enrolled: tuple[Enrolled, ...]
    steps: tuple[Step, ...]
    clock: SharedClock

    @property
    def people(self) -> dict[str, Person]:
        """Everybody by name."""
        return dict(self.director.people)

    @property
    def randomized(self) -> tuple[Enrolled, ...]:
        """Who was randomized so far."""
        done = {step.subject for step in self.steps if step.command == "randomize_subject"}
        return tuple(one for one in self.enrolled if one.subject in done)


@lru_cache(maxsize=4)
def _cast(
    protocol_name: str, patients: int, sites: int, seed: int, accrual_days: int, is_null: bool, later: int
) -> tuple[LoadedProtocol, tuple[Candidate, ...], ListSet, tuple[Enrolled, ...], tuple[Any, ...]]:
    """Drawn once in a process: who comes, lists, courses."""
    from flarefree.protocol.loading import load_protocol

    protocol = load_protocol(protocol_name)
    candidates = _within(candidates_of(protocol, seed, patients, sites), accrual_days, later)
    lists = draw_rehearsal_lists(protocol, keys_of(seed))
    enrolled, failed = enroll_all(candidates, Pool(protocol, seed, is_null=is_null), lists)
    return protocol, candidates, lists, enrolled, failed


def _within(candidates: tuple[Candidate, ...], days: int, later: int) -> tuple[Candidate, ...]:
    """The same who come, in their order, all within so many days; and so many days later."""
    first, last = candidates[0].day_one, candidates[-1].day_one
    whole = max((last - first).days, 1)
    return tuple(
        replace(one, day_one=first + timedelta(days=later + (one.day_one - first).days * days // whole))
        for one in candidates
    )


def _cast_of(play: Play, protocol: str) -> Any:
    told = (protocol, play.patients, play.sites, play.seed, play.accrual_days, play.is_null)
    cast = _cast(*told, 0)
    if play.ends_on is None:
        return cast
    ends = cast[1][0].day_one - SCREENED_BEFORE + timedelta(days=play.days)
    return _cast(*told, (play.ends_on - ends).days)


def cast_of(play: Play, protocol: str = "alms-maintenance") -> tuple[tuple[Enrolled, ...], ListSet]:
    """Who enters in a trial that is acted so, and the lists as they are in its vault."""
    _, _, lists, enrolled, _ = _cast_of(play, protocol)
    return enrolled, swapped(lists) if play.are_swapped else lists


def begin_of(play: Play, protocol: str = "alms-maintenance") -> datetime:
    """When the setting up of a trial begins that is acted so."""
    first = _cast_of(play, protocol)[1][0].day_one - SCREENED_BEFORE
    return datetime.combine(first - _SET_UP_BEFORE, datetime.min.time(), UTC)


@contextmanager
def acted(
    folder: Path,
    play: Play,
    *,
    protocol: str = "alms-maintenance",
    change: Callable[[Sequence[Step], date], Sequence[Step]] = lambda steps, last: steps,
    progress: Callable[[str, int, int], None] = lambda title, done, total: None,
    before_meeting: Callable[[Director], None] = lambda director: None,
) -> Iterator[Acted]:
    """Act a trial in the databases that Django is connected to; its time stands still within the block.

    Parameters
    ----------
    folder : Path
        For the clock's file.
    play : Play
    change : function of the steps and the last day
        Leaves steps out, or puts others in.
    """
    from flarefree.web.record.keeping import begin_record
    from flarefree.web.record.reading import read_head
    from flarefree.web.rehearsal.doors import DirectDoor
    from flarefree.web.rehearsal.rehearsing import Director
    from flarefree.web.rehearsal.setting_up import set_up

    loaded, candidates, lists, enrolled, failed = _cast_of(play, protocol)
    keys = keys_of(play.seed)
    in_vault = swapped(lists) if play.are_swapped else lists
    first = candidates[0].day_one - SCREENED_BEFORE
    last = first + timedelta(days=play.days)
    begin = begin_of(play, protocol)
    clock = SharedClock(folder / "clock")
    clock.set_to(begin)
    steps = [step for step in script_of(loaded, enrolled, failed, consent=CONSENT) if step.day <= last]
    steps = list(change(steps, last))
    with clock_set_to(clock.read):
        begin_draw("the record")
        if read_head() is None:
            begin_record(loaded.spec.name)
        door = DirectDoor(clock.read)
        people = set_up(door, loaded, candidates, in_vault, keys, begin, clock.tick)
        director = Director(door, clock, people, enrolled, play.seed, progress, before_meeting)
        director.run(steps)
        yield Acted(play, director, in_vault, keys, enrolled, tuple(steps), clock)
