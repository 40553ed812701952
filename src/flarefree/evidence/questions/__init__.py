"""Questions put to the evidence: maintenance, induction, or a stranger's own.

Takes a question (YAML: population, treatments, outcomes, times) and an evidence base; gives an `Answer`:
rows, direct and network estimates, published results beside ours, results carried to other patients, the
audit, and a record for the next run.  Begin reading at `schema.py`, then `answering.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.evidence.questions.answering import Answer, answer
    from flarefree.evidence.questions.loading import Question, builtin_questions, load_question

__all__ = ["Answer", "Question", "answer", "builtin_questions", "load_question"]

_HOME = {
    "Answer": "answering",
    "answer": "answering",
    "Question": "loading",
    "builtin_questions": "loading",
    "load_question": "loading",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.evidence.questions.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
