"""Laboratory files: all rows, or by explicit choice the good ones; what tells an arm goes to the vault."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from flarefree.conduct.audit.entries import Value, canonical
from flarefree.conduct.rule_taint import revealing_measures
from flarefree.errors import ConductError
from flarefree.web.commands.asking import closed_for
from flarefree.web.commands.base import Asked, Command, Need, Plan, Write
from flarefree.web.commands.parts import require_scope, today_at, writes_of
from flarefree.web.commands.results import Incoming, kept
from flarefree.web.commands.values import opened_again
from flarefree.web.config import WebConfig
from flarefree.web.forms.imports import ImportReport, Taken, judge_import
from flarefree.web.forms.meanings import field_of, measure_of_test
from flarefree.web.record.reading import Item, read_things
from flarefree.web.trial import running_trial
from flarefree.web.vault import service

__all__ = ["ImportLaboratory"]

_SHOWN = 10
_TRUE_TROUGH, _TYPICAL = "labs.trough_true", "labs.arm_typical"


class ImportLaboratory(Command):
    """A file of results: CSV, or pipe-delimited messages.

    Attributes
    ----------
    file_name, text : str
    only_good_rows : bool
        Take what can be taken, and leave the rest; else one bad row refuses the file.
    """

    name: ClassVar[str] = "import_laboratory"
    verb: ClassVar[str] = "import"
    raw: ClassVar[frozenset[str]] = frozenset({"text"})
    file_name: Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f]{1,120}$")]
    text: Annotated[str, Field(max_length=4_000_000)]
    only_good_rows: bool = False

    @property
    def fingerprint(self) -> str:
        """Under the installation's secret: the file may hold results that tell an arm."""
        secret = WebConfig.from_environment().secret_key().encode()
        told = canonical({"command": self.name, "content": self.model_dump(mode="json")})
        return hmac.new(secret, told, hashlib.sha256).hexdigest()

    def plan(self, asked: Asked) -> Plan:
        """Every patient's results, with what is odd about them; one entry for the file."""
        require_scope(asked, "", "import", "labs.efficacy")
        report = judge_import(self.text, asked.at)
        if report.errors and not self.only_good_rows:
            raise _refusal(report)
        writes: list[Write] = []
        questions: list[str] = []
        for n, key in enumerate(dict.fromkeys(one.subject.key for one in report.taken)):
            rows = [one for one in report.taken if one.subject.key == key]
            more, asked_about = self._of_subject(asked, rows, first=n * 6000)
            writes += more
            questions += asked_about
        needs = {Need("import", w.field) for w in writes if not w.is_consequence}
        needs |= {Need("import", _field_in_vault(one)) for one in report.to_vault}
        if not needs:
            needs = {Need("import", "labs.efficacy")}
        for field in sorted({_field_in_vault(one) for one in report.to_vault}):
            require_scope(asked, "", "import", field)  # the vault is written before the matrix is asked again
        _hand_to_vault(report.to_vault, asked)
        digest = hashlib.sha256(f"{asked.request}".encode()).hexdigest()[:12]
        return Plan(
            f"import/{digest}",
            writes=_about_no_site(writes),
            needs=tuple(sorted(needs, key=lambda need: need.field)),
            reason=f"imported from {self.file_name}",
            result={
                "rows": report.rows,
                "taken": len(report.taken),
                "corrected": len(report.corrections),
                "to_vault": len(report.to_vault),
                "left": len(report.errors),
                "questions": questions[:100],
                "findings": [one.to_row() for one in report.findings[:500]],
            },
        )

    def _of_subject(
        self, asked: Asked, rows: Sequence[Taken], first: int
    ) -> tuple[list[Write], tuple[str, ...]]:
        subject = rows[0].subject
        items = read_things(subject=subject.key)
        today = today_at(subject.site, asked)
        fresh = [_incoming(one, self.file_name) for one in rows if one.corrects is None]
        more, questions = kept(asked.request, subject, fresh, items, today, first)
        writes = list(more)
        for one in rows:
            if one.corrects is not None:
                writes += _corrected(one, one.corrects, items)
                writes += closed_for(subject, one.corrects.name, (), today)
        return writes, questions


