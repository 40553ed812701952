"""What follows once a change is committed: the detector looks at patients whose data it touched."""

from __future__ import annotations

from collections.abc import Iterable

from flarefree.web.commands.base import Asked, Write
from flarefree.web.record.models import Thing
from flarefree.web.study_map import EFFICACY_KINDS, SUBJECT_ATTRIBUTES

__all__ = ["after_commit", "touched_subjects"]


def after_commit(writes: Iterable[Write], asked: Asked) -> None:
    """Called with the values that an entry changed, after its transaction."""
    subjects = touched_subjects(writes)
    if subjects:
        from flarefree.web.commands.detecting import after_change

        for subject in subjects:
            after_change(subject, asked)
        from flarefree.web.commands.medications import review_when_due

        review_when_due(asked.at)


def touched_subjects(writes: Iterable[Write]) -> tuple[str, ...]:
    """Patients of whom something changed that an end point may rest on, in the order of the changes."""
    things = dict.fromkeys((w.kind, w.key) for w in writes if _matters(w))
    subjects: dict[str, None] = {}
    for kind, key in things:
        of = (
            key
            if kind == "subject"
            else Thing.objects.filter(kind=kind, key=key).values_list("subject").first()
        )
        subject = of if isinstance(of, str) else of[0] if of else ""
        if subject:
            subjects[subject] = None
    return tuple(subjects)


def _matters(write: Write) -> bool:
    if write.kind == "subject":
        return write.attribute in SUBJECT_ATTRIBUTES
    return write.kind in EFFICACY_KINDS
