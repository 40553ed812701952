"""The manifest: which protocol, data and program made which files, by their digests.

It holds nothing that changes from run to run or machine to machine: no time, no user, no absolute path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from flarefree.reports.building import data_digest
from flarefree.reports.content import ReportContent
from flarefree.reports.document import SourceLine
from flarefree.reports.formatting import format_count

__all__ = ["MANIFEST", "describe_outputs", "is_ours", "listed_files", "output_line", "render_manifest"]

MANIFEST = "manifest.json"
FORMAT = 1


def describe_outputs(folder: Path, names: Sequence[str]) -> tuple[SourceLine, ...]:
    """Size and digest of files below `folder`, in the order of their names."""
    lines = []
    for name in sorted(names):
        content = (folder / name).read_bytes()
        lines.append(SourceLine(name, f"{format_count(len(content))} bytes", sha256(content).hexdigest()))
    return tuple(lines)


def render_manifest(content: ReportContent, folder: Path, names: Sequence[str]) -> str:
    """The manifest of the files `names` below `folder`, as JSON."""
    from flarefree._version import __version__

    protocol = content.protocol
    return (
        json.dumps(
            {
                "manifest": FORMAT,
                "program": {"name": "flarefree", "version": __version__},
                "protocol": {"name": protocol.spec.name, "file": protocol.path, "sha256": protocol.digest},
                "study": {"name": content.study, "virtual": content.is_virtual},
                "data": {
                    "sha256": data_digest(content),
                    "files": [
                        {
                            "path": source.path,
                            "kind": source.kind,
                            "table": source.table,
                            "rows": source.rows,
                            "sha256": source.digest,
                        }
                        for source in content.sources
                    ],
                    "records": dict(content.row_counts),
                },
                "findings": len(content.findings),
                "outputs": [output_line(folder, name) for name in sorted(names)],
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def output_line(folder: Path, name: str) -> dict[str, object]:
    """Path, size and digest of a file, as manifests list it."""
    content = (folder / name).read_bytes()
    return {"path": name, "bytes": len(content), "sha256": sha256(content).hexdigest()}


def is_ours(folder: Path) -> bool:
    """Whether a folder holds a manifest of this program."""
    return listed_files(folder) is not None


def listed_files(folder: Path) -> frozenset[str] | None:
    """The files that the folder's manifest names, itself too; None where there is no manifest of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["program"]["name"] != "flarefree":
            return None
        return frozenset({MANIFEST, *(str(output["path"]) for output in manifest["outputs"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
