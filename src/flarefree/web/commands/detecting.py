"""The end-point detector on the record: it runs after each change of what an end point may rest on.

The change is committed first; then, in an entry of its own, cases open, begin anew, come back or are
withdrawn, with the rows and the sentence that this rests on.  Should the process end between the two,
`repair_cases` finds at the next start what is missing, since looking twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.audit.entries import Value
from flarefree.conduct.detecting import Detection, Detector
from flarefree.errors import FlarefreeError
from flarefree.web.commands.base import Asked, Command, Plan, Write
from flarefree.web.commands.executing import execute
from flarefree.web.committee_people import read_committee
from flarefree.web.committee_store import Stored, read_queue, read_whole_queue
from flarefree.web.committee_writes import writes_of
from flarefree.web.record.reading import read_head, read_thing
from flarefree.web.study import study_of_record
from flarefree.web.trial import running_trial

__all__ = ["LookForEvents", "after_change", "detect_all", "detect_in", "repair_cases"]

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
        item = read_thing("subject", self.subject)
        return Plan(f"subject/{self.subject}", "" if item is None else item.site, writes=writes, reason=_WHY)


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
    A look that failed is told in the system's log and made up for by `repair_cases`.
    """
    try:
        return _look(subject, asked.at, f"look:{asked.request}:{subject}")
    except FlarefreeError:
        _log.exception("the detector could not look at a patient; it will look again at the next start")
        return False


def _look(subject: str, at: datetime, request: str) -> bool:
    item = read_thing("subject", subject)
    if item is None or item["randomized_at"] is None or _detector() is None:
        return False
    stored, after, _ = _looked(subject, at)
    if after == stored.queue:
        return False
    execute(LookForEvents(subject=subject), Asked(None, request[:120], at, "machine"))
    return True


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
    stored, detection = read_whole_queue(), detect_all(at)
    after = reconcile(stored.queue, detection, at)
    known = {case.id: case for case in stored.queue.cases}
    behind = tuple(dict.fromkeys(c.subject for c in after.cases if known.get(c.id) != c))
    head = read_head()
    for subject in behind:
        length = 0 if head is None else head.length
        execute(
            LookForEvents(subject=subject), Asked(None, f"repair:{length}:{subject}"[:120], at, "machine")
        )
    return behind
