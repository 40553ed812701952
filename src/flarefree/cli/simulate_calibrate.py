"""`flarefree simulate calibrate`: the virtual patients fitted to the published trials, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flarefree.cli.progress import progress_bar

if TYPE_CHECKING:
    from flarefree.simulation.calibration.calibrating import Calibration

__all__ = ["calibrate_command"]


def calibrate_command(
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same posterior.")] = None,
    particles: Annotated[
        int | None, typer.Option(help="Points of a round of exploring; 800 if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for posterior.csv and provenance.yaml.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; numbers do not depend on it.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="The same way in under a minute, for a look: far from converged.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Fit the virtual patients to ALMS and the multitarget trial: a posterior sample.

    Simulated moments with common random numbers find the nearest point; a
    synthetic likelihood is explored about it, and its posterior sampled. It takes
    a quarter of an hour on one core. What comes with flarefree was made by it.

    Example: flarefree simulate calibrate --quick --out posterior
    """
    import json

    from flarefree.simulation.calibration.calibrating import CALIBRATION_SEED, FULL, QUICK, calibrate
    from flarefree.simulation.calibration.posterior import write_posterior

    with progress_bar(quiet=as_json) as move:
        done = calibrate(
            seed=CALIBRATION_SEED if seed is None else seed,
            particles=particles,
            effort=QUICK if quick else FULL,
            workers=workers,
            progress=move,
        )
    if out is not None:
        write_posterior(done.posterior, out)
    typer.echo(json.dumps(_as_dict(done), indent=2) if as_json else _told(done))
    if out is not None and not as_json:
        typer.echo(f"Written to {out}: posterior.csv, provenance.yaml")


def _as_dict(done: Calibration) -> dict[str, Any]:
    posterior = done.posterior
    return {
        "provenance": dict(posterior.provenance),
        "medians": posterior.medians(),
        "posterior_sd_over_prior_sd": posterior.spread(),
        "strongest_correlations": [list(pair) for pair in posterior.strongest()],
    }


def _told(done: Calibration) -> str:
    import numpy as np

    posterior, how = done.posterior, done.posterior.provenance
    moments, sampled = how["simulated_moments"], how["posterior"]
    converged = "converged" if moments["converged"] else "not converged"
    low, middle, high = np.quantile(posterior.values, [0.025, 0.5, 0.975], axis=0)
    spread = posterior.spread()
    lines = [
        f"Simulated moments: {converged} after {moments['steps']} steps; "
        f"objective {moments['objective']:.1f} of {how['fitted_numbers']} numbers, "
        f"{moments['of_priors']:.1f} of it from priors",
        f"Posterior: {sampled['draws']} draws ({sampled['distinct_draws']} distinct) of {sampled['points']} "
        f"points worth {sampled['effective_points']:.0f}",
        "",
        f"  {'':<28}{'median':>10}  {'95%':<22}{'SD against prior':>16}",
    ]
    for i, name in enumerate(posterior.names):
        between = f"{low[i]:.3g} to {high[i]:.3g}"
        lines.append(f"  {name:<28}{middle[i]:>10.3g}  {between:<22}{spread[name]:>16.2f}")
    return "\n".join(lines)
