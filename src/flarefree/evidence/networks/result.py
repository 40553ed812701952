"""A network meta-analysis as a frozen result, and the questions that can be put to it.

Holds the effects of all pairs under common and random effects; what is asked for beyond them (consistency,
splits, contributions, rankings) is computed from the same independent rows when it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError
from flarefree.evidence.networks.effects import Effects
from flarefree.evidence.networks.heterogeneity import Heterogeneity, TauMethod
from flarefree.evidence.networks.ranking import Ranking, SmallValues, rank_treatments
from flarefree.evidence.networks.rows import Rows
from flarefree.evidence.networks.studies import RATIOS, Study

if TYPE_CHECKING:
    import polars as pl

    from flarefree.evidence.networks.components import ComponentModel
    from flarefree.evidence.networks.consistency import Consistency, NetHeat
    from flarefree.evidence.networks.contributions import Contributions, Streams
    from flarefree.evidence.networks.counts import Likelihood
    from flarefree.evidence.networks.funnel import AdjustedFunnel
    from flarefree.evidence.networks.leave_out import LeaveOneOut
    from flarefree.evidence.networks.splitting import DirectEvidence, Split
    from flarefree.results import Figure

__all__ = ["Model", "Network"]

Floats = NDArray[np.float64]
Model = Literal["random", "common"]
PlotKind = Literal["network", "forest", "rankogram", "net_heat", "funnel", "league"]


@dataclass(frozen=True, eq=False)
class Network:
    """What a network of studies says of every pair of treatments.

    Attributes
    ----------
    treatments : tuple of str
        In alphabetical order; the axes of all matrices.
    measure, method, reference : str
    model : "random" or "common"
        The one that tables, rankings and `effects` show.
    small_values : "good" or "bad"
    conf_level : float
    common, random : Effects or None
        Matrices under each model; models of counts give the one asked for.
    heterogeneity : Heterogeneity or None
        Q, tau2, I2; None for models of counts.
    studies : tuple of Study
    likelihood : Likelihood or None
        Of models of counts.
    notes : tuple of str
        Studies left out, corrections made.
    """

    treatments: tuple[str, ...]
    measure: str
    model: Model
    method: str
    reference: str
    small_values: SmallValues
    conf_level: float
    common: Effects | None
    random: Effects | None
    heterogeneity: Heterogeneity | None
    studies: tuple[Study, ...]
    rows: Rows | None = field(repr=False)
    fixed_tau2: float | None = None
    totals: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    likelihood: Likelihood | None = None

    # Numbers -----------------------------------------------------------------------------------------

    def effects_under(self, model: Model | None = None) -> Effects:
        """The matrices under `model`; under the network's own unless given."""
        if model not in (None, "random", "common"):
            raise EvidenceError("no such model", where="model", found=repr(model), expected="random, common")
        found = {"random": self.random, "common": self.common}[model or self.model]
        if found is None:
            raise EvidenceError(
                f"no {model} effects were fitted",
                where=f"network: method {self.method}",
                found=f"model={self.model!r}",
                try_=f"network(..., model={model!r})",
            )
        return found

    @property
    def effects(self) -> Floats:
        """(n, n): effect of the row's treatment relative to the column's; log scale for ratios."""
        return self.effects_under().estimate

    @property
    def std_errors(self) -> Floats:
        """(n, n): standard errors of `effects`."""
        return self.effects_under().std_error

    @property
    def tau2(self) -> float:
        """The between-study variance of the random-effects model; 0 where there is none."""
        return self.random.tau2 if self.random is not None else 0.0

    @property
    def n_studies(self) -> int:
        """Studies that enter."""
        return len(self.studies)

    @property
    def is_ratio(self) -> bool:
        """Whether effects are logs of ratios."""
        return self.measure in RATIOS

    @property
    def reference_index(self) -> int:
        """The reference's place among the treatments."""
        return self.treatments.index(self.reference)

    def prediction(self) -> tuple[Floats, Floats]:
        """(n, n) limits for the effect in a new study, t with df - 1; NaN with fewer than 2 df.

        [higgins2009] for networks, with netmeta's degrees of freedom.
        """
        effects = self.effects_under("random")
        if self.heterogeneity is None or self.heterogeneity.df < 2:
            nothing = np.full_like(effects.estimate, np.nan)
            return nothing, nothing.copy()
        from scipy.special import stdtrit

        width = float(stdtrit(self.heterogeneity.df - 1, 0.5 + self.conf_level / 2))
        spread = width * np.sqrt(effects.std_error**2 + effects.tau2)
        np.fill_diagonal(spread, 0.0)
        return effects.estimate - spread, effects.estimate + spread

    # Consistency -------------------------------------------------------------------------------------

    @cached_property
    def consistency(self) -> Consistency:
        """Q within and between designs, each design's part in it, and designs detached."""
        from flarefree.evidence.networks.consistency import decompose

        return decompose(self._rows("consistency"), self.studies, self.treatments)

    def net_heat(self, model: Model = "common") -> NetHeat:
        """The net heat matrix; with random effects, tau2 is that within designs."""
        from flarefree.evidence.networks.consistency import net_heat

        tau2 = self.consistency.tau2_within if model == "random" else 0.0
        return net_heat(
            self._rows("net_heat"), self.studies, self.treatments, 0.0 if math.isnan(tau2) else tau2
        )

    def direct_evidence(self, model: Model | None = None) -> DirectEvidence:
        """Head-to-head estimates of every pair, with the network's tau2."""
        from flarefree.evidence.networks.splitting import direct_evidence

        self._rows("direct_evidence")
        return direct_evidence(self.studies, len(self.treatments), self.effects_under(model).tau2)

    def splits(self, model: Model | None = None) -> tuple[Split, ...]:
        """Direct and indirect estimate of every pair, and the test of their difference."""
        from flarefree.evidence.networks.splitting import split_nodes

        return split_nodes(self.effects_under(model), self.direct_evidence(model), self.reference_index)

    def node_split(self, model: Model | None = None) -> pl.DataFrame:
        """`splits` as a frame, a row a comparison; log scale for ratios."""
        return _frame_of(self.splits(model))

    # Influence ---------------------------------------------------------------------------------------

    def leave_one_out(self, model: Model | None = None) -> LeaveOneOut:
        """The network without each study in turn."""
        from flarefree.evidence.networks.leave_out import leave_one_out

        method = None if (model or self.model) == "common" else _tau_method(self.method)
        return leave_one_out(
            self._rows("leave_one_out"),
            self.studies,
            self.treatments,
            self.reference_index,
            method=method,
            tau2=self.fixed_tau2,
        )

    def contributions(self, model: Model | None = None, streams: Streams = "random_walk") -> Contributions:
        """How much each direct comparison contributes to each estimate."""
        from flarefree.evidence.networks.contributions import contributions

        return contributions(
            self._rows("contributions"), self.treatments, self.effects_under(model).tau2, streams
        )

    def study_contributions(
        self, model: Model | None = None, streams: Streams = "random_walk"
    ) -> pl.DataFrame:
        """A row a comparison and study: the study's share of the estimate."""
        import polars as pl

        from flarefree.evidence.networks.contributions import edge_weights, study_shares

        found = self.contributions(model, streams)
        weights = edge_weights(self.studies, self.treatments, self.effects_under(model).tau2)
        names = [study.name for study in self.studies]
        shares = study_shares(found, weights, names)
        return pl.DataFrame(
            {
                "treatment_1": [pair[0] for pair in found.rows for _ in names],
                "treatment_2": [pair[1] for pair in found.rows for _ in names],
                "study": names * len(found.rows),
                "share": shares.ravel(),
            }
        )

    def funnel(self, order: Sequence[str] | None = None, model: Model | None = None) -> AdjustedFunnel:
        """The comparison-adjusted funnel, with Egger's regression.

        Parameters
        ----------
        order : sequence of str, optional
            All treatments, those that small studies would favor first; the reference last, and others as
            they stand, unless given.
        """
        from flarefree.evidence.networks.connection import place_of
        from flarefree.evidence.networks.funnel import adjusted_funnel

        self._rows("funnel")
        names = _treatments_in(order) or [
            *(t for t in self.treatments if t != self.reference),
            self.reference,
        ]
        places = [place_of(name, self.treatments, "order") for name in names]
        if len(set(places)) < len(self.treatments) or len(places) > len(self.treatments):
            raise EvidenceError(
                "every treatment must stand once in the order",
                where="funnel: order",
                found=", ".join(names),
                expected=", ".join(self.treatments),
            )
        return adjusted_funnel(self.studies, self.treatments, places, self.effects_under(model).tau2)

    def components(
        self, *, separator: str = "+", inactive: str | None = None, model: Model | None = None
    ) -> ComponentModel:
        """The additive model: a combination (`A + B`) has the sum of its components' effects."""
        from flarefree.evidence.networks.components import fit_components

        return fit_components(
            self._rows("components"),
            self.studies,
            self.treatments,
            separator=separator,
            inactive=inactive,
            is_random=(model or self.model) == "random",
            method=_tau_method(self.method),
            tau2=self.fixed_tau2,
            conf_level=self.conf_level,
        )

    # Ranking -----------------------------------------------------------------------------------------

    def ranks(self, *, n_draws: int = 20_000, seed: int = 1, model: Model | None = None) -> Ranking:
        """P-scores, SUCRA and rank probabilities as arrays; draws come from `seed`."""
        return rank_treatments(
            self.effects_under(model),
            self.small_values,
            n_draws=n_draws,
            seed=seed,
            conf_level=self.conf_level,
        )

    def ranking(self, *, n_draws: int = 20_000, seed: int = 1, model: Model | None = None) -> pl.DataFrame:
        """A row a treatment, best first: P-score, SUCRA with its limits, mean and median rank."""
        from flarefree.evidence.networks.tables import ranking_frame

        return ranking_frame(self.ranks(n_draws=n_draws, seed=seed, model=model))

    # Tables and figures ------------------------------------------------------------------------------

    def tidy(self, *, model: Model | Literal["both"] = "both", exponentiate: bool = False) -> pl.DataFrame:
        """A row a pair of treatments and model: estimate, limits, P, prediction, direct evidence.

        `exponentiate` gives ratios instead of their logs; `std_error` stays on the log scale.
        """
        from flarefree.evidence.networks.tables import effects_frame

        return effects_frame(self, model, exponentiate)

    def league(
        self,
        *,
        lower: Model | None = None,
        upper: Model | Literal["direct"] = "direct",
        order: Sequence[str] | None = None,
        digits: int = 2,
    ) -> pl.DataFrame:
        """The league table as text: treatments best first, row v column below the diagonal.

        Below the diagonal stand the network's estimates (column treatment against row treatment, so that the
        better one comes first); above it direct evidence, or the other model, row against column.
        """
        from flarefree.evidence.networks.tables import league_frame

        return league_frame(self, lower or self.model, upper, order, digits)

    def worksheet(self, **asked: Any) -> pl.DataFrame:
        """A row a comparison for CINeMA's six domains, the computed parts filled in with their rules.

        See `flarefree.evidence.networks.worksheet.worksheet` for what can be given: the range of
        equivalence, each study's risk of bias and indirectness.
        """
        from flarefree.evidence.networks.worksheet import worksheet

        return worksheet(self, **asked)

    def plot(self, kind: PlotKind = "network", **options: Any) -> Figure:
        """A figure's data; it shows itself in notebooks and saves itself with `.save(path)`."""
        from flarefree.evidence.networks.figures import figure_of

        return figure_of(self, kind, **options)

    def __repr__(self) -> str:
        from flarefree.evidence.networks.words import describe

        return describe(self)

    # -------------------------------------------------------------------------------------------------

    def _rows(self, asked: str) -> Rows:
        if self.rows is None:
            raise EvidenceError(
                f"{asked} needs contrasts of studies",
                where=f"network: method {self.method}",
                found="a model of counts, which has none",
                try_="network(..., method='DL')",
            )
        return self.rows


def _tau_method(method: str) -> TauMethod:
    return method  # type: ignore[return-value]  # contrast methods are those of tau2


def _frame_of(records: Sequence[Any]) -> pl.DataFrame:
    """Slotted records as a frame."""
    import polars as pl

    names = list(type(records[0]).__slots__)
    return pl.DataFrame({name: [getattr(record, name) for record in records] for name in names})


def _treatments_in(order: Sequence[str] | None) -> list[str]:
    """The names given; a single word or a number is no order."""
    if order is None or (isinstance(order, (list, tuple)) and all(isinstance(name, str) for name in order)):
        return list(order or ())
    raise EvidenceError(
        "an order is a list of treatments",
        where="funnel: order",
        found=repr(order)[:80],
        expected="for example ['MMF', 'AZA', 'CYC']",
    )
