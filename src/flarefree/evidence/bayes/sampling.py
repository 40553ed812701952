"""NumPyro's no-U-turn sampler, on the CPU in double precision, chains side by side.

Models are compiled once for their shape: each node split after the first, or another run, costs sampling
only.  The extra is imported here and in `posterior.py`, when a posterior is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flarefree.errors import EvidenceError, MissingExtraError

__all__ = ["Draws", "Settings", "require_extra", "run_chains"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how carefully to sample."""

    draws: int = 2000
    warmup: int = 500
    chains: int = 4
    seed: int = 1
    target_acceptance: float = 0.9

    def __post_init__(self) -> None:
        least = {"draws": 4, "warmup": 20, "chains": 2, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
                raise EvidenceError(
                    "cannot sample so",
                    where=name,
                    found=repr(value),
                    expected=f"a whole number, {low} or more",
                )
        if not 0.5 <= self.target_acceptance < 1:
            raise EvidenceError(
                "cannot sample so",
                where="target_acceptance",
                found=repr(self.target_acceptance),
                expected="0.5 to 1, 1 not included",
            )

    def __str__(self) -> str:
        return (
            f"{self.chains} chains of {self.draws:,} draws after {self.warmup:,} of warm-up, seed {self.seed}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What was sampled.

    Attributes
    ----------
    sites : mapping of str to (chains, draws, ...) float
    n_divergent : int
        Transitions whose energy went astray: the posterior there was not explored faithfully.
    n_deepest : int
        Transitions that stopped at the deepest tree.
    """

    sites: Mapping[str, Floats]
    n_divergent: int
    n_deepest: int
    settings: Settings

    def flat(self, site: str) -> Floats:
        """(chains * draws, ...)."""
        values = self.sites[site]
        return values.reshape(-1, *values.shape[2:])


DEEPEST = 10
START_WITHIN = 2.0  # of standardized coordinates: wider than the posterior, as R-hat asks for


def require_extra(asked: str = "bayesian_network") -> None:
    """Raise, with the command that installs it, where the extra is missing."""
    try:
        import jax  # noqa: F401
        import numpyro  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "NumPyro is not installed",
            where=asked,
            found=str(error),
            try_="pip install 'flarefree[bayes]'",
        ) from None


def run_chains(
    model: Callable[[], Any],
    arguments: Mapping[str, Any],
    n_coordinates: int,
    keep: tuple[str, ...],
    settings: Settings,
    *,
    dense: bool = False,
) -> Draws:
    """Sample `model()(arguments)`; `model` is hashable by what it is made of, so that it compiles once.

    Parameters
    ----------
    model : callable that makes the model, with equality
        All its coordinates are the site `u` (`posterior.coordinates`).
    n_coordinates : int
        How many there are.
    keep : tuple of str
        Sites to give back, of those that the model has.
    dense : bool
        Learn the posterior's correlations during warm-up.
    """
    import jax

    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        given = {name: jax.numpy.asarray(value) for name, value in arguments.items()}
        run, values = _compiled(
            model, settings.draws, settings.warmup, settings.target_acceptance, dense, keep
        )
        key_start, key_chains = jax.random.split(jax.random.PRNGKey(settings.seed))
        start = jax.random.uniform(
            key_start, (settings.chains, n_coordinates), minval=-START_WITHIN, maxval=START_WITHIN
        )
        u, diverging, n_steps = run(jax.random.split(key_chains, settings.chains), start, given)
        sites = values(u, given)
        return Draws(
            {name: np.asarray(value, dtype=np.float64) for name, value in sites.items()},
            int(np.asarray(diverging).sum()),
            int((np.asarray(n_steps) >= 2**DEEPEST - 1).sum()),
            settings,
        )


@lru_cache(maxsize=8)
def _compiled(
    model: Callable[[], Any], draws: int, warmup: int, target: float, dense: bool, keep: tuple[str, ...]
) -> tuple[Any, Any]:
    """The sampler of all chains, and the sites of their draws, as functions of arrays alone.

    NumPyro's `MCMC` compiles anew for every data set; its kernels, with the data as an argument, once for a
    shape, which is what takes the time here.
    """
    import jax
    from numpyro import handlers
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import log_density

    program = model()

    def potential(given: Any) -> Any:
        return lambda u: -log_density(program, (given,), {}, u)[0]

    first, following = hmc(potential_fn_gen=potential, algo="NUTS")

    def chain(key: Any, start: Any, given: Any) -> Any:
        state = first(
            {"u": start},
            num_warmup=warmup,
            target_accept_prob=target,
            dense_mass=dense,
            max_tree_depth=DEEPEST,
            trajectory_length=None,
            model_args=(given,),
            rng_key=key,
        )

        def step(state: Any, _: Any) -> Any:
            state = following(state, model_args=(given,), model_kwargs={})
            return state, (state.z["u"], state.diverging, state.num_steps)

        _, (u, diverging, n_steps) = jax.lax.scan(step, state, None, length=warmup + draws)
        return u[warmup:], diverging[warmup:], n_steps[warmup:]

    def sites(u: Any, given: Any) -> Any:
        trace = handlers.trace(handlers.substitute(program, data={"u": u})).get_trace(given)
        return {name: trace[name]["value"] for name in keep if name in trace}

    over_chains = jax.vmap(chain, in_axes=(0, 0, None))
    over_draws = jax.vmap(jax.vmap(sites, in_axes=(0, None)), in_axes=(0, None))
    return jax.jit(over_chains), jax.jit(over_draws)
