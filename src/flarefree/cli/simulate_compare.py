"""`flarefree simulate compare`: published numbers beside what virtual trials of their size would print."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from flarefree.cli.progress import progress_bar

__all__ = ["compare_command"]


def compare_command(
    trial: Annotated[
        str,
        typer.Argument(
            metavar="TRIAL",
            help="alms-maintenance, multitarget-maintenance, or hold-outs: trials not fitted.",
        ),
    ],
    trials: Annotated[int, typer.Option("--trials", "-t", help="How many virtual trials.")] = 1000,
    seed: Annotated[int | None, typer.Option(help="Another seed gives other virtual patients.")] = None,
    posterior: Annotated[
        Path | None,
        typer.Option(help="A folder of `simulate calibrate`; the posterior of this version if not given."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for comparison.html, .json, .csv, figures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Set published numbers beside virtual trials of the same size, over the posterior.

    Each number stands beside its 95% predictive interval, with the part of virtual
    trials below it; then how many lie inside and how many would by chance, all
    numbers together, power, and what is weakly identified.

    Example: flarefree simulate compare alms-maintenance --trials 1000
    """
    from flarefree.simulation.calibration.comparing import COMPARE_SEED, compare
    from flarefree.simulation.calibration.hold_outs import HOLD_OUTS, predict_hold_outs
    from flarefree.simulation.calibration.posterior import load_posterior
    from flarefree.simulation.calibration.telling import tell_hold_outs

    sample = load_posterior(posterior)
    found: Any
    with progress_bar(quiet=as_json) as move:
        if trial == HOLD_OUTS:
            own: dict[str, Any] = {} if seed is None else {"seed": seed}
            found = predict_hold_outs(trials=trials, posterior=sample, progress=move, **own)
        else:
            found = compare(
                trial, trials=trials, seed=COMPARE_SEED if seed is None else seed, posterior=sample,
                progress=move,
            )  # fmt: skip
    is_held_out = trial == HOLD_OUTS
    content = {"hold_outs": [p.to_dict() for p in found]} if is_held_out else found.to_dict()
    if out is not None:
        _write(out, trial, found, content)
    if as_json:
        typer.echo(json.dumps(_finite(content), indent=2))
        return
    typer.echo(tell_hold_outs(found) if is_held_out else str(found))
    if out is not None:
        typer.echo(f"Written to {out}: comparison.html, comparison.json, numbers.csv, figures")


def _write(folder: Path, trial: str, found: Any, content: dict[str, Any]) -> None:
    import polars as pl

    from flarefree.errors import OutputError
    from flarefree.reports.calibration import render_comparison_page, render_hold_out_page
    from flarefree.reports.figures import render_figure
    from flarefree.reports.figures.palette import Palette
    from flarefree.simulation.calibration.hold_outs import HOLD_OUTS
    from flarefree.simulation.calibration.showing import comparison_figures, hold_out_figure

    is_held_out = trial == HOLD_OUTS
    palette = Palette() if is_held_out else _palette(trial)
    figures = (hold_out_figure(found),) if is_held_out else comparison_figures(found)
    page = render_hold_out_page(found, palette) if is_held_out else render_comparison_page(found, palette)
    rows = content["hold_outs"] if is_held_out else content["numbers"]
    files = {
        "comparison.html": page,
        "comparison.json": json.dumps(_finite(content), indent=2) + "\n",
        "numbers.csv": pl.DataFrame(rows, infer_schema_length=None).write_csv(),
        **{f"{figure.id}.svg": render_figure(figure, palette) for figure in figures},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None


def _palette(trial: str) -> Any:
    from flarefree.protocol.loading import load_protocol
    from flarefree.reports.figures.palette import Palette

    return Palette.of(load_protocol(trial).spec)


def _finite(value: Any) -> Any:
    """JSON knows no infinity and no NaN: null there."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
