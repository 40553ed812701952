"""What a validation found, as text, JSON, a page, and a signed document (F-6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flarefree.conduct.checks.result import CheckResult, Evidence
from flarefree.conduct.randomization.sealing import Sealed, open_sealed, seal
from flarefree.errors import ConductError, OutputError
from flarefree.web.checks.catalog import GROUPS
from flarefree.web.checks.running import CheckedNumber

__all__ = [
    "VALIDATION_KIND",
    "Circumstances",
    "Validation",
    "json_of",
    "open_validation",
    "sign_validation",
    "text_of",
    "write_validation",
]

VALIDATION_KIND = "flarefree validation report 1"
_SHOWN = 3


@dataclass(frozen=True)
class Circumstances:
    """Of what, where and when: without these a report says nothing.

    Attributes
    ----------
    program : str
        `flarefree 0.1.0`.
    source_digest : str
        SHA-256 of all modules of the installed copy: the very program that was checked.
    protocol, protocol_digest : str
    platform, python, engine : str
        Operating system and machine; interpreter; database with its version.
    packages : mapping of str to str
        Versions of what the application stands on.
    begun, ended : str
        UTC.
    is_quick : bool
    """

    program: str
    source_digest: str
    protocol: str
    protocol_digest: str
    platform: str
    python: str
    engine: str
    packages: Mapping[str, str]
    begun: str
    ended: str
    is_quick: bool

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "packages": dict(self.packages)}


@dataclass(frozen=True)
class Validation:
    """A run of the checks."""

    circumstances: Circumstances
    found: tuple[CheckedNumber, ...]

    @property
    def passed(self) -> bool:
        """Whether every number that was asked for holds."""
        return bool(self.found) and all(one.passed for one in self.found)

    @property
    def counts(self) -> dict[str, int]:
        """How many passed, failed, were not run; and rows of evidence."""
        verdicts = [one.verdict for one in self.found]
        return {
            "passed": verdicts.count("passed"),
            "failed": verdicts.count("FAILED"),
            "not_run": verdicts.count("not run"),
            "rows": sum(len(part.evidence) for one in self.found for part in one.parts),
        }

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for signing."""
        return {
            "passed": self.passed,
            "counts": self.counts,
            **self.circumstances.to_dict(),
            "checks": [one.to_dict() for one in self.found],
        }


def text_of(found: CheckedNumber, *, all_rows: bool = False) -> str:
    """One number as it is printed: verdict, figures, what does not hold, what is left."""
    rows = sum(len(part.evidence) for part in found.parts)
    head = f"{found.number:<4} {found.verdict:<7} {found.title}  ({rows} rows, {found.seconds:.1f} s)"
    lines = [head]
    for part, where in ((p, w) for w, ps in _places(found) for p in ps):
        lines += [f"       {line}" for line in _rows_of(part, where, all_rows)]
    lines += [f"       left: {text}" for text in found.left]
    return "\n".join(lines)


def _places(found: CheckedNumber) -> tuple[tuple[str, tuple[CheckResult, ...]], ...]:
    return (("rules", found.rules), ("application", found.application))


def _rows_of(part: CheckResult, where: str, all_rows: bool) -> list[str]:
    shown = part.evidence if all_rows else _telling(part)
    lines = [f"{'ok ' if row.holds else 'NOT'} {row_text(row)}" for row in shown]
    rest = len(part.evidence) - len(shown)
    if not part.evidence:
        lines.append("NOT nothing was looked at")
    if rest:
        lines.append(f"    and {rest} more of the {where}, all of which hold")
    return lines


def _telling(part: CheckResult) -> tuple[Evidence, ...]:
    """All that does not hold, and the first few of what does, in their order."""
    first = [row for row in part.evidence if row.holds][:_SHOWN]
    return tuple(row for row in part.evidence if not row.holds or row in first)


def row_text(row: Evidence) -> str:
    """`slots given: 3200 (expected 3200)`."""
    return f"{row.what}: {value_text(row.found)} (expected {value_text(row.expected)})"


def value_text(value: Any) -> str:
    """A figure as it is printed."""
    value = _plain(value) if hasattr(value, "item") else value
    if isinstance(value, bool) or value is None:
        return "none" if value is None else "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def json_of(validation: Validation) -> str:
    """All of it; numbers of NumPy are written as the numbers that they are."""
    return json.dumps(validation.to_dict(), indent=2, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


# Files --------------------------------------------------------------------------------------------


def write_validation(validation: Validation, folder: Path, sealed: Sealed | None = None) -> tuple[str, ...]:
    """Write report.json and report.html, and report.signed if it was signed; their names.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    files = {
        "report.json": json_of(validation) + "\n",
        "report.html": render_validation(validation, sealed),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.signed").unlink(missing_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        if sealed is not None:
            (folder / "report.signed").write_bytes(sealed.to_bytes())
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None
    return (*files, *(("report.signed",) if sealed is not None else ()))


def render_validation(validation: Validation, sealed: Sealed | None = None) -> str:
    """The page: one file, no script, nothing loaded."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["value"] = value_text
    groups = [
        (letter, title, [one for one in validation.found if one.number[0] == letter])
        for letter, title in GROUPS.items()
    ]
    return environment.get_template("report.html").render(
        validation=validation,
        c=validation.circumstances,
        counts=validation.counts,
        groups=[(letter, title, found) for letter, title, found in groups if found],
        sealed=sealed,
    )


def sign_validation(validation: Validation, signing_key: bytes, *, signed_by: str) -> Sealed:
    """The report, signed by the one who answers for having run it.

    Raises
    ------
    ConductError
        No name.
    """
    if not signed_by.strip():
        raise ConductError(
            "a signature needs a name", where="--signed-by", try_="--signed-by 'Ada Example, sponsor'"
        )
    body = json.loads(json_of(validation)) | {"signed_by": signed_by.strip()}
    return seal(VALIDATION_KIND, body, signing_key)


def open_validation(data: bytes, public_key: bytes) -> Mapping[str, Any]:
    """A signed report's content, once signature and digest were found right.

    Raises
    ------
    ConductError
        It is not such a report, was changed, or was signed by another.
    """
    return open_sealed(data, kind=VALIDATION_KIND, public_key=public_key)
