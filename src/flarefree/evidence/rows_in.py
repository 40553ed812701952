"""Rows of tables as a base: what the schema would have read from YAML, with the lines of the tables.

Decides what a stranger's table may leave out.  `study, outcome, treatment` and a number are enough; a
study's other particulars are then not stated.  A treatment that nobody knows is new, unless its name is
nearly that of a known one: then it is asked whether that was meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from flarefree.errors import EvidenceError
from flarefree.evidence.problems import raise_first
from flarefree.evidence.reading import Loaded, builtin_words, merge, with_builtin_words
from flarefree.evidence.schema import BaseFile
from flarefree.protocol.yaml_source import YamlSource

__all__ = ["base_from_tables", "slug"]

Rows = list[tuple[int, dict[str, str]]]

_NEAR = 0.8
_NEEDED_IN = {
    "documents": ("document",),
    "studies": ("study",),
    "arms": ("study", "arm", "treatment"),
    "effects": ("study", "outcome", "arm_1", "arm_2", "measure", "estimate"),
    "curves": ("study", "outcome", "arm", "column"),
    "baseline": ("study", "arm", "characteristic"),
    "pooled": ("meta_analysis", "document", "estimate"),
    "risk_of_bias": ("study", "domain"),
    "conflicts": ("conflict", "about", "kind", "why", "handling", "document", "place", "says"),
}
_NEEDED = ("study", "outcome", "treatment")
_NUMBERS = (
    "events", "n", "n_printed", "percent", "rate", "person_years", "mean", "sd", "median", "q1", "q3",
    "geometric_mean", "lower", "upper",
)  # fmt: skip
_KINDS = ("percent_kind", "rate_per", "status")
_KNOWN = {
    *_NEEDED, *_NUMBERS, *_KINDS, "arm", "time", "phase", "subgroup", "population", "document", "place",
    "label", "domain", "good", "index", "p", "p_test", "use", "main", "confidence", "conflicts", "note",
    "year", "design", "randomized", "study_label", "n_how", "cell_use", "cell_place", "cell_note",
}  # fmt: skip


def base_from_tables(tables: Mapping[str, Rows], name: str) -> Loaded:
    """A base from the tables that `exchange.py` names, of which only `outcomes` is needed.

    Raises
    ------
    EvidenceError
        A column is missing, or a cell cannot be: file, line, study and cell.
    """
    builder = _Builder(name)
    builder.build(tables)
    source = YamlSource(name, "", builder.values, builder.lines, {})
    try:
        content = BaseFile.model_validate(builder.values)
    except ValidationError as error:
        raise_first(error, source, BaseFile)
    return with_builtin_words(merge([(content, source)]))


def slug(text: str) -> str:
    """A key from words: `Dall'Era 2011 (ACCESS)` becomes `dall_era_2011_access`."""
    key = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    return key if key[:1].isalpha() else f"study_{key}"


class _Builder:
    """Fills the values of a base, and the line of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, Any] = {part: {} for part in BaseFile.model_fields}
        self.lines: dict[str, int] = {}
        self.builtin = builtin_words().content
        self.has_conflicts = False
        self.places: dict[tuple[str, str], list[Any]] = {}  # (study, index or what it is) -> its outcome

    def build(self, tables: Mapping[str, Rows]) -> None:
        outcomes = tables.get("outcomes", [])
        self.has_conflicts = bool(tables.get("conflicts"))
        self._require_columns(outcomes, bool(tables.get("effects")))
        for table, needed in _NEEDED_IN.items():
            self._require_cells(table, needed, tables.get(table, []))
        for line, row in tables.get("documents", []):
            self._put(("documents", row["document"]), _filled(row, ("document",)), line)
        for line, row in tables.get("studies", []):
            self._study(row, line)
        self._require_studies("arms", tables)
        for line, row in tables.get("arms", []):
            self._arm(row["study"], row["arm"], row, line)
        for line, row in outcomes:
            self._outcome_row(row, line)
        for line, row in tables.get("effects", []):
            self._effect_row(row, line)
        for table in ("curves", "baseline", "risk_of_bias"):
            self._require_studies(table, tables)
        for line, row in tables.get("curves", []):
            self._curve_row(row, line)
        for line, row in tables.get("baseline", []):
            self._baseline_row(row, line)
        for line, row in tables.get("pooled", []):
            self._pooled_row(row, line)
        for _, row in tables.get("risk_of_bias", []):
            judgement = _filled(row, ("study", "domain"))
            self.values["studies"][row["study"]].setdefault("risk_of_bias", {})[row["domain"]] = judgement
        for line, row in tables.get("conflicts", []):
            self._conflict_row(row, line)
        self._finish()

    def _require_columns(self, outcomes: Rows, has_effects: bool) -> None:
        found = set(outcomes[0][1]) if outcomes else set()
        for column in sorted(found - _KNOWN):
            near = difflib.get_close_matches(column, sorted(_KNOWN - found), n=1, cutoff=_NEAR)
            if near:  # any other column may stand there: only a slip is told
                raise EvidenceError(
                    f"there is no column {column}",
                    where=f"{self.name}:1",
                    found=column,
                    try_=f"did you mean {near[0]}?",
                )
        missing = [column for column in _NEEDED if column not in found]
        if missing and not (has_effects and not outcomes):
            raise EvidenceError(
                f"there is no column {missing[0]}",
                where=f"{self.name}:1",
                found=", ".join(sorted(found)) or "no rows",
                expected=", ".join(_NEEDED) + ", and numbers: n and events, or n, mean and sd",
            )

    def _require_cells(self, table: str, needed: tuple[str, ...], rows: Rows) -> None:
        """The cells of a table by which its rows are known."""
        for line, row in rows:
            for column in needed:
                if column not in row:
                    raise EvidenceError(
                        f"there is no column {column}",
                        where=f"{self.name}/{table}.csv:1",
                        found=", ".join(row),
                        expected=", ".join(needed),
                    )
                if not row[column]:
                    raise EvidenceError(
                        f"a row has no {column.replace('_', ' ')}",
                        where=f"{self.name}/{table}.csv:{line}",
                        expected=f"a {column.replace('_', ' ')}",
                    )

    def _require_studies(self, table: str, tables: Mapping[str, Rows]) -> None:
        """Rows of this table are of studies that studies.csv, or a row of outcomes, has."""
        studies = self.values["studies"]
        for line, row in tables.get(table, []):
            if row["study"] not in studies:
                near = difflib.get_close_matches(row["study"], list(studies), n=1, cutoff=_NEAR)
                raise EvidenceError(
                    f"there is no study {row['study']}",
                    where=f"{self.name}/{table}.csv:{line}",
                    found=row["study"],
                    expected="a study of studies.csv",
                    try_=f"did you mean {near[0]}?" if near else "",
                )

    # Studies and arms

    def _study_key(self, row: Mapping[str, str], line: int) -> str:
        label = row["study"]
        key = label if re.fullmatch(r"[a-z][a-z0-9_]*", label) else slug(label)
        if not label:
            raise EvidenceError("a row names no study", where=f"{self.name}:{line}", expected="a study")
        if key not in self.values["studies"]:
            self._study(
                {**row, "study": key, "label": row.get("label_of_study") or row.get("study_label") or label},
                line,
            )
        return key

    def _study(self, row: Mapping[str, str], line: int) -> None:
        year = row.get("year") or _year_in(row.get("label", "")) or _year_in(row["study"])
        design = {
            "kind": row.get("design") or "not stated",
            **{name: row[name] == "yes" for name in ("randomized", "rerandomized") if row.get(name)},
            **{name: row[name] for name in ("masking", "centers") if row.get(name)},
        }
        if row.get("countries"):
            design["countries"] = row["countries"].split("; ")
        names = ("registration", "follow_up", "n_randomized", "n_analyzed", "population")
        study: dict[str, Any] = {
            "label": row.get("label") or row["study"],
            **({"year": year} if year else {}),
            "phase": row.get("phase") or "not stated",
            "design": design,
            **{name: row[name] for name in names if row.get(name)},
            "arms": {},
            "reports": [],
            "baseline": [],
        }
        if row.get("overlaps"):
            words = [overlap.rpartition(" ") for overlap in row["overlaps"].split("; ")]
            study["overlaps"] = [{"how": how, "study": of} for how, _, of in words]
        self._put(("studies", row["study"]), study, line)

    def _arm(self, study: str, arm: str, row: Mapping[str, str], line: int) -> None:
        names = ("label", "regimen", "n", "n_how", "n_safety", "place", "note")
        treatment = self._treatment(row["treatment"], study, line)
        made = {"treatment": treatment, **{name: row[name] for name in names if row.get(name)}}
        self._put(("studies", study, "arms", arm), made, line)

    def _arm_of(self, study: str, row: Mapping[str, str], line: int) -> str:
        """The arm that a row is of: named, or the one with its treatment; made if it is new."""
        arms = self.values["studies"][study]["arms"]
        if row.get("arm"):
            if row["arm"] not in arms:
                self._arm(study, row["arm"], {"treatment": row["treatment"]}, line)
            return row["arm"]
        treatment = self._treatment(row["treatment"], study, line)
        for name, arm in arms.items():
            if arm["treatment"] == treatment:
                return str(name)
        self._put(("studies", study, "arms", treatment), {"treatment": treatment}, line)
        return treatment

    def _treatment(self, name: str, study: str, line: int) -> str:
        known = self.builtin.treatments
        if name in known or name in self.values["treatments"]:
            return name
        for key, treatment in known.items():
            if name.casefold() in {
                key.casefold(),
                treatment.label.casefold(),
                *map(str.casefold, treatment.also),
            }:
                return key
        if not name:
            raise EvidenceError(f"{study}: a row names no treatment", where=f"{self.name}:{line}")
        names = [
            *known,
            *(other for treatment in known.values() for other in (treatment.label, *treatment.also)),
        ]
        if near := difflib.get_close_matches(name, names, n=1, cutoff=_NEAR):
            raise EvidenceError(
                f"{study}: there is no treatment {name}",
                where=f"{self.name}:{line}",
                found=name,
                expected="a known treatment, or a name of its own",
                try_=f"did you mean {near[0]}?",
            )
        self._put(("treatments", name), {"label": name}, line)
        return name

    # Outcomes

    def _outcome_row(self, row: Mapping[str, str], line: int) -> None:
        study = self._study_key(row, line)
        arm = self._arm_of(study, row, line)
        outcome, path = self._outcome_of(study, row, line)
        if arm in outcome["arms"]:
            first = self.lines[".".join(map(str, (*path, "arms", arm)))]
            raise EvidenceError(
                f"{study}, {outcome['outcome']}: arm {arm} is given twice",
                where=f"{self.name}:{line}",
                found=f"lines {first} and {line}",
                expected="a row an arm, outcome and time",
            )
        self._put((*path, "arms", arm), _cell(row), line)

    def _outcome_of(
        self, study: str, row: Mapping[str, str], line: int
    ) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """The outcome that a row belongs to, made if it is new, and its path."""
        names = ("outcome", "phase", "time", "subgroup", "population", "document", "place")
        # The place of a number may be its own, so rows that carry an index are told apart by it alone.
        what = row.get("index") or "|".join(row.get(name, "") for name in names)
        if (study, what) in self.places:
            found = self.places[study, what]
            return found[0], found[1]
        reports = self.values["studies"][study]["reports"]
        path = ("studies", study, "reports", len(reports), "outcomes", 0)
        outcome: dict[str, Any] = {"outcome": self._outcome_word(row, line), "arms": {}, "effects": []}
        outcome |= {
            name: row[name] for name in ("subgroup", "population", "p", "p_test", "note") if row.get(name)
        }
        outcome |= {"main": True} if row.get("main") == "yes" else {}
        outcome |= {"use": False} if row.get("use") == "no" else {}
        outcome |= {"label": row["label"]} if row.get("label") and not row.get("label_of_study") else {}
        if row.get("conflicts") and self.has_conflicts:
            outcome["conflicts"] = row["conflicts"].split("; ")
        if row.get("confidence") in ("high", "medium", "low"):
            outcome["confidence"] = row["confidence"]
        report = {
            "document": self._document(row, line),
            "place": row.get("place") or f"line {line}",
            **{name: row[name] for name in ("phase", "time") if row.get(name)},
            "outcomes": [outcome],
        }
        reports.append(report)
        self.lines[".".join(map(str, path[:4]))] = line
        self.lines[".".join(map(str, path))] = line
        self.places[study, what] = [outcome, path]
        return outcome, path

    def _outcome_word(self, row: Mapping[str, str], line: int) -> str:
        written = row["outcome"]
        key = written if re.fullmatch(r"[a-z][a-z0-9_]*", written) else slug(written)
        if key not in self.builtin.outcomes and key not in self.values["outcomes"]:
            word = {
                "label": written,
                "domain": row.get("domain") or "efficacy",
                "good": row.get("good") or "neither",
            }
            self._put(("outcomes", key), word, line)
        return key

    def _document(self, row: Mapping[str, str], line: int) -> str:
        written = row.get("document") or self.name
        key = written if re.fullmatch(r"[a-z][a-z0-9_]*", written) else slug(written)
        if key not in self.values["documents"]:
            year = _year_in(key)
            document = {"citation": written, "kind": "page", **({"year": year} if year else {})}
            self._put(("documents", key), document, line)
        return key

    def _effect_row(self, row: Mapping[str, str], line: int) -> None:
        study = self._study_key(row, line)
        arms = [self._arm_named(study, row[name], line) for name in ("arm_1", "arm_2")]
        outcome, path = self._outcome_of(study, row, line)
        limits = {name: row[name] for name in ("lower", "upper") if row.get(name)}
        effect = {
            "arms": arms,
            "measure": row["measure"],
            "estimate": {"value": row["estimate"], **limits},
            **{name: row[name] for name in ("p", "model") if row.get(name)},
            **({"adjusted": True} if row.get("adjusted") == "yes" else {}),
            **({"note": row["effect_note"]} if row.get("effect_note") else {}),
        }
        self.lines[".".join(map(str, (*path, "effects", len(outcome["effects"]))))] = line
        outcome["effects"].append(effect)

    def _arm_named(self, study: str, name: str, line: int) -> str:
        """An arm by its own name, or by its treatment."""
        is_arm = name in self.values["studies"][study]["arms"]
        return self._arm_of(study, {"arm": name if is_arm else "", "treatment": name}, line)

    def _curve_row(self, row: Mapping[str, str], line: int) -> None:
        outcome, path = self._outcome_of(row["study"], row, line)
        curve = outcome.setdefault(
            "curve",
            {"columns": row.get("columns") or "as in the table", "months": [], "at_risk": {}, "events": {}},
        )
        for name in ("at_risk", "events"):
            if row.get(name):
                curve[name].setdefault(row["arm"], []).append(row[name])
        if row.get("months") and len(curve["months"]) <= int(row["column"]):
            curve["months"].append(row["months"])
        curve |= {"logrank_chi2": row["logrank_chi2"]} if row.get("logrank_chi2") else {}
        curve |= {"p": row["p_logrank"]} if row.get("p_logrank") else {}
        self.lines.setdefault(".".join(map(str, (*path, "curve"))), line)

    def _baseline_row(self, row: Mapping[str, str], line: int) -> None:
        parts = self.values["studies"][row["study"]]["baseline"]
        head = {"document": row.get("document", ""), "note": row.get("note", "")}
        head["place"] = row.get("place") or f"line {line}"
        part = next((p for p in parts if {k: p[k] for k in head} == head), None)
        if part is None:
            part = {**head, "arms": {}}
            parts.append(part)
        part["arms"].setdefault(row["arm"], {})[row["characteristic"]] = _cell(row)

    def _pooled_row(self, row: Mapping[str, str], line: int) -> None:
        key = row["meta_analysis"]
        if key not in self.values["meta_analyses"]:
            names = ("label", "year", "kind", "studies", "participants", "document", "place")
            self._put(
                ("meta_analyses", key), {**{n: row[n] for n in names if row.get(n)}, "results": []}, line
            )
        analysis = self.values["meta_analyses"][key]
        limits = {name: row[name] for name in ("lower", "upper") if row.get(name)}
        result = {
            **{
                name: row[name]
                for name in ("treatment", "against", "outcome", "measure", "note")
                if row.get(name)
            },
            "estimate": {"value": row["estimate"], **limits},
            **({"label": row["outcome_label"]} if row.get("outcome_label") else {}),
            **(
                {"conflicts": row["conflicts"].split("; ")}
                if row.get("conflicts") and self.has_conflicts
                else {}
            ),
            **{
                name: row[name]
                for name in ("document", "place")
                if row.get(name) and row[name] != analysis[name]
            },
        }
        self.lines[f"meta_analyses.{key}.results.{len(analysis['results'])}"] = line
        analysis["results"].append(result)

    def _conflict_row(self, row: Mapping[str, str], line: int) -> None:
        key, names = row["conflict"], ("about", "kind", "why", "handling")
        if key not in self.values["conflicts"]:
            studies = [study for study in row["studies"].split("; ") if study]
            self._put(
                ("conflicts", key), {**{n: row[n] for n in names}, "studies": studies, "values": []}, line
            )
        value = {name: row[name] for name in ("document", "place", "says")}
        self.values["conflicts"][key]["values"].append(value)

    def _finish(self) -> None:
        """A document that only the rows name is known by its name."""
        for key, analysis in self.values["meta_analyses"].items():
            row = {"document": analysis["document"], "study": key}
            self._document(row, self.lines[f"meta_analyses.{key}"])

    def _put(self, path: tuple[Any, ...], value: Any, line: int) -> None:
        where = self.values
        for step in path[:-1]:
            where = where[step]
        if path[-1] in where and path[0] in ("studies", "documents"):
            raise EvidenceError(
                f"{path[-1]} is given twice", where=f"{self.name}:{line}", expected="each once"
            )
        where[path[-1]] = value
        self.lines[".".join(map(str, path))] = line


def _cell(row: Mapping[str, str]) -> dict[str, Any]:
    cell: dict[str, Any] = {name: row[name] for name in (*_NUMBERS, *_KINDS) if row.get(name)}
    if row.get("n_how", "").startswith("arm's size"):
        cell.pop("n", None)
    if cell.get("status") in ("percent_only", "rate_only"):
        cell.pop("status")
    if row.get("cell_use") == "no":
        cell["use"] = False
    return cell | {name: row[f"cell_{name}"] for name in ("place", "note") if row.get(f"cell_{name}")}


def _filled(row: Mapping[str, str], without: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value and name not in without}


def _year_in(text: str) -> str:
    found = re.search(r"(?:19|20)\d\d", text)
    return found[0] if found else ""
