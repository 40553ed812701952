"""Fill the made parts of docs/methods/calibration.md, and draw its figures, from this version's posterior.

`python scripts/calibration_page.py [TRIALS]` takes some minutes.  The page carries a digest of what it was
made from; `tests/simulation/test_simulation_calibration_page.py` fails where that is no longer so.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flarefree.protocol.loading import load_protocol
from flarefree.reports.figures import render_figure
from flarefree.reports.figures.palette import Palette
from flarefree.simulation.calibration.comparing import Comparison, Row, compare
from flarefree.simulation.calibration.hold_outs import Prediction, load_hold_outs, predict_hold_outs
from flarefree.simulation.calibration.posterior import DRAWS_FILE, Posterior, load_posterior
from flarefree.simulation.calibration.priors import PRIORS
from flarefree.simulation.calibration.showing import comparison_figures, hold_out_figure
from flarefree.simulation.calibration.targets import load_targets, text_of
from flarefree.simulation.calibration.telling import interval_text, number_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "methods" / "calibration.md"
IMAGES = DOCS / "images"
TRIALS = 1000
MADE = "<!-- made from {digest} -->"
USES = {"fitted": "fitted", "input": "put in", "compared": "compared"}


def main() -> None:
    """Write the page and its figures."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    posterior = load_posterior()
    comparisons = [compare(name, trials=trials) for name in load_targets()]
    held = predict_hold_outs(trials=trials)
    IMAGES.mkdir(exist_ok=True)
    for found in comparisons:
        palette = Palette.of(load_protocol(found.trial).spec)
        for figure in comparison_figures(found):
            (IMAGES / f"calibration-{figure.id}.svg").write_text(render_figure(figure, palette), "utf-8")
    (IMAGES / "calibration-held-out.svg").write_text(render_figure(hold_out_figure(held), Palette()), "utf-8")
    parts = {
        "provenance": f"{MADE.format(digest=digest())}\n\n{provenance(posterior)}",
        "parameters": parameters(posterior),
        "comparisons": "\n\n".join(comparison(found) for found in comparisons),
        "hold-outs": hold_outs(held),
    }
    text = PAGE.read_text("utf-8")
    for name, made in parts.items():
        pattern = rf"(<!-- made: {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.S)
    PAGE.write_text(text, "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")


def digest() -> str:
    """Of everything that the page's numbers rest on, but for the program itself."""
    parts = (text_of(DRAWS_FILE), text_of("targets.yaml"), text_of("hold_outs.yaml"))
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def provenance(posterior: Posterior) -> str:
    """How the sample was made."""
    how = posterior.provenance
    moments, sampled, learned = how["simulated_moments"], how["posterior"], how["emulator"]
    return "\n".join(
        (
            f"- Made by `{how['command']}` ({how['program']}).",
            f"- Simulated moments: {'converged' if moments['converged'] else 'not converged'} after "
            f"{moments['steps']} steps and {moments['points']} points; "
            f"objective {moments['objective']:.1f} of {how['fitted_numbers']} numbers, "
            f"{moments['of_priors']:.1f} of it from priors.",
            f"- Explored: {how['exploring']['points']} points, of which the model refused "
            f"{how['exploring']['refused']}.",
            f"- Emulator: median error {learned['median_error']:.2f} SD of one trial, largest "
            f"{learned['largest_error']:.2f}; chains accept {learned['accepted']:.2f} of their steps, "
            f"largest R-hat {learned['r_hat']:.3f}.",
            f"- Posterior: {sampled['points']} points simulated, worth {sampled['effective_points']:.0f} "
            f"independent ones; the largest weight is {sampled['largest_weight']:.4f}.",
            f"- Kept: {sampled['draws']} draws, {sampled['distinct_draws']} of them distinct.",
        )
    )


def parameters(posterior: Posterior) -> str:
    """Each fitted parameter: prior, posterior, ratio of their standard deviations; correlations."""
    spread = posterior.spread()
    low, middle, high = np.quantile(posterior.values, [0.025, 0.5, 0.975], axis=0)
    rows = []
    for i, prior in enumerate(PRIORS):
        first, last = sorted((prior.value(-1.96), prior.value(1.96)))
        rows.append(
            (
                f"`{prior.name}`",
                f"{prior.middle:.3g} ({first:.3g} to {last:.3g})",
                f"{middle[i]:.3g} ({low[i]:.3g} to {high[i]:.3g})",
                f"{spread[prior.name]:.2f}",
                prior.source,
            )
        )
    pairs = "; ".join(f"`{a}` with `{b}` {r:+.2f}" for a, b, r in posterior.strongest())
    head = ("parameter", "prior: median (95 %)", "posterior: median (95 %)", "SD ratio", "the prior's source")
    return f"{table(head, rows)}\n\nStrongest correlations: {pairs}."


