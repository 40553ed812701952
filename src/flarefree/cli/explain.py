"""`flarefree explain`: why a patient had an endpoint, or had not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["explain_command"]


def explain_command(
    study: Annotated[Path, typer.Argument(help="A study folder, its study.yaml, or one data file.")],
    subject: Annotated[str, typer.Argument(help="The patient's study-wide identifier.")],
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the protocol.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", "-p", help="A protocol's name or file; else what study.yaml names."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole tree as JSON, for a program.")] = False,
) -> None:
    """Say why a patient had an endpoint, or had not.

    Prints the protocol's sentence as a tree of clauses, each with its value,
    its verdict and the rows of the files it was read from; for an event that
    did not happen, what stood in the way at each visit.

    Example: flarefree explain my-study 017-004 proteinuric_flare
    """
    from flarefree.endpoints.derive import derive
    from flarefree.endpoints.explain import explain, render_text
    from flarefree.readers.study_folder import read_study

    explanation = explain(derive(read_study(study, protocol=protocol), protocol), subject, endpoint)
    if as_json:
        typer.echo(json.dumps(explanation.to_dict(), indent=2, ensure_ascii=False))
    else:
        typer.echo(render_text(explanation))
