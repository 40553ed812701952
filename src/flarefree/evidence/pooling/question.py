"""What is asked of the data: measure, method and conventions, checked once.

The methods' names are metafor's where it has one, so that a call can be carried over word for word.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from flarefree.errors import EvidenceError
from flarefree.evidence.arguments import require_flag, require_level, require_no_less_than_zero
from flarefree.evidence.pooling.heterogeneity import ESTIMATORS
from flarefree.evidence.pooling.measures import MEASURES, Measure

__all__ = ["Question", "ask"]

COUNT_METHODS = {
    "MH": ("OR", "RR", "RD", "IRR", "IRD"),
    "PETO": ("OR", "PETO"),
    "EXACT": ("OR", "IRR"),
    "UM.FS": ("OR", "IRR"),
    "UM.RS": ("OR", "IRR"),
    "CM.EL": ("OR", "IRR"),
    "CM.AL": ("OR",),
    "BB": ("OR", "RR", "RD"),
}
"""Methods on counts, and the measures that each can give."""

_ALIASES = {
    "FE": "common",
    "EE": "common",
    "CE": "common",
    "FIXED": "common",
    "COMMON": "common",
    "MANTEL-HAENSZEL": "MH",
    "BETA-BINOMIAL": "BB",
    "BETA_BINOMIAL": "BB",
    "UM_FS": "UM.FS",
    "UM_RS": "UM.RS",
    "CM_EL": "CM.EL",
    "CM_AL": "CM.AL",
    "HSK": "HSk",
}

_LABELS = {
    "common": "common effect, inverse variance",
    "DL": "DerSimonian-Laird",
    "DL2": "two-step DerSimonian-Laird",
    "PM": "Paule-Mandel",
    "REML": "REML",
    "ML": "ML",
    "EB": "empirical Bayes",
    "HE": "Hedges",
    "HS": "Hunter-Schmidt",
    "HSk": "Hunter-Schmidt, corrected for k",
    "SJ": "Sidik-Jonkman",
    "MH": "common effect, Mantel-Haenszel",
    "PETO": "common effect, Peto",
    "EXACT": "common effect, exact conditional",
    "UM.FS": "random effects, logistic with fixed study effects",
    "UM.RS": "random effects, logistic with random study effects",
    "CM.EL": "random effects, exact conditional",
    "CM.AL": "random effects, approximate conditional",
    "BB": "beta-binomial",
}

ZERO_CELLS = ("only0", "if0all", "all", "treatment_arm", "none")
BOTH_ZERO = ("keep", "exclude")
PREDICTIONS = ("k-2", "k-1", "normal")


@dataclass(frozen=True, slots=True)
class Question:
    """Measure, method and conventions of one call; see `pairwise` for each."""

    measure: Measure
    method: str
    hartung_knapp: bool
    ad_hoc_floor: bool
    conf_level: float
    prediction: str
    zero_cells: str
    correction: float
    both_zero: str

    @property
    def is_random(self) -> bool:
        """Whether trials' effects are taken to differ."""
        return self.method in ESTIMATORS or self.method in ("UM.FS", "UM.RS", "CM.EL", "CM.AL")

    @property
    def uses_counts(self) -> bool:
        """Whether the method works on the tables themselves."""
        return self.method in COUNT_METHODS

    @property
    def label(self) -> str:
        """`random effects (REML, Hartung-Knapp)`."""
        label = _LABELS[self.method]
        extra = ", Hartung-Knapp" + (" with floor" if self.ad_hoc_floor else "") if self.hartung_knapp else ""
        if self.method in ESTIMATORS:
            return f"random effects ({label}{extra})"
        return f"{label}{extra}"


def ask(
    measure: str,
    method: str,
    *,
    hartung_knapp: bool,
    ad_hoc_floor: bool,
    conf_level: float,
    prediction: str,
    zero_cells: str,
    correction: float,
    both_zero: str | None,
) -> Question:
    """A checked question."""
    chosen = _measure(measure)
    name = _method(method, chosen)
    require_level(conf_level)
    require_no_less_than_zero("correction", correction, "a continuity correction")
    require_flag("hartung_knapp", hartung_knapp)
    require_flag("ad_hoc_floor", ad_hoc_floor)
    _require_one_of("prediction", prediction, PREDICTIONS)
    _require_one_of("zero_cells", zero_cells, ZERO_CELLS)
    both = both_zero if both_zero is not None else "exclude" if name in COUNT_METHODS else "keep"
    _require_one_of("both_zero", both, BOTH_ZERO)
    if ad_hoc_floor and not hartung_knapp:
        raise EvidenceError(
            "the floor belongs to Hartung-Knapp limits",
            where="ad_hoc_floor",
            found="hartung_knapp=False",
            expected="both, or neither",
            try_="hartung_knapp=True",
        )
    if hartung_knapp and name in COUNT_METHODS:
        raise EvidenceError(
            "Hartung-Knapp limits belong to pooling by inverse variance",
            where="hartung_knapp",
            found=f"method={method!r}",
            expected="one of " + ", ".join(ESTIMATORS),
        )
    return Question(
        chosen,
        name,
        bool(hartung_knapp),
        bool(ad_hoc_floor),
        float(conf_level),
        prediction,
        zero_cells,
        float(correction),
        both,
    )


def _measure(given: str) -> Measure:
    found = MEASURES.get(str(given).upper())
    if found is None:
        raise _unknown("measure", given, tuple(MEASURES))
    return found


def _method(given: str, measure: Measure) -> str:
    upper = str(given).upper()
    name = _ALIASES.get(upper, upper)
    if name not in _LABELS:
        raise _unknown("method", given, tuple(_LABELS))
    measures = COUNT_METHODS.get(name)
    if measures and measure.key not in measures:
        raise EvidenceError(
            f"this method does not give a {measure.label}",
            where="method",
            found=repr(given),
            expected=f"with {name}: measure " + " or ".join(measures),
        )
    return name


def _require_one_of(where: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise _unknown(where, given, allowed)


def _unknown(where: str, given: object, allowed: tuple[str, ...]) -> EvidenceError:
    near = difflib.get_close_matches(str(given), allowed, 1, 0.6)
    return EvidenceError(
        f"unknown {where}",
        where=where,
        found=repr(given),
        expected=", ".join(allowed),
        try_=f"{where}={near[0]!r}" if near else "",
    )