def _refusal(report: ImportReport) -> ConductError:
    shown = [f"row {one.row}: {one.message}{f' ({one.found})' if one.found else ''}" for one in report.errors]
    more = len(shown) - _SHOWN
    return ConductError(
        "nothing was taken: some rows cannot be",
        where="file",
        found="\n".join([*shown[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]),
        expected="a file whose every row can be taken",
        try_="mend the file, or take the good rows only",
    )


def _incoming(one: Taken, file_name: str) -> Incoming:
    assert one.result is not None
    row = one.row
    more: dict[str, Value] = {
        "collected": row.collected,
        "resulted": row.resulted or None,
        "accession": row.accession or None,
        "source": file_name,
    }
    return Incoming(
        one.result, date.fromisoformat(row.date), _visit(row.visit), row.low, row.high, row.test.upper(), more
    )


def _visit(written: str) -> str:
    """A visit by the protocol's name, whichever of its codes the laboratory writes."""
    plain = written.casefold()
    schedule = running_trial().protocol.spec.schedule
    names = [(visit.name, visit.codes) for visit in schedule.visits]
    names += [(visit.name, visit.codes) for visit in schedule.at_events]
    for name, codes in names:
        if plain in {word.casefold() for word in (name, *codes)}:
            return name
    return written


def _corrected(one: Taken, earlier: Item, items: Sequence[Item]) -> list[Write]:
    assert one.result is not None
    told: dict[str, Value] = {
        "value": one.result.value,
        "unit": one.result.unit or None,
        "low": one.row.low or None,
        "high": one.row.high or None,
        "resulted": one.row.resulted or None,
    }
    field = field_of(running_trial().protocol, one.result.measure)
    return [*writes_of(earlier.kind, earlier.key, field, told), *opened_again(items, earlier)]


def _about_no_site(writes: Sequence[Write]) -> tuple[Write, ...]:
    """Files come for all sites at once; the roles that import see all of them."""
    return tuple(Write(w.kind, w.key, w.attribute, w.field, w.value, is_consequence=True) for w in writes)


# The vault ----------------------------------------------------------------------------------------


def _field_in_vault(one: Taken) -> str:
    protocol = running_trial().protocol
    is_trough = measure_of_test(protocol, one.row.test) in revealing_measures(protocol)
    return _TRUE_TROUGH if is_trough else _TYPICAL


def _hand_to_vault(rows: Sequence[Taken], asked: Asked) -> None:
    """Results that tell an arm: the vault keeps them, in transactions of its own, before the record.

    The same file again changes nothing there, so what a crash leaves between is mended by asking again.

    Raises
    ------
    ConductError
        A trough of a sample that the laboratory has not registered, or another result of the same sample.
    """
    assert asked.actor is not None  # no machine imports
    by = asked.actor.person
    for one in rows:
        request = f"{asked.request}/{one.row.row}"
        if _field_in_vault(one) == _TRUE_TROUGH:
            reported = _instant(one.row.resulted, one.subject.site)
            service.keep_trough(
                one.row.accession, one.row.value, one.row.unit, reported, by=by, request=request, at=asked.at
            )
            continue
        told = {name: getattr(one.row, name) for name in ("test", "value", "unit", "collected", "resulted")}
        key = hashlib.sha256(canonical([one.subject.key, one.row.accession, *told.values()])).hexdigest()
        service.keep(
            "arm_typical",
            key[:32],
            one.subject.key,
            told,
            field=_TYPICAL,
            by=by,
            request=request,
            at=asked.at,
        )


def _instant(written: str, site: str) -> datetime:
    """A time at a site, as an instant."""
    zone = ZoneInfo(running_trial().zone_of(site))
    return datetime.fromisoformat(written).replace(tzinfo=zone).astimezone(UTC)
