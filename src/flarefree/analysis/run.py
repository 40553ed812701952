"""From a study to its analyses: read, derive, analyze, in the protocol's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.analysis.plan import run_analysis
from flarefree.analysis.published import beside_published
from flarefree.analysis.trial import open_trial
from flarefree.endpoints.derivation import Derivation
from flarefree.errors import NotFoundError
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.published import load_published
from flarefree.records.study import Study
from flarefree.results import AnalysisResult, tidy

if TYPE_CHECKING:
    import polars as pl

    from flarefree.analysis.datasets import Dataset

__all__ = ["Analysis", "analyze"]

Progress = Callable[[str, int, int], None]
"""Called with the title of what begins, how many are done, and how many there are."""


@dataclass(frozen=True)
class Analysis:
    """A study's analyses, with the derivation and the protocol that they rest on.

    Attributes
    ----------
    derivation : Derivation
    protocol : LoadedProtocol
    results : tuple of AnalysisResult
        In the protocol's order; those that could not be computed keep their place and say why.
    is_masked : bool
        Arms were hidden: every patient stands in one column.
    """

    derivation: Derivation = field(repr=False)
    protocol: LoadedProtocol = field(repr=False)
    results: tuple[AnalysisResult, ...]
    is_masked: bool = False

    def __getitem__(self, name: str) -> AnalysisResult:
        found = {result.id: result for result in self.results}
        if name in found:
            return found[name]
        near = get_close_matches(name, found, n=1)
        raise NotFoundError(
            f"there is no analysis called {name}",
            expected=", ".join(found),
            try_=near[0] if near else "",
        )

    def tidy(self) -> pl.DataFrame:
        """One row a statistic of every table: what `results.csv` holds."""
        return tidy(self.results)

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        """ADaM-shaped datasets by name, made when first asked for."""
        from flarefree.analysis.datasets import build_datasets

        return build_datasets(self.derivation, masked=self.is_masked)

    def __repr__(self) -> str:
        lines = [f"<analysis of {self.derivation.study.name} by {self.protocol.spec.name}>"]
        for result in self.results:
            state = (
                "" if result.status == "computed" else f": {result.status.replace('_', ' ')}; {result.reason}"
            )
            lines.append(f"  {result.id}: {result.title}{state}")
        return "\n".join(lines)


def analyze(
    study: Study | Derivation | str | Path,
    *,
    protocol: LoadedProtocol | str | Path | None = None,
    masked: bool | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Run every analysis of a protocol on a study.

    Parameters
    ----------
    study : Study, Derivation, or path
        A study folder is read, and endpoints are derived, where that has not been done.
    protocol : LoadedProtocol, name or path, optional
        Which protocol; if not given, the one that the study names.
    masked : bool, optional
        Hide the arms: all patients in one column, nothing compared.  If not given, arms are hidden
        where the data hold none.
    progress : callable, optional
        Called with (title, done, total) before each analysis.

    Returns
    -------
    Analysis

    Raises
    ------
    FlarefreeError
        The study or its protocol cannot be read; what the data do not allow is no error.
    """
    derivation = _derived(study, protocol)
    trial = open_trial(derivation, masked=masked)
    names = list(trial.spec.analyses)
    published = None if trial.is_masked else load_published(derivation.protocol)
    results = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(trial.spec.analyses[name].title, done, len(names))
        result = run_analysis(trial, name)
        results.append(beside_published(result, published) if published else result)
    return Analysis(derivation, derivation.protocol, tuple(results), trial.is_masked)


def _derived(study: Any, protocol: Any) -> Derivation:
    if isinstance(study, Derivation):
        return study
    from flarefree.endpoints.derive import derive

    if not isinstance(study, Study):
        from flarefree.readers.study_folder import read_study

        study = read_study(study, protocol=protocol)
    return derive(study, protocol=protocol)
