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
    model: Any,
    arguments: Mapping[str, Any],
    keep: tuple[str, ...],
    settings: Settings,
    *,
    dense: bool = False,
) -> Draws:
    """Sample `model(arguments)`; `model` is hashable by what it is made of, so that it compiles once.

    Parameters
    ----------
    model : callable that makes the model, with equality
        Called without arguments it gives NumPyro's model.
    keep : tuple of str
        Sites to give back.
    dense : bool
        Learn the posterior's correlations during warm-up.
    """
    import jax

    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        # By the arrays' shapes as well: a sampler of NumPyro that has run cannot be run on other shapes.
        shapes = tuple((name, np.shape(value)) for name, value in arguments.items())
        sampler = _sampler(
            model, settings.draws, settings.warmup, settings.chains, settings.target_acceptance, dense, shapes
        )
        sampler.run(
            jax.random.PRNGKey(settings.seed),
            {name: jax.numpy.asarray(value) for name, value in arguments.items()},
            extra_fields=("diverging", "num_steps"),
        )
        samples = sampler.get_samples(group_by_chain=True)
        fields = sampler.get_extra_fields()
        return Draws(
            {name: np.asarray(samples[name], dtype=np.float64) for name in keep if name in samples},
            int(np.asarray(fields["diverging"]).sum()),
            int((np.asarray(fields["num_steps"]) >= 2**DEEPEST - 1).sum()),
            settings,
        )


@lru_cache(maxsize=16)
def _sampler(
    model: Callable[[], Any],
    draws: int,
    warmup: int,
    chains: int,
    target: float,
    dense: bool,
    shapes: tuple[Any, ...],
) -> Any:
    from numpyro.infer import MCMC, NUTS

    kernel = NUTS(model(), target_accept_prob=target, max_tree_depth=DEEPEST, dense_mass=dense)
    return MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,
    )
