"""A trial with a place for every subject and visit, observed or not, and the designs to fill them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import StatsError

if TYPE_CHECKING:
    import polars as pl

    from flarefree.stats.mixed.repeated_measures import MMRM

__all__ = ["CompletedTrial", "complete_trial"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class CompletedTrial:
    """Subjects by visits.

    Attributes
    ----------
    frame : pl.DataFrame
        One row a subject and visit, subjects one after another, visits in order.
    y : (n_subjects, m) float
        Responses; NaN where missing or set aside.
    deviation : (n_subjects,) int
        The first visit after the deviation, 0 .. m; m if there was none.
    arm : (n_subjects,) int
        A place in `arms`.
    analysis : str
        The linear model of one visit.
    X_analysis : (n_subjects, p) float
        Its design.
    contrasts : (k, p) float
        Each arm minus the reference.
    X_own, X_reference : (n_subjects, m, q) float
        The imputation model's design, with the subject's own arm and with the reference.
    group_own, group_reference : (n_subjects,) int
        Which of the model's covariance matrices each takes.
    panel_arm : (n in the model,) int
        The arm of each subject of the model's panel, in the panel's order.
    """

    frame: pl.DataFrame
    response: str
    visit_name: str
    visits: tuple[str, ...]
    subjects: tuple[str, ...]
    subject_name: str
    y: Floats
    deviation: Ints
    arm: Ints
    arm_name: str
    arms: tuple[str, ...]
    reference: str
    analysis: str
    X_analysis: Floats
    contrasts: Floats
    n_set_aside: int = 0
    X_own: Floats = None  # type: ignore[assignment]
    X_reference: Floats = None  # type: ignore[assignment]
    group_own: Ints = None  # type: ignore[assignment]
    group_reference: Ints = None  # type: ignore[assignment]
    panel_arm: Ints = None  # type: ignore[assignment]

    def with_deviations_set_aside(self) -> CompletedTrial:
        """Without the responses observed after a deviation."""
        after = np.arange(self.y.shape[1]) >= self.deviation[:, None]
        odd = after & ~np.isnan(self.y)
        return replace(self, y=np.where(odd, np.nan, self.y), n_set_aside=int(odd.sum()))

    def observed_rows(self) -> pl.DataFrame:
        """The rows that the imputation model is fitted to."""
        import polars as pl

        flat = self.y.reshape(-1)
        frame = self.frame.with_columns(pl.Series(self.response, flat, nan_to_null=True))
        return frame.filter(pl.Series(~np.isnan(flat)))

    def with_model(self, fit: MMRM) -> CompletedTrial:
        """With the designs of a fitted imputation model."""
        import polars as pl

        n, m = self.y.shape
        if fit.visits != self.visits:
            empty = [visit for visit in self.visits if visit not in fit.visits]
            raise StatsError(
                "no response was observed at a visit",
                where="data",
                found=", ".join(empty),
                try_="leave the visit out of the data",
            )
        level = self._as_in_data(self.reference)
        in_reference = self.frame.with_columns(
            pl.lit(level).cast(self.frame[self.arm_name].dtype).alias(self.arm_name)
        )
        X_own = fit.design.matrix_for(self.frame).reshape(n, m, -1)
        X_reference = fit.design.matrix_for(in_reference).reshape(n, m, -1)
        own, reference = self._groups(fit)
        panel = fit.fit.likelihood.panel
        in_model = {label: place for place, label in enumerate(self.subjects)}
        order = [in_model[fit.design.covariance.subject.labels[s]] for s in panel.order]  # type: ignore[union-attr]
        return replace(
            self,
            X_own=X_own,
            X_reference=X_reference,
            group_own=own,
            group_reference=reference,
            panel_arm=self.arm[order],
        )

    def _as_in_data(self, label: str) -> Any:
        values = self.frame[self.arm_name].to_list()
        return values[int(np.flatnonzero(self.arm == self.arms.index(label))[0]) * self.y.shape[1]]

    def _groups(self, fit: MMRM) -> tuple[Ints, Ints]:
        """The covariance matrix of each subject, and of the same subject in the reference arm."""
        from flarefree.stats.formula.columns import read_column

        n, m = self.y.shape
        term = fit.design.covariance
        assert term is not None
        if term.group is None:
            return np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
        column = read_column(self.frame, term.group.name).categories()
        place = np.array([term.group.labels.index(label) for label in column.levels], dtype=np.intp)
        own = place[column.place][::m]
        if term.group.name != self.arm_name:
            return own, own
        return own, np.full(n, term.group.labels.index(self.reference), dtype=np.intp)


def complete_trial(
    formula: str, data: Any, *, arm: str, reference: str, analysis: str | None, deviation: str | None
) -> CompletedTrial:
    """Lay a trial out with every subject and visit.

    Raises
    ------
    StatsError
        A column other than the visit and the response changes within a subject, or is missing; a visit
        stands twice in a subject; the arm or the reference is unknown.
    """
    from flarefree.stats.formula import parse_formula
    from flarefree.stats.formula.columns import read_column
    from flarefree.stats.formula.nodes import Name

    frame = _as_polars(data)
    parsed = parse_formula(formula)
    terms = parsed.find("covariance")
    if (
        len(terms) != 1
        or not isinstance(parsed.response, Name)
        or not isinstance(terms[0].variables[0], Name)
    ):
        raise StatsError(
            "the imputation model needs a response, a visit and a covariance structure",
            where="formula",
            found=formula,
            expected="columns as they are: change ~ baseline*visit + arm*visit + us(visit | subject)",
        )
    response, visit_name, subject_name = (
        parsed.response.name,
        terms[0].variables[0].name,
        str(terms[0].subject),
    )
    covariates = [name for name in parsed.columns if name not in (response, visit_name, subject_name)]
    if arm not in covariates:
        raise StatsError(
            "the arm is not in the formula", where="arm", found=repr(arm), expected=", ".join(covariates)
        )
    subjects = read_column(frame, subject_name).categories()
    visits = read_column(frame, visit_name).categories()
    row = _places(subjects.place, visits.place, subjects.levels, visits.levels)
    first = row.max(axis=1)
    _require_constant(
        frame, [*covariates, *([deviation] if deviation else [])], subjects.place, first, subjects.levels
    )
    _require_known(frame, covariates, first)
    values = read_column(frame, response).numbers()
    if values is None:
        raise StatsError("the response must be a number", where="formula", found=response)
    y = np.where(row >= 0, values[row], np.nan)
    arm_column = read_column(frame, arm).categories()
    if reference not in arm_column.levels:
        raise StatsError(
            "the reference is not an arm",
            where="reference",
            found=repr(reference),
            expected=", ".join(arm_column.levels),
        )
    analysis = analysis or _default_analysis(response, arm, parsed, visit_name)
    X_analysis, contrasts = _analysis_design(
        frame[first.tolist()], analysis, response, arm, arm_column.levels, reference
    )
    return CompletedTrial(
        frame=_grid(frame, row, first, visit_name, visits.place),
        response=response,
        visit_name=visit_name,
        visits=tuple(visits.levels),
        subjects=tuple(subjects.levels),
        subject_name=subject_name,
        y=y,
        deviation=_deviations(frame, deviation, first, y, visits.levels),
        arm=arm_column.place[first],
        arm_name=arm,
        arms=tuple(arm_column.levels),
        reference=reference,
        analysis=analysis,
        X_analysis=X_analysis,
        contrasts=contrasts,
    )


def _as_polars(data: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, dict):
        return pl.DataFrame(data)
    import narwhals as nw

    frame: Any = nw.from_native(data, eager_only=True).to_polars()
    return frame


def _places(who: Any, when: Any, subjects: tuple[str, ...], visits: tuple[str, ...]) -> Ints:
    """The row of each subject and visit, (n, m); -1 where there is none."""
    from flarefree.stats.mixed.panel import require_each_visit_once

    if (who < 0).any() or (when < 0).any():
        raise StatsError("a subject or visit is missing in a row", where="data", expected="both in every row")
    require_each_visit_once(when, who, len(visits), visits, subjects)
    row = np.full((len(subjects), len(visits)), -1, dtype=np.intp)
    row[who, when] = np.arange(len(who))
    return row


def _require_constant(
    frame: pl.DataFrame, names: list[str], who: Any, first: Ints, subjects: tuple[str, ...]
) -> None:
    for name in names:
        column = frame[name]
        same = column.eq_missing(column[first[who].tolist()]).to_numpy()
        if not same.all():
            raise StatsError(
                "a covariate changes within a subject",
                where=name,
                found=f"subject {subjects[int(who[np.flatnonzero(~same)[0]])]}",
                expected="values known before the first visit",
                try_="leave it out of the imputation model",
            )


def _require_known(frame: pl.DataFrame, names: list[str], first: Ints) -> None:
    for name in names:
        n = frame[name][first.tolist()].null_count()
        if n:
            raise StatsError(
                "a covariate is missing, so its subjects cannot be imputed",
                where=name,
                found=f"{n} subjects",
                try_="impute the covariate first, or leave these subjects out and say so",
            )


def _grid(frame: pl.DataFrame, row: Ints, first: Ints, visit_name: str, when: Any) -> pl.DataFrame:
    """Every subject and visit; what is not there is the subject's own, at that visit."""
    n, m = row.shape
    source = np.where(row >= 0, row, first[:, None]).reshape(-1)
    of_visit = [int(np.flatnonzero(when == v)[0]) for v in range(m)]
    labels = frame[visit_name][of_visit * n]
    return frame[source.tolist()].with_columns(labels.alias(visit_name))


