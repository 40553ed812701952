"""Which dataset of SDTM or ADaM a raw table is, by its columns and its name."""

from __future__ import annotations

from dataclasses import dataclass

from flarefree.readers.maps import ColumnMap
from flarefree.readers.raw import RawTable
from flarefree.records.cdisc import ADAM, NOT_DATA, SDTM, DatasetMap, sdtm_domain

__all__ = ["Recognized", "recognize"]


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a raw table is.

    Attributes
    ----------
    how : ColumnMap or None
        How its rows are read; None if they are not.
    dataset : str
        `LB`, `ADSL`, `SUPPDM`, `SC` ...; empty if it is none.
    why_not : str
        Why its rows are not read; empty if they are, or serve as covariates.
    """

    how: ColumnMap | None
    dataset: str = ""
    why_not: str = ""

    @property
    def is_for_covariates(self) -> bool:
        """Whether it is looked into for covariates."""
        return self.dataset in ("DM", "ADSL", "SUPPDM", "SC")


def recognize(raw: RawTable) -> Recognized:
    """Say what a raw table is; never raises."""
    columns = {name.upper() for name in raw.frame.columns}
    name = raw.name.upper()
    if {"RDOMAIN", "QNAM", "QVAL"} <= columns:
        return _supplement(raw)
    if "PARAMCD" in columns or name.startswith("AD"):
        analysis = _analysis(name, columns)
        if analysis is not None:
            return analysis
    return _tabulation(raw, name, columns)


def _supplement(raw: RawTable) -> Recognized:
    domain = _only_value(raw, "RDOMAIN")
    why_not = "" if domain == "DM" else "supplemental qualifiers are read for DM alone"
    return Recognized(None, f"SUPP{domain}", why_not)


def _analysis(name: str, columns: set[str]) -> Recognized | None:
    if "CNSR" in columns:
        return Recognized(None, name, NOT_DATA["ADTTE"])
    if name in ADAM and "USUBJID" in columns:
        return Recognized(ColumnMap.of_dataset(ADAM[name]), name)
    if "PARAMCD" in columns and columns & {"AVAL", "AVALC"}:
        return Recognized(ColumnMap.of_dataset(ADAM["BDS"]), name)
    return None


def _tabulation(raw: RawTable, name: str, columns: set[str]) -> Recognized:
    domain = _only_value(raw, "DOMAIN").upper()
    named = domain if domain in SDTM or domain in NOT_DATA or domain == "SC" else sdtm_domain(name) or name
    if named in NOT_DATA:
        return Recognized(None, named, NOT_DATA[named])
    if named == "SC" and {"USUBJID", "SCTESTCD"} <= columns:
        return Recognized(None, "SC")
    if named in SDTM and (domain or _has_its_columns(SDTM[named], columns)):
        return Recognized(ColumnMap.of_dataset(SDTM[named]), named)
    return Recognized(None, "", "no dataset of SDTM or ADaM that flarefree reads")


def _has_its_columns(dataset: DatasetMap, columns: set[str]) -> bool:
    return all(columns.intersection(dataset.columns[ours]) for ours in dataset.required)


def _only_value(raw: RawTable, column: str) -> str:
    """The value that a column has in all rows; empty if there is none, or several."""
    theirs = raw.column(column)
    if theirs is None or not raw.frame.height:
        return ""
    values = raw.frame[theirs].drop_nulls().unique()
    return str(values[0]) if len(values) == 1 else ""
