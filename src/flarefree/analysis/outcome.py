"""How an analysis ends: with a result, or with a reason why there is none that a clinician understands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flarefree.results import AnalysisResult, Figure, Sentence, Table

if TYPE_CHECKING:
    from flarefree.protocol.schema import AnalysisBase

__all__ = ["NotComputableError", "finish", "not_computable", "not_yet_computed", "plain"]


class NotComputableError(Exception):
    """The data do not allow an analysis; its text says why.  Never leaves `flarefree.analysis`."""


def finish(
    name: str,
    spec: AnalysisBase,
    *,
    tables: Iterable[Table] = (),
    figures: Iterable[Figure] = (),
    warnings: Iterable[str] = (),
    notes: Iterable[str] = (),
    methods: Iterable[str] = (),
) -> AnalysisResult:
    """The result of an analysis that was computed; `plan.run_analysis` adds the sentences."""
    return AnalysisResult(
        id=name,
        title=spec.title,
        kind=_kind(spec),
        section=spec.section,
        population=spec.population,
        endpoint=getattr(spec, "endpoint", ""),
        tables=tuple(tables),
        figures=tuple(figures),
        warnings=tuple(dict.fromkeys(warnings)),
        notes=tuple(dict.fromkeys([*notes, *([spec.note] if spec.note else [])])),
        methods=tuple(dict.fromkeys(methods)),
    )


def not_computable(
    name: str, spec: AnalysisBase, reason: str, sentences: tuple[Sentence, ...] = ()
) -> AnalysisResult:
    """The place of an analysis that the data do not allow."""
    return _empty(name, spec, "not_computable", reason, sentences)


def not_yet_computed(
    name: str, spec: AnalysisBase, reason: str, sentences: tuple[Sentence, ...] = ()
) -> AnalysisResult:
    """The place of an analysis that this version cannot do."""
    return _empty(name, spec, "not_yet_computed", reason, sentences)


def _empty(name: str, spec: AnalysisBase, status: Any, reason: str, sentences: Any) -> AnalysisResult:
    return AnalysisResult(
        id=name,
        title=spec.title,
        kind=_kind(spec),
        section=spec.section,
        population=spec.population,
        endpoint=getattr(spec, "endpoint", ""),
        sentences=sentences,
        notes=(spec.note,) if spec.note else (),
        status=status,
        reason=reason,
    )


def _kind(spec: AnalysisBase) -> str:
    return str(getattr(spec, "kind", ""))


def plain(number: float) -> str:
    """A number in words of a protocol: 12, not 12.0."""
    return f"{number:g}"
