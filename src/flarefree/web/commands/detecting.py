"""The end-point detector on the record: it runs after each change of what an end point may rest on.

The change is committed first; then, in an entry of its own, cases open, begin anew, come back or are
withdrawn, with the rows and the sentence that this rests on.  Should the process end between the two,
`repair_cases` finds at the next start what is missing, since looking twice changes nothing.

A look that breaks off is told to the data manager (`lost_look/<subject>`, in the field of decisions, which no
site sees), until a later one succeeds: at the patient's next change, the next release or the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.audit.entries import Value
from flarefree.conduct.detecting import Detection, Detector
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.executing import execute
from flarefree.web.committee_people import read_committee
from flarefree.web.committee_store import Stored, read_queue, read_whole_queue
from flarefree.web.committee_writes import writes_of
from flarefree.web.record.reading import read_head, read_thing, read_things
from flarefree.web.study import study_of_record
from flarefree.web.trial import running_trial

__all__ = [
    "LookForEvents",
    "NoteLostLook",
    "after_change",
    "detect_all",
    "detect_in",
    "lost_looks",
    "made_up_for",
    "repair_cases",
]

_LOST = "decisions.record"
_WHY = "the detector looked at the data"
_log = logging.getLogger(__name__)
_detectors: dict[str, Detector] = {}


class LookForEvents(Command):
    """The detector looks at one patient's data."""

    name: ClassVar[str] = "look_for_events"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    subject: str

    def plan(self, asked: Asked) -> Plan:
        """What becomes of the patient's cases."""
        stored, after, detection = _looked(self.subject, asked.at)
        committee = read_committee(asked.at) if after != stored.queue and _is_shown(stored.queue) else None
        writes = writes_of(stored, after, committee, asked.request, asked.at, detection.candidates)
        lock = read_thing("adjudication_lock", "this")
        if writes and lock is not None and lock["is_in_force"] is True:
            broken: dict[str, Value] = {
                "is_in_force": False,
                "broken_at": asked.at.isoformat(),
                "why": "the data changed",
            }
            writes += tuple(
                Write("adjudication_lock", "this", name, "decisions.record", value, True)
                for name, value in broken.items()
            )
        writes += made_up_for([self.subject] if is_lost(self.subject) else (), asked.at)
        return Plan(f"subject/{self.subject}", _site_of(self.subject), writes=writes, reason=_WHY)


class NoteLostLook(Command):
    """The detector could not look at a patient: told to the data manager until a later look succeeds.

    Attributes
    ----------
    subject : str
    error : str
        Its sort alone: what it says may quote the patient's data, and is in the system's log.
    """

    name: ClassVar[str] = "note_lost_look"
    verb: ClassVar[str] = "record"
    is_machine: ClassVar[bool] = True
    subject: str
    error: str

    def plan(self, asked: Asked) -> Plan:
        """Whose, since when, and what sort of error."""
        site = _site_of(self.subject)
        told: dict[str, Value] = {
            "subject": self.subject,
            "site": site,
            "is_open": True,
            "since": asked.at.isoformat(),
            "error": self.error,
        }
        writes = tuple(Write("lost_look", self.subject, n, _LOST, v, True) for n, v in told.items())
        return Plan(f"subject/{self.subject}", site, writes=writes, reason="the detector could not look")


def _site_of(subject: str) -> str:
    item = read_thing("subject", subject)
    return "" if item is None else item.site


def lost_looks() -> tuple[str, ...]:
    """Patients at whom the detector could not look, and has not looked since."""
    items = read_things("lost_look", attributes=("is_open",))
    return tuple(item.key for item in items if item["is_open"] is True)


def is_lost(subject: str) -> bool:
    """Whether the last look at a patient broke off."""
    item = read_thing("lost_look", subject)
    return item is not None and item["is_open"] is True


