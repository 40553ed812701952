"""Cox's model with penalized group effects at a given frailty variance: Newton steps and what they leave.

With few groups the steps use the whole information between them; with many, its diagonal, as R's coxph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flarefree.errors import ConvergenceError
from flarefree.stats.survival._cox_data import CoxRows
from flarefree.stats.survival._frailty_kernels import frailty_likelihood, frailty_shares, gram

__all__ = ["Inner", "Penalized", "solve_inner"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
DENSE_UP_TO = 80  # groups: beyond it a whole Newton step costs more than several on the diagonal


class Penalized:
    """The rows, their groups, and the frailty's distribution; with room for the shares of each event."""

    def __init__(
        self, rows: CoxRows, group: Any, n_groups: int, efron: bool, distribution: str, needs_block: bool
    ) -> None:
        self.rows = rows
        self.group = group
        self.n_groups = n_groups
        self.efron = efron
        self.distribution = distribution
        self.needs_block = needs_block
        """Whether the whole information between groups is wanted at the maximum."""
        self.dense = n_groups <= DENSE_UP_TO
        """Whether it is used for the steps."""
        weights = np.where(rows.event, rows.weight, 0.0)
        self.n_events: Floats = np.bincount(group, weights=weights, minlength=n_groups).astype(np.float64)
        """Weighted events by group."""
        events = rows.n_events if self.dense or needs_block else 0
        self._table = np.empty((n_groups + rows.x.shape[1], events))
        self._roots = np.empty(events)

    def evaluate(
        self, solution: Floats, *, whole: bool = False
    ) -> tuple[float, Floats, Floats, Floats, Floats]:
        """Log partial likelihood, score, information blocks at (effects, coefficients).

        The block of the effects is whole (J, J) if asked for or used for steps, else its diagonal (J, 1).
        """
        rows = self.rows
        eta = rows.linear_predictor(solution[self.n_groups :]) + solution[: self.n_groups][self.group]
        eta -= (eta.min() + eta.max()) / 2.0
        risk = np.exp(eta)
        if rows.is_weighted:
            risk *= rows.weight
        arrays = (
            rows.time,
            rows.event,
            rows.weight,
            eta,
            risk,
            rows.x,
            self.group,
            self.n_groups,
            rows.starts,
            rows.entry,
            rows.entry_order,
            self.efron,
        )
        if not self.dense and not whole:
            return frailty_likelihood(*arrays)
        j = self.n_groups
        loglik, own_score, cross, corner = frailty_shares(*arrays, self._table, self._roots)
        products, sums = gram(self._table, self._roots)
        block = -products[:j, :j]
        block.flat[:: j + 1] += sums[:j]
        corner = corner + np.tril(corner, -1).T - products[j:, j:]
        score = np.concatenate((self.n_events - sums[:j], own_score))
        return loglik, score, block, cross - products[:j, j:], corner

    def penalty(self, effects: Floats, theta: float) -> tuple[float, Floats, Floats]:
        """The penalty (to be added), its gradient and minus its second derivatives."""
        if self.distribution == "gamma":
            nu = 1.0 / theta
            frailty = np.exp(effects)
            return nu * float((effects - frailty + 1.0).sum()), nu * (1.0 - frailty), nu * frailty
        value = -float(effects @ effects) / (2 * theta)
        return value, -effects / theta, np.full(effects.size, 1.0 / theta)

    def recenter(self, effects: Floats) -> Floats:
        """The same hazards with the effects where the penalty wants their middle."""
        if self.distribution == "gamma":
            return effects - np.log(np.exp(effects).mean())
        return effects - effects.mean()


