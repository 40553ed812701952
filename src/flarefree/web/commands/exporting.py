"""That a study was taken out is an entry of the log: by whom, what, with which digest."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from flarefree.conduct.audit.entries import Value
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.naming import new_key

__all__ = ["NoteExport"]


class NoteExport(Command):
    """The study was exported; asked for by the exporting itself, before the folder is there.

    Attributes
    ----------
    digest : str
        SHA-256 of the folder's manifest.
    patients, files : int
    """

    name: ClassVar[str] = "note_export"
    verb: ClassVar[str] = "export"
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    patients: Annotated[int, Field(ge=0)]
    files: Annotated[int, Field(ge=0, le=1000)]

    def plan(self, asked: Asked) -> Plan:
        """Who may take patients' data and decisions out may do this."""
        assert asked.actor is not None  # no machine exports
        key = new_key(asked.request)
        told: dict[str, Value] = {
            "by": asked.actor.person,
            "at": asked.at.isoformat(),
            "digest": self.digest,
            "patients": self.patients,
            "files": self.files,
        }
        writes = tuple(Write("export", key, name, "decisions.record", v, True) for name, v in told.items())
        needs = (Need("export", "decisions.record"),)
        return Plan(f"export/{key}", writes=writes, needs=needs, reason="exported", result={"export": key})
