"""A run's record: its inputs and numbers as plain values with digests, and back from a file.

A later run reads it to say what changed.  It holds nothing that changes from run to run or machine to
machine; the same question, base and program give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flarefree.errors import EvidenceError

if TYPE_CHECKING:
    from flarefree.evidence.library import Evidence
    from flarefree.evidence.questions.answering import Answer, OutcomeAnswer

__all__ = ["RECORD", "base_digest", "canonical", "digest_of", "read_record", "record_of", "render_record"]

RECORD = "run.json"
FORMAT = 1
_ROW = (
    "study", "label", "year", "outcome", "arm", "treatment", "n", "events", "mean", "sd", "time", "status",
    "n_how", "design", "randomized", "confidence", "document", "place", "source",
)  # fmt: skip


def record_of(answer: Answer) -> dict[str, Any]:
    """Inputs and numbers of a run."""
    from flarefree._version import __version__

    inputs = {name: _inputs(outcome) for name, outcome in answer.outcomes.items()}
    numbers = [_number(n) for outcome in answer.outcomes.values() for n in outcome.numbers]
    sequential = [each for outcome in answer.outcomes.values() for each in _sequential(outcome)]
    return {
        "run": FORMAT,
        "program": {"name": "flarefree", "version": __version__},
        "question": {
            "name": answer.spec.name,
            "file": answer.question.source.name,
            "sha256": answer.question.digest,
        },
        "base": {"studies": len(answer.evidence.content.studies), "sha256": base_digest(answer.evidence)},
        "inputs": inputs,
        "numbers": numbers,
        "sequential": sequential,
        "digests": {"inputs": digest_of(inputs), "numbers": digest_of(numbers)},
    }


def _inputs(outcome: OutcomeAnswer) -> dict[str, Any]:
    rows = [{name: getattr(row, name) for name in _ROW} for row in outcome.gathered.rows]
    settings = outcome.asked.model_dump(mode="json", by_alias=True)
    return {
        "settings": {
            **settings,
            "reference": outcome.reference,
            "good": outcome.good,
            "order": list(outcome.order),
        },
        "rows": rows,
        "sha256": digest_of(rows),
    }


def _number(number: Any) -> dict[str, Any]:
    """Without `studies`' tuple, and no NaN, which JSON does not have."""
    return {name: _plain(value) for name, value in asdict(number).items()}


def _sequential(outcome: OutcomeAnswer) -> list[dict[str, Any]]:
    found = []
    for pair in outcome.pooled.pairs:
        if pair.sequential is None:
            continue
        looks = pair.sequential
        found.append(
            {
                "key": f"{outcome.outcome}/sequential/{pair.treatment}/{pair.against}",
                "effect": looks.effect,
                "fraction": _plain(float(looks.fraction[-1])),
                "z": _plain(float(looks.z[-1])),
                "boundary": _plain(float(looks.boundary[-1])),
                "crossed": bool(looks.crossed.any()),
                "conclusion": looks.conclusion,
            }
        )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def canonical(value: Any) -> str:
    """JSON of which there is one form only."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 of a value's one form."""
    return sha256(canonical(value).encode()).hexdigest()


def base_digest(evidence: Evidence) -> str:
    """Of all that the base says, whatever its files are called."""
    return sha256(evidence.content.model_dump_json().encode()).hexdigest()


def render_record(record: Mapping[str, Any]) -> str:
    """The record as the text of `run.json`."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """An earlier run, from its folder or its `run.json`.

    Raises
    ------
    EvidenceError
        There is none, or the file is not the record of a run.
    """
    file = path / RECORD if path.is_dir() else path
    try:
        record = json.loads(file.read_text("utf-8"))
        if record["run"] != FORMAT or record["program"]["name"] != "flarefree":
            raise KeyError("run")
        _require_whole(record)
    except OSError:
        raise EvidenceError(
            "there is no earlier run here",
            where=str(path),
            expected=f"a folder that flarefree evidence report wrote, or its {RECORD}",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EvidenceError(
            "this is not the record of a run", where=str(file), expected=f"{RECORD} of an evidence report"
        ) from None
    return dict(record)


def _require_whole(record: Mapping[str, Any]) -> None:
    """All that a comparison reads; raises KeyError or TypeError otherwise."""
    record["question"]["name"], record["question"]["sha256"], record["base"]["sha256"]
    for outcome in record["inputs"].values():
        outcome["settings"]["measure"]
        for row in outcome["rows"]:
            for name in _ROW:
                row[name]
    for number in record["numbers"]:
        number["key"], number["estimate"]
    for each in record["sequential"]:
        each["key"], each["conclusion"]