def comparison(found: Comparison) -> str:
    """A trial's numbers."""
    missed = "; ".join(
        f"{r.target.label}{f' ({r.target.arm})' if r.target.arm else ''}: {USES[str(r.target.status)]}, "
        f"{number_text(r.target.value, r.target.digits)} against {interval_text(r)}"
        for r in found.missed
    )
    parts = [
        f"### {found.trial}",
        f"{found.trials:,} virtual trials over {found.draws} draws.",
        f"![Published numbers over predicted intervals](../images/calibration-{found.trial}-predicted.svg)",
        f"![Numbers that the model was given](../images/calibration-{found.trial}-put-in.svg)",
        f"Outside their intervals: {missed or 'none'}.",
        table(
            ("of", "inside", "by chance (95 %)", "were they independent"),
            [
                (
                    c.of,
                    f"{c.inside} of {c.count}",
                    f"{c.low} to {c.high}",
                    f"{c.binomial_low} to {c.binomial_high}",
                )
                for c in found.coverage
            ],
        ),
        "\n".join(
            f"- {j.of[0].upper()}{j.of[1:]}, jointly: distance {j.distance:.1f} in {j.rank} directions; "
            f"{j.p_value:.3f} of virtual trials lie farther out."
            for j in found.joint
        ),
        "\n".join(
            f"- {i.says[0].upper()}{i.says[1:]}: {'holds' if not i.broken else f'broken for {i.broken}'} "
            f"({i.patients:,} patients)."
            for i in found.invariants
        ),
    ]
    if found.power:
        rows = [(p.label, f"{p.power:.3f}", f"{p.std_error:.4f}", p.note) for p in found.power]
        parts.append(table(("test of treatment failure", "rate", "Monte Carlo error", "note"), rows))
    parts += [number_table(found.rows)]
    if found.not_produced:
        rows = [(numbers, reason) for numbers, reason in found.not_produced]
        parts.append(table(("published, not produced", "why"), rows))
    return "\n\n".join(parts)


def number_table(rows: Sequence[Row]) -> str:
    """Every number with its interval."""
    return table(
        ("number", "arm", "published", "mean", "95 % predicted", "PIT", "use", "why not fitted"),
        [
            (
                r.target.label,
                r.target.arm,
                number_text(r.target.value, r.target.digits),
                number_text(r.mean, r.target.digits + (1 if r.target.is_count else 0)),
                interval_text(r) if r.is_inside else f"**{interval_text(r)}**",
                f"{r.pit:.2f}",
                USES[str(r.target.status)],
                r.target.reason,
            )
            for r in rows
        ],
    )


def hold_outs(found: Sequence[Prediction]) -> str:
    """What nothing was fitted to."""
    rows = []
    for p in found:
        near = f"{number_text(p.low, p.digits)} to {number_text(p.high, p.digits)}"
        far = f"{number_text(p.elsewhere_low, p.digits)} to {number_text(p.elsewhere_high, p.digits)}"
        asked = f"{p.factor:.2f} ({p.factor_low:.2f} to {p.factor_high:.2f})" if p.factor == p.factor else ""
        rows.append(
            (
                f"{p.trial}: {p.label}", p.arm, number_text(p.published, p.digits),
                near if p.is_inside_as_alms else f"**{near}**", far if p.is_inside else f"**{far}**",
                f"{p.pit:.2f}", asked,
            )
        )  # fmt: skip
    head = ("trial and number", "arm", "published", "as ALMS", "elsewhere", "PIT", "factor asked for")
    notes = "\n".join(
        f"- **{held.label}** [{held.source}]: {str(held.spec['note']).strip()} "
        f"Left out: {str(held.spec['misses']).strip()}"
        for held in load_hold_outs().values()
    )
    image = "![Trials held out, over predicted intervals](../images/calibration-held-out.svg)"
    return f"{image}\n\n{table(head, rows)}\n\nBold intervals miss the published number.\n\n{notes}"


if __name__ == "__main__":
    main()