def _deviations(
    frame: pl.DataFrame, deviation: str | None, first: Ints, y: Floats, visits: tuple[str, ...]
) -> Ints:
    """The first visit that the strategy rules, of each subject."""
    from flarefree.stats.formula.columns import read_column

    m = y.shape[1]
    seen = ~np.isnan(y)
    after_last = np.where(seen.any(axis=1), m - np.argmax(seen[:, ::-1], axis=1), 0)
    if deviation is None:
        return after_last
    column = read_column(frame, deviation).categories()
    unknown = [level for level in column.levels if level not in visits]
    if unknown:
        raise StatsError(
            "a deviation is not at a visit", where=deviation, found=unknown[0], expected=", ".join(visits)
        )
    place = np.array([*(visits.index(level) for level in column.levels), m], dtype=np.intp)
    stated = place[column.place][first]
    # a subject who left without a stated deviation is drawn as missing at random
    return np.where(stated < m, stated, m)


def _default_analysis(response: str, arm: str, parsed: Any, visit_name: str) -> str:
    from flarefree.stats.formula.nodes import names_in

    others = [
        str(v) for v in parsed.variables if str(v) != arm and visit_name not in {n.name for n in names_in(v)}
    ]
    return f"{response} ~ {' + '.join([arm, *others])}"


def _analysis_design(
    subjects: pl.DataFrame, analysis: str, response: str, arm: str, arms: tuple[str, ...], reference: str
) -> tuple[Floats, Floats]:
    """One row a subject, and the rows that give each arm minus the reference."""
    import polars as pl

    from flarefree.stats.formula import design_matrix, least_squares_rows
    from flarefree.stats.mixed.panel import require_full_rank

    design = design_matrix(analysis, subjects.with_columns(pl.lit(0.0).alias(response)))
    if arm not in design.factors:
        raise StatsError(
            "the arm is not a factor of the analysis", where="analysis", found=analysis, expected=arm
        )
    require_full_rank(design.matrix, design.columns)
    rows = least_squares_rows(design, arm)
    mean = {levels[0]: rows.matrix[i] for i, levels in enumerate(rows.levels)}
    return design.matrix, np.array([mean[name] - mean[reference] for name in arms if name != reference])
