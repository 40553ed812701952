"""`roles.yaml` to a `Matrix`: every name found, every key known, every cell written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from flarefree.conduct.roles.matrix import (
    OPEN,
    PHASES,
    About,
    Cell,
    Declassifier,
    Field,
    Forbidden,
    Matrix,
    Message,
    Role,
    Scope,
    Side,
    Verb,
    digest_of,
    frozen,
    unknown,
)
from flarefree.errors import ConductError
from flarefree.protocol.yaml_source import YamlSource, read_yaml

__all__ = ["matrix_of", "read_matrix"]

_PARTS = (
    "matrix", "phases", "labels", "declassifiers", "fields", "verbs", "logged_reads", "groups", "roles",
    "forbidden", "messages",
)  # fmt: skip


def read_matrix(text: str, name: str) -> Matrix:
    """Read a matrix; what it allows is not judged here."""
    return matrix_of(read_yaml(text, name))


def matrix_of(source: YamlSource) -> Matrix:
    """The matrix that a file's values say."""
    return _Reader(source).matrix()


@dataclass(frozen=True, slots=True)
class _Reader:
    source: YamlSource

    def matrix(self) -> Matrix:
        values = self.source.values
        self.require_keys("", values, set(_PARTS), set(_PARTS))
        if values["matrix"] != 1 or tuple(values["phases"]) != PHASES:
            raise self.error(
                "not a matrix of this version", "matrix", f"matrix: 1, phases {', '.join(PHASES)}"
            )
        labels = {str(k): str(v) for k, v in values["labels"].items()}
        declassifiers = self.declassifiers(values["declassifiers"], labels)
        fields = self.fields(values["fields"], labels, declassifiers)
        verbs = self.verbs(values["verbs"])
        roles = self.roles(values["roles"], labels)
        groups = {
            group: tuple(self.known("field", names, fields, f"groups.{group}"))
            for group, names in values["groups"].items()
        }
        return Matrix(
            labels=frozen(labels),
            fields=frozen(fields),
            verbs=frozen(verbs),
            roles=frozen(roles),
            declassifiers=frozen(declassifiers),
            messages=frozen(self.messages(values["messages"], roles)),
            forbidden=tuple(self.forbidden(values["forbidden"], labels, fields, verbs)),
            logged_reads=frozenset(self.known("label", values["logged_reads"], labels, "logged_reads")),
            listed=frozenset(self.cells(values["roles"], groups, fields, verbs)),
            taints=frozen(self.taints(fields, declassifiers)),
            digest=digest_of(values),
        )

    # parts ---------------------------------------------------------------------------------------

    def declassifiers(self, told: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Declassifier]:
        found = {}
        for name, item in told.items():
            path = f"declassifiers.{name}"
            self.require_keys(path, item, {"removes", "check", "why"}, {"removes", "check", "why"})
            removes = frozenset(self.known("label", item["removes"], labels, path))
            found[name] = Declassifier(name, removes, str(item["check"]), str(item["why"]))
        return found

    def fields(
        self, told: Mapping[str, Any], labels: Mapping[str, str], declassifiers: Mapping[str, Declassifier]
    ) -> dict[str, Field]:
        found = {}
        for name, item in told.items():
            path = f"fields.{name}"
            self.require_keys(path, item, {"about"}, {"about", "label", "from", "through", "note"})
            if item["about"] not in get_args(About) or ("label" in item) == ("from" in item):
                raise self.error("a field has what it is about, and either a label or sources", path)
            if "label" in item:
                list(self.known("label", [item["label"]], labels, path))
            if "through" in item:
                list(self.known("declassifier", [item["through"]], declassifiers, path))
            sources = tuple(self.known("field", item.get("from", ()), told, path))
            if ("through" in item or "from" in item) and not sources:
                raise self.error("a derived field has its sources", path)
            found[name] = Field(
                name,
                item["about"],
                item.get("label", ""),
                sources,
                item.get("through", ""),
                item.get("note", ""),
            )
        return found

    def verbs(self, told: Mapping[str, Any]) -> dict[str, Verb]:
        for name, item in told.items():
            self.require_keys(f"verbs.{name}", item, {"reads", "means"}, {"reads", "means"})
            if not isinstance(item["reads"], bool):
                raise self.error("a verb reads, or does not", f"verbs.{name}", "true or false")
        return {name: Verb(name, item["reads"], str(item["means"])) for name, item in told.items()}

    def roles(self, told: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Role]:
        found = {}
        needed = {"title", "scope", "clearance", "may"}
        for name, item in told.items():
            path = f"roles.{name}"
            self.require_keys(path, item, needed, needed | {"clearance_when_unblinded"})
            if item["scope"] not in get_args(Scope):
                raise self.error("not a scope", path, ", ".join(get_args(Scope)))
            clearance = frozenset(self.known("label", item["clearance"], labels, path))
            later = frozenset(
                self.known("label", item.get("clearance_when_unblinded", clearance), labels, path)
            )
            found[name] = Role(name, str(item["title"]), item["scope"], clearance, later)
        return found

    def cells(
        self,
        told: Mapping[str, Any],
        groups: Mapping[str, tuple[str, ...]],
        fields: Mapping[str, Field],
        verbs: Mapping[str, Verb],
    ) -> Iterable[Cell]:
        for role, item in told.items():
            for i, grant in enumerate(item["may"]):
                path = f"roles.{role}.may.{i}"
                self.require_keys(path, grant, {"verbs", "fields"}, {"verbs", "fields", "phases"})
                names = tuple(self.known("field or group", grant["fields"], {**groups, **fields}, path))
                written_out = [field for name in names for field in groups.get(name, (name,))]
                phases = tuple(self.known("phase", grant.get("phases", PHASES), PHASES, path))
                for verb in self.known("verb", grant["verbs"], verbs, path):
                    yield from (Cell(role, verb, field, phase) for field in written_out for phase in phases)

    def forbidden(
        self,
        told: Iterable[Mapping[str, Any]],
        labels: Mapping[str, str],
        fields: Mapping[str, Field],
        verbs: Mapping[str, Verb],
    ) -> Iterable[Forbidden]:
        names = {"verbs": verbs, "fields": fields, "labels": labels, "abouts": get_args(About)}
        for i, item in enumerate(told):
            path = f"forbidden.{i}"
            self.require_keys(
                path, item, {"name", "one", "other"}, {"name", "one", "other", "phases", "for_ever"}
            )
            sides = []
            for which in ("one", "other"):
                side = item[which]
                self.require_keys(f"{path}.{which}", side, set(), set(names))
                if not side:
                    raise self.error("a side says which cells it means", f"{path}.{which}")
                sides.append(
                    Side(**{k: frozenset(self.known(k, side.get(k, ()), v, path)) for k, v in names.items()})
                )
            phases = tuple(self.known("phase", item.get("phases", PHASES), PHASES, path))
            for_ever = item.get("for_ever", False)
            if not isinstance(for_ever, bool):
                raise self.error("for ever, or not", path, "true or false")
            yield Forbidden(str(item["name"]), sides[0], sides[1], phases, for_ever)

    def messages(self, told: Mapping[str, Any], roles: Mapping[str, Role]) -> dict[str, Message]:
        found = {}
        for name, item in told.items():
            path = f"messages.{name}"
            self.require_keys(path, item, {"to", "text"}, {"to", "text"})
            to = tuple(self.known("role", item["to"], roles, path))
            if not to:
                raise self.error("a message goes to somebody", path)
            found[name] = Message(name, to, str(item["text"]))
        return found

    def taints(
        self, fields: Mapping[str, Field], declassifiers: Mapping[str, Declassifier]
    ) -> dict[str, frozenset[str]]:
        """Labels by field; a derived field has all of its sources', less what its declassifier removes."""
        found: dict[str, frozenset[str]] = {}

        def taint(name: str, on_the_way: tuple[str, ...]) -> frozenset[str]:
            if name in on_the_way:
                raise self.error(
                    "fields are derived from one another", f"fields.{name}", " -> ".join(on_the_way)
                )
            if name not in found:
                field = fields[name]
                inherited = frozenset().union(*(taint(s, (*on_the_way, name)) for s in field.sources))
                removed = declassifiers[field.through].removes if field.through else frozenset()
                own = {field.label} if field.label else set()
                # `open` is a label like others, so that a role without it sees nothing at all.
                found[name] = frozenset((inherited | own) - removed) | {OPEN}
            return found[name]

        for name in fields:
            taint(name, ())
        return found

    # checking ------------------------------------------------------------------------------------

    def known(self, what: str, names: Any, known: Any, path: str) -> Iterable[str]:
        if isinstance(names, str) or not isinstance(names, list | tuple | set | frozenset):
            raise self.error(f"a list of {what}s is needed", path)
        for name in names:
            if name not in known:
                raise unknown(what, name, known, self.source.place(path))
            yield name

    def require_keys(self, path: str, item: Any, needed: set[str], known: set[str]) -> None:
        if not isinstance(item, Mapping):
            raise self.error("keys and values are needed", path, ", ".join(sorted(known)))
        for key in sorted(set(item) - known):
            raise unknown("key", key, known, self.source.place(f"{path}.{key}".lstrip(".")))
        for key in sorted(needed - set(item)):
            raise self.error(f"{key} is missing", path, f"the key {key}")

    def error(self, what: str, path: str, expected: str = "") -> ConductError:
        return ConductError(what, where=self.source.place(path), expected=expected)
