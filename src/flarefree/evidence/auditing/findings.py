"""What an audit gives: findings, the cells that were looked at, and the test behind each P value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.auditing.rows import PrintedRow

__all__ = ["Audit", "Certainty", "Checked", "Finding", "PValue", "finding_at"]

Certainty = Literal["certain", "likely", "possible"]
"""`certain`: printed so, the numbers cannot hold.  `likely`: only something unusual that the print does not
tell of would let them.  `possible`: an ordinary explanation exists; somebody should look."""

ORDER: Mapping[str, int] = MappingProxyType({"certain": 0, "likely": 1, "possible": 2})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit.

    Attributes
    ----------
    check : str
        Which check found it; `docs/methods/audit.md` has one section for each.
    what, why : str
        The contradiction in one sentence, and the arithmetic that shows it.
    certainty : Certainty
        With its reason in `because`.
    reconcile : str
        What would make the numbers fit.
    row : int
        Row of the input, from 1; `rows` holds all that take part.
    study, table, outcome, arm, column, value : str
        The cell: `value` as it was printed.
    """

    check: str
    what: str
    why: str
    certainty: Certainty
    because: str
    reconcile: str = ""
    study: str = ""
    table: str = ""
    outcome: str = ""
    arm: str = ""
    column: str = ""
    value: str = ""
    row: int = 0
    rows: tuple[int, ...] = ()
    recorded: tuple[str, ...] = ()
    """Conflicts under which an evidence base has it on record."""

    @property
    def cell(self) -> str:
        """Where it stands, in words."""
        place = [self.study, self.table, self.outcome, self.arm]
        named = ", ".join(dict.fromkeys(part for part in place if part))
        where = f"row {self.row}" if self.row else ""
        return "; ".join(part for part in (named, " ".join(p for p in (where, self.column) if p)) if part)


def finding_at(
    row: PrintedRow,
    column: str,
    check: str,
    what: str,
    *,
    why: str,
    certainty: Certainty,
    because: str,
    reconcile: str = "",
    others: Iterable[PrintedRow] = (),
) -> Finding:
    """A finding about one cell of `row`; `others` are the rows that it is held against."""
    value = getattr(row, column, None)
    among = (row, *others)
    return Finding(
        check=check,
        what=what,
        why=why,
        certainty=certainty,
        because=because,
        reconcile=reconcile,
        study=row.study,
        table=row.place,
        outcome=row.outcome,
        arm=row.arm,
        column=column,
        value="" if value is None else str(value),
        row=row.row,
        rows=tuple(dict.fromkeys(r.row for r in among)),
        recorded=tuple(dict.fromkeys(name for r in among for name in r.recorded.split())),
    )


@dataclass(frozen=True, slots=True)
class PValue:
    """A printed P value beside what the tests give for the counts or means next to it.

    `verdict` is `reproduced`, `reproduced by another test`, `not reproduced`, or `not recomputable` with
    `reason`; `tests` holds the recomputed value of each test, `reproduced_by` those that print so.
    """

    row: int
    study: str
    table: str
    outcome: str
    arms: tuple[str, ...]
    counts: str
    printed: str
    tests: Mapping[str, float]
    reproduced_by: tuple[str, ...]
    verdict: str
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", MappingProxyType(dict(self.tests)))


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check did: the cells it looked at, those that could have failed it, and findings."""

    check: str
    examined: int
    could_fail: int
    findings: tuple[Finding, ...] = ()
    p_values: tuple[PValue, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """The audit of one table, or of the evidence base.

    Attributes
    ----------
    findings : tuple of Finding
        The surest first, then in the order of the rows.
    checked : tuple of Checked
        One a check: an audit that found nothing should say what it could have found.
    p_values : tuple of PValue
        Every printed P value with counts or means beside it.
    rows : int
        How many rows were read.
    what : str
        What was audited.
    """

    findings: tuple[Finding, ...]
    checked: tuple[Checked, ...] = ()
    p_values: tuple[PValue, ...] = ()
    rows: int = 0
    what: str = "data"
    notes: tuple[str, ...] = field(default=())

    def tidy(self) -> pl.DataFrame:
        """One row a finding: check, certainty, what, why, because, reconcile, and its cell."""
        import polars as pl

        columns = ("check", "certainty", "what", "why", "because", "reconcile", "study", "table", "outcome")
        names = (*columns, "arm", "column", "value", "row")
        schema = {name: pl.Int64 if name == "row" else pl.String for name in (*names, "recorded")}
        rows = [(*(getattr(f, n) for n in names), " ".join(f.recorded)) for f in self.findings]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def coverage(self) -> pl.DataFrame:
        """One row a check: cells examined, cells that could have failed, findings."""
        import polars as pl

        rows = [(c.check, c.examined, c.could_fail, len(c.findings)) for c in self.checked]
        schema = {"check": pl.String, "examined": pl.Int64, "could_fail": pl.Int64, "findings": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def p_value_table(self) -> pl.DataFrame:
        """One row a printed P value: what each test gives, which of them print so, the verdict."""
        import polars as pl

        tests = list(dict.fromkeys(name for p in self.p_values for name in p.tests))
        rows = [
            {
                "row": p.row,
                "study": p.study,
                "table": p.table,
                "outcome": p.outcome,
                "arms": " v ".join(p.arms),
                "counts": p.counts,
                "printed": p.printed,
                **{name: p.tests.get(name) for name in tests},
                "reproduced_by": ", ".join(p.reproduced_by),
                "verdict": p.verdict,
                "reason": p.reason,
            }
            for p in self.p_values
        ]
        texts = (
            "study",
            "table",
            "outcome",
            "arms",
            "counts",
            "printed",
            "reproduced_by",
            "verdict",
            "reason",
        )
        schema: dict[str, Any] = {"row": pl.Int64} | dict.fromkeys(texts, pl.String)
        schema |= dict.fromkeys(tests, pl.Float64)
        order = ["row", *texts[:6], *tests, *texts[6:]]
        return pl.DataFrame(rows, schema=schema).select(order)

    def tests(self) -> pl.DataFrame:
        """One row a table and test: how many of the table's recomputable P values that test reproduces."""
        import polars as pl

        rows = [
            (study, table, test, hits, of)
            for (study, table), found in tests_by_table(self.p_values).items()
            for test, (hits, of) in found.items()
        ]
        schema: dict[str, Any] = {"study": pl.String, "table": pl.String, "test": pl.String}
        schema |= {"reproduced": pl.Int64, "of": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "what": self.what,
            "rows": self.rows,
            "counts": {name: sum(f.certainty == name for f in self.findings) for name in ORDER},
            "findings": [asdict(finding) for finding in self.findings],
            "checked": self.coverage().to_dicts(),
            "p_values": self.p_value_table().to_dicts(),
            "tests": self.tests().to_dicts(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        from flarefree.evidence.auditing.wording import audit_text

        return audit_text(self)


def tests_by_table(p_values: Sequence[PValue]) -> dict[tuple[str, str], dict[str, tuple[int, int]]]:
    """For each table, the tests with how many of its recomputable P values they reproduce, best first."""
    tables: dict[tuple[str, str], list[PValue]] = {}
    for p in p_values:
        if not p.verdict.startswith("not recomputable"):
            tables.setdefault((p.study, p.table), []).append(p)
    counted = {}
    for key, here in tables.items():
        names = dict.fromkeys(name for p in here for name in p.tests)
        hits = {name: sum(name in p.reproduced_by for p in here) for name in names}
        best = sorted(hits, key=lambda name: (-hits[name], list(names).index(name)))
        counted[key] = {name: (hits[name], len(here)) for name in best if hits[name]}
    return counted
