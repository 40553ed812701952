"""A question from its file: one that comes with flarefree by name, or a stranger's by path.

Decides what is wrong with a question before anything is pooled: keys, values, and names that the evidence
base does not have, each with file and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from flarefree.errors import EvidenceError, NotFoundError, ProtocolError
from flarefree.evidence.problems import raise_first, refuse, suggest
from flarefree.evidence.questions.schema import QuestionSpec
from flarefree.evidence.reading import file_text
from flarefree.protocol.yaml_source import YamlSource, read_yaml

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence

__all__ = ["Question", "builtin_questions", "load_question", "require_names"]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question with the lines of its file.

    Attributes
    ----------
    spec : QuestionSpec
    source : YamlSource
    digest : str
        SHA-256 of the file's text.
    """

    spec: QuestionSpec
    source: YamlSource
    digest: str

    @property
    def name(self) -> str:
        return self.spec.name

    def place(self, path: str) -> str:
        """`maintenance.yaml:31 outcomes.renal_flare`."""
        return self.source.place(path)

    def __repr__(self) -> str:
        spec = self.spec
        return f"<Question {spec.name}: {len(spec.outcomes)} outcomes, {spec.phase or 'every phase'}>"


def builtin_questions() -> tuple[str, ...]:
    """The questions that come with flarefree."""
    folder = resources.files("flarefree.evidence.questions")
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_question(question: str | PathLike[str] | Question) -> Question:
    """A question by name or by file.

    Parameters
    ----------
    question : str, path or Question
        `maintenance`, `induction`, or a YAML file.

    Raises
    ------
    NotFoundError
        There is no such question, and no such file.
    EvidenceError
        The file is no question: file, line, what was found, what was expected.
    """
    if isinstance(question, Question):
        return question
    given = str(question)
    if given in builtin_questions():
        text = resources.files("flarefree.evidence.questions").joinpath(f"{given}.yaml").read_text("utf-8")
        return _read(text, f"{given}.yaml")
    path = Path(given)
    if not path.is_file():
        raise NotFoundError(
            "there is no such question",
            where="question",
            found=given,
            expected=f"{', '.join(builtin_questions())}, or a YAML file",
            try_=suggest(given, builtin_questions()),
        )
    return _read(file_text(path), path.name)


def _read(text: str, name: str) -> Question:
    try:
        source = read_yaml(text, name)
    except ProtocolError as error:
        raise EvidenceError(
            error.what.replace("no protocol", "no question"),
            where=error.where,
            found=error.found,
            expected="keys and values: question, name, title, outcomes ...",
            try_=error.try_,
        ) from None
    try:
        spec = QuestionSpec.model_validate(source.values)
    except ValidationError as error:
        raise_first(error, source, QuestionSpec)
    return Question(spec, source, sha256(text.encode()).hexdigest())


# Names -----------------------------------------------------------------------------------------------


def require_names(question: Question, evidence: Evidence) -> None:
    """Nothing, or an error: every name of the question must be one of the base.

    Raises
    ------
    EvidenceError
        File and line of the first name that the base does not have, with the nearest one.
    """
    spec, content = question.spec, evidence.content
    for part in ("interventions", "comparators"):
        _require(question, part, getattr(spec, part), content.treatments, "treatment")
    _require(question, "reference", [spec.reference], content.treatments, "treatment")
    for name, asked in spec.outcomes.items():
        _require(question, f"outcomes.{name}", [name], content.outcomes, "outcome")
        if asked.reference:
            _require(
                question, f"outcomes.{name}.reference", [asked.reference], content.treatments, "treatment"
            )
        _require(question, f"outcomes.{name}.reports", asked.reports, content.studies, "study")
    for i, sensitivity in enumerate(spec.sensitivity):
        _require(question, f"sensitivity.{i}.without", sensitivity.without, content.studies, "study")
    for i, published in enumerate(spec.published):
        path = f"published.{i}"
        _require(question, f"{path}.of", [published.of], content.meta_analyses, "meta-analysis")
        _require(question, f"{path}.outcome", [published.outcome], content.outcomes, "outcome")
        lumped = [each for names in published.lump.values() for each in names]
        _require(question, f"{path}.lump", lumped, content.treatments, "treatment")
    for i, carried in enumerate(spec.transport):
        _require(question, f"transport.{i}.study", [carried.study], content.studies, "study")
        _require(question, f"transport.{i}.outcome", [carried.outcome], content.outcomes, "outcome")
        documents = [target.document for target in carried.targets if target.document]
        _require(question, f"transport.{i}.targets", documents, content.documents, "document")


def _require(question: Question, path: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            refuse(
                question.source,
                (path,),
                f"there is no {what} {name} in this base",
                found=name,
                expected=", ".join(known) if len(known) <= 12 else f"one of {len(known)}",
                try_=suggest(name, known),
            )