def inverted(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """The maximum of the penalized likelihood at one variance.

    `block` is the unpenalized information of the effects: whole (J, J), or its diagonal (J, 1).
    """

    solution: Floats
    n_groups: int
    loglik: float
    penalized: float
    block: Floats
    cross: Floats
    corner: Floats
    second: Floats
    iterations: int

    @property
    def effects(self) -> Floats:
        return self.solution[: self.n_groups]

    @property
    def coefficients(self) -> Floats:
        return self.solution[self.n_groups :]

    def _information(self, dense: bool) -> tuple[Floats, Floats]:
        """Inverse of the effects' penalized information, times cross and as a matrix or a diagonal."""
        if dense:
            inverse = inverted(self.block + np.diag(self.second))
            return inverse, inverse @ self.cross
        diagonal: Floats = self.block[:, 0] if self.block.shape[1] == 1 else np.diag(self.block)
        inverse = 1.0 / (diagonal + self.second)
        return inverse, inverse[:, None] * self.cross

    def covariance(self, dense: bool) -> Floats:
        """Of the (scaled) coefficients, given the variance."""
        _, solved = self._information(dense)
        return inverted(self.corner - self.cross.T @ solved)

    def effect_variances(self, dense: bool) -> Floats:
        """Of the effects, given the variance."""
        inverse, solved = self._information(dense)
        diagonal = np.diag(inverse) if dense else inverse
        if not self.coefficients.size:
            return diagonal
        return diagonal + np.einsum("ja,ab,jb->j", solved, self.covariance(dense), solved)

    def effect_test(self, dense: bool) -> tuple[float, float]:
        """The Wald chi-square that coxph prints for the effects, and their effective degrees of freedom."""
        variances = self.effect_variances(dense)
        df = self.n_groups - float((variances * self.second).sum())
        if not dense:
            return float((self.effects**2 / variances).sum()), df
        inverse, solved = self._information(True)
        whole = inverse + (solved @ self.covariance(True) @ solved.T if self.coefficients.size else 0.0)
        return float(self.effects @ np.linalg.solve(whole, self.effects)), df


def solve_inner(problem: Penalized, theta: float, start: Floats, *, max_iterations: int = 300) -> Inner:
    """Climb the penalized likelihood at variance `theta` from `start`."""
    if theta == 0.0:
        solution = start.copy()
        solution[: problem.n_groups] = 0.0
        loglik, _, block, cross, corner = problem.evaluate(solution, whole=problem.needs_block)
        zeros = np.zeros(problem.n_groups)
        return Inner(solution, problem.n_groups, loglik, loglik, block, cross, corner, zeros, 0)
    # On the way to infinity hazards overflow and curvature runs out; that no maximum is there is told below.
    with np.errstate(over="ignore", invalid="ignore"):
        return _climb(problem, theta, start.copy(), max_iterations)


def _climb(problem: Penalized, theta: float, start: Floats, max_iterations: int) -> Inner:
    state, gain = _State(problem, theta, start), 0.0
    for iteration in range(1, max_iterations + 1):
        try:
            step, gain = state.newton_step()
        except np.linalg.LinAlgError:
            break
        # Steps on the diagonal close in by a factor each, not by squares: they go on longer.
        if gain < (1e-13 if problem.dense else 1e-16) * max(1.0, abs(state.value)):
            return state.finish(iteration, step, gain)
        for _ in range(40):
            candidate = _State(problem, theta, _recentered(problem, state.solution + step))
            if candidate.value >= state.value - 1e-12 * max(1.0, abs(state.value)):
                break
            step = step / 2.0
        if np.array_equal(candidate.solution, state.solution):
            return state.finish(iteration, 0.0 * step, 0.0)
        state = candidate
    raise ConvergenceError(
        "the penalized likelihood still rises",
        where="frailty",
        found=f"variance {theta:g}, {iteration} Newton steps with halving, last gain {gain:.2g}",
        expected="a maximum",
        try_="fewer covariates, or a frailty variance that is given",
    )


def _recentered(problem: Penalized, solution: Floats) -> Floats:
    moved = solution.copy()
    moved[: problem.n_groups] = problem.recenter(solution[: problem.n_groups])
    return moved


class _State:
    """One point of the climb: value, gradient and blocks."""

    def __init__(self, problem: Penalized, theta: float, solution: Floats) -> None:
        self.problem = problem
        self.theta = theta
        self.solution = solution
        self.loglik, score, self.block, self.cross, self.corner = problem.evaluate(solution)
        value, gradient, self.second = problem.penalty(solution[: problem.n_groups], theta)
        self.value = self.loglik + value
        self.by_effect = score[: problem.n_groups] + gradient
        self.by_coefficient = score[problem.n_groups :]

    def newton_step(self) -> tuple[Floats, float]:
        """The step by blocks, and what it would gain (twice)."""
        if self.problem.dense:
            whole = self.block.copy()
            whole.flat[:: self.problem.n_groups + 1] += self.second
            solved = np.linalg.solve(whole, np.column_stack((self.cross, self.by_effect)))
        else:
            solved = np.column_stack((self.cross, self.by_effect)) / (self.block[:, 0] + self.second)[:, None]
        cross, effect = solved[:, :-1], solved[:, -1]
        coefficient = np.linalg.solve(
            self.corner - self.cross.T @ cross, self.by_coefficient - self.cross.T @ effect
        )
        effect = effect - cross @ coefficient
        gain = float(self.by_effect @ effect + self.by_coefficient @ coefficient)
        return np.concatenate((effect, coefficient)), gain

    def finish(self, iterations: int, step: Floats, gain: float) -> Inner:
        """The last step is taken, but nothing is evaluated there: blocks change by less than its size."""
        solution = _recentered(self.problem, self.solution + step)
        value = self.value + gain / 2.0
        penalty = self.problem.penalty(solution[: self.problem.n_groups], self.theta)[0]
        block, cross, corner = self.block, self.cross, self.corner
        if self.problem.needs_block and not self.problem.dense:
            _, _, block, cross, corner = self.problem.evaluate(solution, whole=True)
        return Inner(
            solution,
            self.problem.n_groups,
            value - penalty,
            value,
            block,
            cross,
            corner,
            self.second,
            iterations,
        )
