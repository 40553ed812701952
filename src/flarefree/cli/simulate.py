"""`flarefree simulate`: a protocol's trial, thousands of times, with virtual patients."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flarefree.cli.progress import progress_bar

if TYPE_CHECKING:
    from flarefree.simulation.characteristics import OperatingCharacteristics

__all__ = ["simulate"]


def simulate(
    protocol: Annotated[
        str | None, typer.Argument(metavar="PROTOCOL", help="A built-in protocol's name, or a YAML file.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", "-t", help="How many trials.")] = 1000,
    seed: Annotated[
        int | None, typer.Option(help="Another seed gives other virtual patients; the same one the same.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change the design; see --settings. May be repeated."
        ),
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="The endpoint to test; further ones are tested on the same patients."),
    ] = None,
    define: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME='SENTENCE'",
            help="Another sentence for an endpoint, beside the protocol's own and on the same patients.",
        ),
    ] = None,
    analysis: Annotated[
        str, typer.Option(help="log-rank, cox, or 'grouped log-rank' (by visit).")
    ] = "log-rank",
    null: Annotated[
        bool, typer.Option("--null", help="Also with every arm treated alike, for the type I error.")
    ] = False,
    looks: Annotated[
        str | None,
        typer.Option(metavar="FRACTIONS[:RULE]", help="Interim looks, as in 0.5,0.75:obrien-fleming."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; numbers do not depend on it. All cores if not given.")
    ] = None,
    posterior: Annotated[
        bool,
        typer.Option(
            "--posterior", help="Over the posterior of the calibration, not at the one point of the defaults."
        ),
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, whose workers do the work.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write results, as JSON, CSV and Parquet, to this folder."),
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="Write one virtual trial as a study folder instead, labeled virtual.")
    ] = None,
    trial: Annotated[int, typer.Option(min=0, help="Which trial --study writes.")] = 0,
    list_settings: Annotated[
        bool, typer.Option("--settings", help="List what can be set, with units and ranges.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a program.")] = False,
) -> None:
    """Simulate a protocol's trial thousands of times, with virtual patients.

    Every trial runs through the protocol's own sentences: visits, measurement
    error, committee, rescue, drop-out. What comes back is power, hazard ratios,
    events, durations: what the protocol would do before a patient is enrolled.
    The same seed gives the same patients on any number of workers.

    `flarefree simulate compare alms-maintenance` sets published numbers beside
    virtual trials, and `flarefree simulate calibrate` fits the patients again.

    Example: flarefree simulate alms-maintenance --trials 2000 --set dropout=0.15 --null
    """
    if list_settings:
        _print_settings(as_json)
        return
    from flarefree.errors import DesignError

    if protocol is None:
        raise DesignError("no protocol is named", try_="flarefree simulate alms-maintenance")
    if study is not None:
        _require_no_sentences(define or [])
        _write_study(study, protocol, settings or [], endpoint or [], seed, trial, posterior)
        return
    if out is not None:
        _require_free(out)
    with progress_bar(quiet=as_json) as move:
        found = _simulate(
            protocol, trials, seed, settings or [], endpoint or [], define or [], analysis, null, looks,
            workers, scheduler, posterior, move,
        )  # fmt: skip
    if out is not None:
        _write(found, out)
    if as_json:
        typer.echo(json.dumps(_finite(found.to_dict()), indent=2))
        return
    typer.echo(str(found))
    if out is not None:
        typer.echo(f"Written to {out}: results.json, results.csv, trials.parquet")


def _simulate(
    protocol: str,
    trials: int,
    seed: int | None,
    settings: list[str],
    endpoints: list[str],
    define: list[str],
    analysis: str,
    null: bool,
    looks: str | None,
    workers: int | None,
    scheduler: str | None,
    posterior: bool,
    move: Any,
) -> OperatingCharacteristics:
    from flarefree.simulation.settings import parse_settings
    from flarefree.simulation.simulating import DEFAULT_SEED
    from flarefree.simulation.simulating import simulate as run

    return run(
        protocol,
        trials=trials,
        seed=DEFAULT_SEED if seed is None else seed,
        settings=parse_settings(settings),
        endpoint=endpoints[0] if endpoints else None,
        endpoints=endpoints[1:],
        definitions=_definitions(define),
        analysis=analysis,
        null=null,
        looks=looks,
        parameters="posterior" if posterior else None,
        workers=workers,
        scheduler=scheduler,
        progress=move,
    )


def _definitions(words: list[str]) -> dict[str, dict[str, str]]:
    """Each `NAME='sentence'` as a definition of its own."""
    from flarefree.errors import DesignError

    found: dict[str, dict[str, str]] = {}
    for word in words:
        name, sign, sentence = word.partition("=")
        name = name.strip()
        if not sign or not name or not sentence.strip():
            raise DesignError(
                "a definition is a name and a sentence",
                where="--define",
                found=word,
                expected="NAME='SENTENCE'",
                try_="--define proteinuric_flare='upcr >= 2 * baseline(upcr) and upcr >= 1 mg/mg'",
            )
        label = name if name not in found else f"{name} ({len(found) + 1})"
        found[label] = {name: sentence.strip()}
    return found


def _print_settings(as_json: bool) -> None:
    from flarefree.simulation.settings import settings_table

    rows = settings_table()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    head = {"setting": "SETTING", "unit": "UNIT", "range": "RANGE", "meaning": "MEANING"}
    widths = {key: max(len(row[key]) for row in [head, *rows]) for key in ("setting", "unit", "range")}
    for row in [head, *rows]:
        cells = "  ".join(f"{row[key]:<{width}}" for key, width in widths.items())
        typer.echo(f"{cells}  {row['meaning']}".rstrip())


def _require_no_sentences(define: list[str]) -> None:
    """A study is read by its own protocol, so another sentence belongs into a copy of that."""
    from flarefree.errors import DesignError

    if define:
        raise DesignError(
            "a study is written for one protocol",
            where="--define",
            found=define[0],
            expected="no --define beside --study",
            try_="flarefree protocols copy NAME, change the sentence there, and simulate that file",
        )


def _write_study(
    folder: Path,
    protocol: str,
    settings: list[str],
    endpoints: list[str],
    seed: int | None,
    trial: int,
    posterior: bool,
) -> None:
    from flarefree.cli.demo_folder import require_free_study
    from flarefree.protocol.loading import load_protocol
    from flarefree.simulation.design import design_of
    from flarefree.simulation.settings import parse_settings
    from flarefree.simulation.simulating import DEFAULT_SEED, draws_of
    from flarefree.simulation.virtual_trial import write_virtual_study

    require_free_study(folder)
    loaded = load_protocol(protocol)
    draws = draws_of("posterior" if posterior else None)
    write_virtual_study(
        folder,
        loaded,
        design=design_of(loaded, parse_settings(settings), parameters=draws[0]),
        seed=DEFAULT_SEED if seed is None else seed,
        trial=trial,
        parameters=draws,
        endpoint=endpoints[0] if endpoints else None,
    )
    typer.echo(f"One virtual trial: {folder}  (try: flarefree analyze {folder})")


def _require_free(folder: Path) -> None:
    from flarefree.errors import OutputError

    if folder.exists() and not folder.is_dir():
        raise OutputError(
            "there is a file in the place of the folder", where=str(folder), try_="another --out"
        )


def _write(found: OperatingCharacteristics, folder: Path) -> None:
    from flarefree.errors import OutputError
    from flarefree.simulation.keeping import per_trial_frame

    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_finite(found.to_dict()), indent=2) + "\n"
        (folder / "results.json").write_text(text, encoding="utf-8")
        found.tidy().write_csv(folder / "results.csv")
        per_trial_frame(found).write_parquet(folder / "trials.parquet")
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None


def _finite(value: Any) -> Any:
    """JSON knows no infinity and no NaN: null there."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
