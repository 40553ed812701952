"""Schemes compared: figures, a table, a picture, and the signed report that going live demands.

A report is bound to the plan of each candidate by its hash.  It says what was simulated and with which
seed, so that anybody can have the same numbers again; signed, it is what `require_signed_report` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flarefree.conduct.randomization.candidates import candidate_schemes
from flarefree.conduct.randomization.criteria import CRITERIA, Criterion, compute_desirability
from flarefree.conduct.randomization.minimization import PocockSimon
from flarefree.conduct.randomization.plan import RandomizationPlan
from flarefree.conduct.randomization.schemes import Scheme
from flarefree.conduct.randomization.sealing import Sealed, open_sealed, seal
from flarefree.conduct.randomization.simulating import Setting, simulate_schemes
from flarefree.errors import ConductError

if TYPE_CHECKING:
    from flarefree.results import Figure, Table

__all__ = [
    "REPORT_KIND",
    "SchemeFigures",
    "SchemeReport",
    "compare_schemes",
    "require_signed_report",
    "sign_report",
]

REPORT_KIND = "flarefree randomization report 1"

COLUMNS = (
    # key, heading, percent, decimals
    ("guess_rate", "Right guesses, %", True, 1),
    ("site_guess_rate", "Knowing one site, %", True, 1),
    ("determined", "Determined, %", True, 1),
    ("overall_mean", "Imbalance, mean", False, 1),
    ("overall_p95", "95th percentile", False, 0),
    ("stratum_mean", "Largest in a stratum", False, 1),
    ("margin_mean", "Largest in a margin", False, 1),
    ("selection_error", "Type I error, selection bias, %", True, 1),
    ("trend_error", "Type I error, trend, %", True, 1),
    ("power", "Power, %", True, 1),
    ("exhausted", "Trials with a list at its end, %", True, 1),
)
PANELS = ("guess_rate", "overall_mean", "stratum_mean", "margin_mean", "selection_error")


@dataclass(frozen=True)
class SchemeFigures:
    """One candidate.

    Attributes
    ----------
    name : str
    scheme_hash : str
        Of the plan with this scheme.
    figures, errors : mapping of str to float or None
        By name, and their Monte Carlo errors.
    desirability : float
        From 0 to 1.
    is_own : bool
        Whether this is the protocol's own scheme.
    """

    name: str
    scheme_hash: str
    figures: Mapping[str, float | None]
    errors: Mapping[str, float | None]
    desirability: float
    is_own: bool = False


@dataclass(frozen=True)
class SchemeReport:
    """Candidate schemes for one trial.

    Attributes
    ----------
    trial : str
    protocol_digest : str
    setting : Setting
    schemes : tuple of SchemeFigures
        In the order in which they were asked for.
    criteria : tuple of Criterion
    """

    trial: str
    protocol_digest: str
    setting: Setting
    schemes: tuple[SchemeFigures, ...]
    criteria: tuple[Criterion, ...] = CRITERIA

    def of(self, scheme_hash: str) -> SchemeFigures | None:
        """The candidate of that hash, if it is one."""
        return next((one for one in self.schemes if one.scheme_hash == scheme_hash), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for signing."""
        s = self.setting
        factors = [
            {"name": f.name, "shares": dict(zip(f.levels, shares, strict=True)), "source": source}
            for f, shares, source in zip(s.mix.factors, s.mix.shares, s.mix.sources, strict=True)
        ]
        return {
            "trial": self.trial,
            "protocol_digest": self.protocol_digest,
            "setting": {
                "patients": s.patients,
                "replicates": s.replicates,
                "seed": s.seed,
                "sites": s.sites,
                "list_length": s.slots,
                "selection": s.selection,
                "selection_shift_sd": s.selection_shift,
                "trend_sd": s.trend,
                "strata": s.cells,
                "factors": factors,
            },
            "criteria": [
                {"key": c.key, "target": c.target, "limit": c.limit, "weight": c.weight}
                for c in self.criteria
            ],
            "schemes": [
                {
                    "name": one.name,
                    "scheme_hash": one.scheme_hash,
                    "is_own": one.is_own,
                    "desirability": one.desirability,
                    "figures": dict(one.figures),
                    "std_errors": dict(one.errors),
                }
                for one in self.schemes
            ],
        }

    def table(self) -> Table:
        """As a table: a row a scheme."""
        from flarefree.results import Cell, Column, Row, Table

        def cells(one: SchemeFigures) -> dict[str, Cell]:
            found = {key: _cell(one.figures.get(key), percent, digits) for key, _, percent, digits in COLUMNS}
            return found | {"desirability": _cell(one.desirability, False, 2)}

        columns = [Column(key, head) for key, head, _, _ in COLUMNS]
        rows = [Row(one.name + (" (protocol)" if one.is_own else ""), cells(one)) for one in self.schemes]
        return Table(
            id="randomization_schemes",
            title=f"Schemes of randomization for {self.trial}",
            columns=(*columns, Column("desirability", "Desirability")),
            rows=tuple(rows),
            stub="Scheme",
            footnotes=tuple(self.notes),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was simulated, in words."""
        s = self.setting
        strata = f"{s.cells} strata" if s.mix.factors else "no strata"
        lines = [
            f"{s.replicates:,} trials of {s.patients} patients, {strata}, lists of {s.slots}, "
            f"{s.sites} site{'s' if s.sites > 1 else ''}, seed {s.seed}.",
            *(f"{f.name}: {source}." for f, source in zip(s.mix.factors, s.mix.sources, strict=True)),
            "Who guesses knows all earlier arms and takes the one that lags in the stratum (of minimization, "
            "the preferred one): an upper limit, for in a blinded trial nobody does.",
            f"Selection bias: {s.selection_shift:.3f} SD a patient by the guess; trend: {s.trend:g} SD over "
            "the trial; type I error of an unadjusted two-sided t test at 5%.",
        ]
        return tuple(lines)

    def figure(self) -> Figure:
        """As a picture: a row a scheme, the most desirable first, a panel a figure."""
        import polars as pl

        from flarefree.results import Figure

        heads = {key: (head, percent) for key, head, percent, _ in COLUMNS}
        ranked = sorted(self.schemes, key=lambda one: (-one.desirability, one.name))
        rows = [
            {
                "label": one.name,
                "panel": heads[key][0],
                "value": _scaled(one.figures.get(key), heads[key][1]),
                "is_own": one.is_own,
                "score": one.desirability,
            }
            for one in ranked
            for key in PANELS
            if any(other.figures.get(key) is not None for other in self.schemes)
        ]
        schema = {
            "label": pl.String, "panel": pl.String, "value": pl.Float64, "is_own": pl.Boolean,
            "score": pl.Float64,
        }  # fmt: skip
        return Figure(
            id="randomization_schemes",
            title=f"Schemes of randomization for {self.trial}",
            kind="profile",
            data={"main": pl.DataFrame(rows, schema=schema)},
            footnotes=self.notes[:1],
            options={"stub": "Scheme", "score_label": "Desirability", "own": "in the protocol"},
        )

    def __str__(self) -> str:
        from flarefree.stats.estimates import text_table

        head = ("", *(head for _, head, _, _ in COLUMNS), "Desirability")
        body = []
        for one in self.schemes:
            shown = [_shown(one.figures.get(key), percent, digits) for key, _, percent, digits in COLUMNS]
            body.append((("* " if one.is_own else "") + one.name, *shown, f"{one.desirability:.2f}"))
        own = ["* the protocol's own"] if any(one.is_own for one in self.schemes) else []
        table = text_table(head, body)
        lines = [f"Schemes of randomization for {self.trial}", *table, *own, *self.notes]
        return "\n".join(lines)


def _scaled(value: float | None, percent: bool) -> float | None:
    return value if value is None or not percent else 100.0 * value


def _shown(value: float | None, percent: bool, digits: int) -> str:
    scaled = _scaled(value, percent)
    return "—" if scaled is None else f"{scaled:.{digits}f}"


def _cell(value: float | None, percent: bool, digits: int) -> Any:
    from flarefree.results import Cell

    return Cell("number", {"value": _scaled(value, percent)}, digits=digits)


# Comparing ---------------------------------------------------------------------------------------


def compare_schemes(
    plan: RandomizationPlan,
    setting: Setting,
    *,
    protocol_digest: str = "",
    own: bool = True,
    schemes: Sequence[Scheme | PocockSimon] | None = None,
    criteria: Sequence[Criterion] = CRITERIA,
    progress: Callable[[float], None] | None = None,
) -> SchemeReport:
    """Simulate a plan's scheme beside others, for the same trial.

    Parameters
    ----------
    plan : RandomizationPlan
        The trial; its scheme is a candidate, and marked, if `own`.
    setting : Setting
        Strata must be the plan's; its lists are as long as the plan's.
    protocol_digest : str
    schemes : sequence of schemes, optional
        The other candidates; those that exist for the ratio in their usual settings if not given.
    criteria : sequence of Criterion
    progress : function of a part done, optional
    """
    if setting.mix.factors != plan.factors:
        raise ConductError(
            "the strata simulated are not the plan's",
            where="setting.mix",
            found=", ".join(f.name for f in setting.mix.factors),
            expected=", ".join(f.name for f in plan.factors),
        )
    setting = replace(setting, list_length=plan.list_length)
    length = plan.list_length
    if schemes is None:
        schemes = candidate_schemes(plan.scheme.ratio, plan.factors, length)
    chosen = list(dict.fromkeys([*([plan.scheme] if own else []), *(_of_length(s, length) for s in schemes)]))
    found = simulate_schemes(chosen, setting, progress=progress)
    made = []
    for scheme, (figures, errors) in zip(chosen, found, strict=True):
        of = replace(plan, scheme=scheme)
        is_own = own and scheme == plan.scheme
        score = compute_desirability(figures, criteria)
        made.append(SchemeFigures(scheme.name, of.scheme_hash, figures, errors, score, is_own))
    return SchemeReport(plan.trial, protocol_digest, setting, tuple(made), tuple(criteria))


def _of_length(scheme: Scheme | PocockSimon, length: int) -> Scheme | PocockSimon:
    return scheme.of_length(length) if isinstance(scheme, Scheme) else scheme


# Signing -----------------------------------------------------------------------------------------


def sign_report(report: SchemeReport, signing_key: bytes, *, signed_by: str, time: str) -> Sealed:
    """The report, signed by the one who answers for the choice of scheme.

    Parameters
    ----------
    report : SchemeReport
    signing_key : bytes
        32 bytes.
    signed_by, time : str
        Name and UTC time; both are covered by the signature.
    """
    if not signed_by.strip():
        raise ConductError("a signature needs a name", where="signed_by")
    return seal(REPORT_KIND, {**report.to_dict(), "signed_by": signed_by, "signed_at": time}, signing_key)


_LEAST_REPLICATES = 1000


def require_signed_report(
    scheme_hash: str,
    report: bytes | None,
    *,
    public_key: bytes,
    trial: str,
    protocol_digest: str,
    least_replicates: int = _LEAST_REPLICATES,
) -> Mapping[str, Any]:
    """Refuse to go live without a signed simulation of exactly this scheme, under exactly this protocol.

    Parameters
    ----------
    scheme_hash : str
        Of the plan that would go live.
    report : bytes or None
        The signed report; None is refused like a wrong one.
    public_key : bytes
        Of the one whose signature is required.
    trial, protocol_digest : str
    least_replicates : int

    Returns
    -------
    mapping
        The scheme's own part of the report.

    Raises
    ------
    ConductError
    """
    if report is None:
        raise ConductError(
            "going live needs a signed simulation of the scheme",
            where="go-live",
            found="no report",
            expected=f"a report that has scheme {scheme_hash[:16]}…",
            try_="flarefree randomization simulate PROTOCOL --out FOLDER --sign KEY",
        )
    body = open_sealed(report, kind=REPORT_KIND, public_key=public_key)
    for name, right in (("trial", trial), ("protocol_digest", protocol_digest)):
        if body.get(name) != right:
            raise ConductError(
                f"the report is of another {name.replace('_', ' ')}",
                where="go-live",
                found=str(body.get(name)),
                expected=right,
            )
    if body["setting"]["replicates"] < least_replicates:
        raise ConductError(
            "the report rests on too few trials",
            where="go-live",
            found=str(body["setting"]["replicates"]),
            expected=f"at least {least_replicates}",
        )
    own = [one for one in body["schemes"] if one["scheme_hash"] == scheme_hash]
    if not own:
        raise ConductError(
            "the report does not have this scheme",
            where="go-live",
            found=f"{len(body['schemes'])} other schemes",
            expected=scheme_hash,
            try_="simulate the plan as it will go live: factors, ratio, lengths of lists count too",
        )
    return dict(own[0])
