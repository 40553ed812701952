"""What an analysis looks at: the arms, what is compared with what, and who is analyzed.

Decides which patients stand in which column.  While arms are masked every patient stands in one
column and nothing is compared; no analysis needs to know more about masking than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import polars as pl

from flarefree.analysis.outcome import NotComputableError
from flarefree.endpoints.derivation import Derivation
from flarefree.endpoints.follow_up import is_allocated
from flarefree.endpoints.record_sentences import RecordReader
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import Protocol
from flarefree.records.study import Study
from flarefree.results import Column

__all__ = ["MASKED", "Cohort", "Comparison", "Group", "Trial", "open_trial"]

MASKED = "all"
"""The one group of a trial whose arms are masked."""

OVERALL = "overall"
"""The column of a test over more than two arms at once."""

TOTAL = "total"
"""The column of all arms together."""


@dataclass(frozen=True, slots=True)
class Group:
    """A column of patients: an arm of the protocol, or everybody while arms are masked."""

    key: str
    label: str
    color: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm held against another; `key` is `MMF_vs_AZA`, arm first, reference last."""

    key: str
    arm: str
    reference: str
    label: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """The patients of one population, each in a group.

    Attributes
    ----------
    key, label : str
        Of the population in the protocol.
    subjects : DataFrame
        Rows of `Derivation.subjects`, sorted by subject, with the column `group`.
    groups : tuple of Group
        In the protocol's order, those without patients too.
    unplaced : int
        Patients of the population who have no arm, and are therefore in no column.
    """

    key: str
    label: str
    subjects: pl.DataFrame
    groups: tuple[Group, ...]
    unplaced: int = 0

    def size(self, group: str) -> int:
        """How many patients a group has."""
        return int(self.subjects.select((pl.col("group") == group).sum()).item())

    @property
    def sizes(self) -> dict[str, int]:
        """Patients by group, in the protocol's order."""
        counted = dict(self.subjects.group_by("group").len().iter_rows())
        return {group.key: counted.get(group.key, 0) for group in self.groups}

    @property
    def occupied(self) -> tuple[Group, ...]:
        """The groups that have patients."""
        sizes = self.sizes
        return tuple(group for group in self.groups if sizes[group.key])

    def columns(self, suffix: str = "", label: str = "", *, with_n: bool = True) -> tuple[Column, ...]:
        """A column a group; with `suffix`, a second column of the same groups, so labeled."""
        sizes = self.sizes
        return tuple(
            Column(
                group.key + suffix,
                f"{group.label}: {label}" if label else group.label,
                sizes[group.key] if with_n else None,
                group=group.key if suffix else "",
            )
            for group in self.groups
        )

    def total_column(self) -> Column:
        """All groups together."""
        return Column(TOTAL, "Total", self.subjects.height)

    def of(self, frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """The rows of `frame` that belong to these patients, with `group` and `columns` of theirs."""
        named = ["subject", "group", *(c for c in columns if c not in frame.columns)]
        return frame.join(self.subjects.select(named), on="subject", how="inner", maintain_order="left")

    def restricted(self, condition: pl.Expr, label: str = "") -> Cohort:
        """Only the patients for whom `condition` is true."""
        return Cohort(
            self.key, label or self.label, self.subjects.filter(condition), self.groups, self.unplaced
        )


@dataclass(frozen=True)
class Trial:
    """A derivation seen by arms: what every analysis takes."""

    derivation: Derivation
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...]
    is_masked: bool

    @property
    def protocol(self) -> LoadedProtocol:
        """The loaded protocol."""
        return self.derivation.protocol

    @property
    def spec(self) -> Protocol:
        """What the protocol's file says."""
        return self.derivation.protocol.spec

    @property
    def study(self) -> Study:
        """The study's tables."""
        return self.derivation.study

    @cached_property
    def records(self) -> RecordReader:
        """Finds records of the study by sentence."""
        return RecordReader(self.study, self.derivation.subjects, self.spec.adverse_events)

    def cohort(self, population: str) -> Cohort:
        """The patients of a population, in their columns."""
        spec = self.spec.populations[population]
        flag = f"in_{population}"
        subjects = self.derivation.subjects
        if flag not in subjects.columns:
            raise NotComputableError(f"Nobody was sorted into the population “{spec.label}”.")
        members = subjects.filter(pl.col(flag).fill_null(False)).sort("subject")
        return self._placed(population, spec.label, members, "arm" if spec.by == "planned" else "actual_arm")

    def _placed(self, key: str, label: str, members: pl.DataFrame, arm: str) -> Cohort:
        # Data that tell only the planned arm say nothing of a patient who took another one's drug.
        own = pl.coalesce(arm, "arm") if self._tells_no_actual_arm else pl.col(arm)
        group = pl.lit(MASKED) if self.is_masked else own
        placed = members.with_columns(group=group.cast(pl.String)).filter(
            pl.col("group").is_in([g.key for g in self.groups])
        )
        return Cohort(key, label, placed, self.groups, members.height - placed.height)

    @cached_property
    def _tells_no_actual_arm(self) -> bool:
        return (
            self.derivation.subjects.get_column("actual_arm").null_count() == self.derivation.subjects.height
        )

    def allocated(self) -> Cohort:
        """Every patient of the trial proper in the arm they were allocated to, analyzed or not."""
        members = self.derivation.subjects.filter(is_allocated()).sort("subject")
        label = "Randomized" if self.spec.randomization is not None else "Enrolled"
        return self._placed("allocated", label, members, "arm")

    def require_cohort(self, population: str) -> Cohort:
        """The patients of a population, of whom there must be some."""
        cohort = self.cohort(population)
        if cohort.subjects.height == 0:
            raise NotComputableError(f"The population “{cohort.label}” has no patients.")
        return cohort

    def comparison_columns(self, label: str = "", suffix: str = "") -> tuple[Column, ...]:
        """A column a comparison: each arm against the reference arm."""
        single = len(self.comparisons) == 1
        return tuple(
            Column(
                c.key + suffix,
                label if single and label else f"{c.label}: {label}" if label else c.label,
                group=c.key if suffix else "",
            )
            for c in self.comparisons
        )

    def overall_column(self, label: str = "P value") -> tuple[Column, ...]:
        """The column of a test over all arms: the comparison itself where there are two; none if masked."""
        key = self.overall_key
        return (Column(key, label),) if key else ()

    @property
    def overall_key(self) -> str:
        """Key of the test over all arms; empty where there is nothing to compare."""
        if not self.comparisons:
            return ""
        return self.comparisons[0].key if len(self.comparisons) == 1 else OVERALL

    def pairs(self) -> Iterator[Comparison]:
        """Every pair of arms: those against the reference first, then the others, later arm first."""
        yield from self.comparisons
        labels = {group.key: group.label for group in self.groups}
        others = [group.key for group in self.groups if group.key != self.spec.reference_arm]
        for first, second in combinations(others, 2):
            yield compare(second, first, labels)