def made_up_for(subjects: Iterable[str], at: datetime) -> tuple[Write, ...]:
    """What is written once the detector has looked again at patients whom it had lost."""
    told: dict[str, Value] = {"is_open": False, "made_up_at": at.isoformat()}
    return tuple(
        Write("lost_look", subject, name, _LOST, value, is_consequence=True)
        for subject in subjects
        for name, value in told.items()
    )


def _is_shown(queue: Queue) -> bool:
    return any(case.number for case in queue.cases)


def after_change(subject: str, asked: Asked) -> bool:
    """Look at a patient whose data changed; called once the change is committed.

    Returns
    -------
    bool
        Whether a case opened or changed.

    Notes
    -----
    Nothing is raised: what was entered stands, and who entered it is not to learn of cases from an error.
    """
    try:
        return _look(subject, asked.at, f"look:{asked.request}:{subject}")
    except Exception as error:  # whatever it is, the change before it is committed
        _log.exception("the detector could not look at a patient; it will look again")
        _note_lost(subject, type(error).__name__, asked)
        return False


def _note_lost(subject: str, error: str, asked: Asked) -> None:
    try:
        if not is_lost(subject):
            request = f"lost:{asked.request}:{subject}"[:120]
            execute(NoteLostLook(subject=subject, error=error), Asked(None, request, asked.at, "machine"))
    except Exception:  # the record is out of reach: the next start looks at everybody
        _log.exception("nor could this be noted")


def _look(subject: str, at: datetime, request: str) -> bool:
    item = read_thing("subject", subject)
    if item is None or item["randomized_at"] is None or _detector() is None:
        return False
    stored, after, _ = _looked(subject, at)
    if after == stored.queue and not is_lost(subject):
        return False
    execute(LookForEvents(subject=subject), Asked(None, request[:120], at, "machine"))
    return after != stored.queue


def _looked(subject: str, at: datetime) -> tuple[Stored, Queue, Detection]:
    stored = read_queue([subject])
    detection = detect_in([subject], at)
    return stored, reconcile(stored.queue, detection, at), detection


def _detector() -> Detector | None:
    """Of the protocol in force; None where it adjudicates nothing."""
    protocol = running_trial().protocol
    if not any(endpoint.adjudicated for endpoint in protocol.spec.endpoints.values()):
        return None
    if protocol.digest not in _detectors:
        _detectors[protocol.digest] = Detector(protocol)
    return _detectors[protocol.digest]


def detect_in(subjects: Iterable[str] | None, at: datetime) -> Detection:
    """What the detector finds in some patients' data, or in all, as the record has them."""
    detector = _detector()
    study = study_of_record(subjects, is_for_detection=True)
    if detector is None or not study["subjects"].height:
        return Detection((), ())
    return detector.detect(study, at)


def detect_all(at: datetime) -> Detection:
    """What the detector finds in all patients' data."""
    return detect_in(None, at)


def repair_cases(at: datetime) -> tuple[str, ...]:
    """Look at everybody, and make up for looks that were lost; done at each start.

    Returns
    -------
    tuple of str
        Patients whose cases were behind their data.
    """
    head = read_head()
    length = 0 if head is None else head.length
    try:
        behind = _behind(at)
    except Exception:  # one patient's data break it off: the others are looked at all the same
        _log.exception("the detector could not look at all patients together")
        asked = Asked(None, f"repair:{length}", at, "machine")
        return tuple(name for name in _randomized() if after_change(name, asked))
    for subject in dict.fromkeys((*behind, *lost_looks())):
        execute(
            LookForEvents(subject=subject), Asked(None, f"repair:{length}:{subject}"[:120], at, "machine")
        )
    return behind


def _behind(at: datetime) -> tuple[str, ...]:
    stored, detection = read_whole_queue(), detect_all(at)
    known = {case.id: case for case in stored.queue.cases}
    after = reconcile(stored.queue, detection, at)
    return tuple(dict.fromkeys(c.subject for c in after.cases if known.get(c.id) != c))


def _randomized() -> tuple[str, ...]:
    items = read_things("subject", attributes=("randomized_at",))
    return tuple(item.key for item in items if item["randomized_at"] is not None)