def compare(arm: str, reference: str, labels: dict[str, str]) -> Comparison:
    """The comparison of `arm` with `reference`, named by their keys and labels."""
    return Comparison(f"{arm}_vs_{reference}", arm, reference, f"{labels[arm]} v {labels[reference]}")


def open_trial(derivation: Derivation, *, masked: bool | None = None) -> Trial:
    """See a derivation by arms, or with every patient in one column while arms are masked.

    Parameters
    ----------
    derivation : Derivation
    masked : bool, optional
        Whether arms are hidden; if not given, they are where patients were randomized and none has
        an arm.
    """
    spec = derivation.protocol.spec
    is_masked = _has_no_arms(derivation.subjects) if masked is None else masked
    if is_masked:
        return Trial(derivation, (Group(MASKED, "All patients (arms masked)"),), (), True)
    labels = {key: arm.label for key, arm in spec.arms.items()}
    groups = tuple(Group(key, label, spec.report.colors.get(key, "")) for key, label in labels.items())
    comparisons = tuple(compare(arm, ref, labels) for arm, ref in derivation.protocol.comparisons)
    return Trial(derivation, groups, comparisons, False)


def _has_no_arms(subjects: pl.DataFrame) -> bool:
    randomized = subjects.filter(pl.col("randomization_date").is_not_null())
    return randomized.height > 0 and subjects.get_column("arm").null_count() == subjects.height
