"""Check E4: what members see is listed, and tells no arm."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from flarefree.conduct.adjudication.dossier import AllowList, Dossier, Note, build_dossier
from flarefree.conduct.adjudication.queue import Queue, reconcile
from flarefree.conduct.adjudication.releasing import release
from flarefree.conduct.checks import boundaries
from flarefree.conduct.checks.cohort import COMMITTEE, START
from flarefree.conduct.checks.planted import DAY_ONE, Planted
from flarefree.conduct.checks.result import Check, Evidence
from flarefree.conduct.checks.trying import FLARE, alms, one_patient_with, that_is, that_refuses
from flarefree.conduct.detecting import Detector
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import builtin_path, load_protocol, parse_protocol
from flarefree.records.study import Study
from flarefree.records.tables import whole_table

__all__ = ["CHECKS"]


# E4 -----------------------------------------------------------------------------------------------

_TOKEN = "ZQX"  # in everything that must not be seen, with a number


def _leaky() -> tuple[Study, tuple[str, ...]]:
    """A patient whose every forbidden field holds a token; and how many tokens there are."""
    study = one_patient_with((92, FLARE))
    tables = dict(study.tables)
    rows: Mapping[str, Mapping[str, str | int | float]] = {
        "adverse_events": {"term": "T1", "verbatim": "T2", "severity": "T3", "action": "T4", "start_day": 90},
        "exposures": {"drug": "T5", "dose": 7.77, "unit": "T6", "frequency": "T7", "start_day": 1},
        "dispositions": {"status": "T8", "reason": "T9", "day": 91},
        "decisions": {"endpoint": "renal_flare", "reader": "investigator", "comment": "T10"},
        "medical_history": {"term": "T11", "day": -90},
        "clinical_events": {"name": "T12", "category": "T13", "start_day": 80},
        "medications": {"drug": "T14", "indication": "T15", "route": "T16", "start_day": 50},
    }
    for name, row in rows.items():
        told = {key: _with_token(value) for key, value in row.items()}
        tables[name] = whole_table(name, pl.DataFrame([{"subject": "Q-1", **told}]))
    subjects = tables["subjects"].with_columns(
        arm_written=pl.lit(f"{_TOKEN}17"), kit=pl.lit(f"{_TOKEN}18"), guess=pl.lit(f"{_TOKEN}19")
    )
    tables["subjects"] = subjects
    tables["observations"] = tables["observations"].with_columns(category=pl.lit(f"{_TOKEN}20"))
    return replace(study, tables=tables), tuple(f"{_TOKEN}{n}" for n in range(1, 21))


def _with_token(value: str | int | float) -> str | int | float:
    is_token = isinstance(value, str) and value[:1] == "T" and value[1:].isdigit()
    return f"{_TOKEN}{str(value)[1:]}" if is_token else value


_LEAKING_NOTES = (
    "Now on MMF 1 g twice daily", "Cell-Cept stopped", "azathioprin 100 mg", "tacrolimus trough 5.4",
    "kit 4711", "unblinded by the ward", "m.m.f.", "Mean corpuscular volume: MCV 109",
    "allopurinol contraindicated",
    "dose reduced for leukopenia", "I think the patient is on active drug", "M M F", "ＡＺＡ",
)  # fmt: skip
_CLEAN_NOTES = (
    "Biopsy: class IV, activity index 9, crescents in 20%", "Sediment with dysmorphic red cells",
    "Swelling of both legs, blood pressure 150/95", "Urinary infection excluded by culture",
)  # fmt: skip


def _shown(
    study: Study,
    notes: tuple[Note, ...] = (),
    protocol: LoadedProtocol | None = None,
    endpoint: str = "renal_flare",
) -> tuple[Dossier, str]:
    protocol = protocol or alms()
    detection = Detector(protocol).detect(study, START)
    queue = release(reconcile(Queue.of(protocol), detection, START), (), COMMITTEE, random.Random(2), START)
    case = next(c for c in queue.suspected if c.endpoint == endpoint)
    dossier = build_dossier(case, study, protocol, notes)
    return dossier, json.dumps(dossier.to_dict(), ensure_ascii=False)


def _e4(quick: bool) -> Iterator[Evidence]:
    study, tokens = _leaky()
    notes = tuple(Note(f"note {n}", 92, text) for n, text in enumerate((*_LEAKING_NOTES, *_CLEAN_NOTES)))
    dossier, text = _shown(study, notes)
    seen = [token for token in tokens if f'{token}"' in text]
    yield that_is(
        f"{len(tokens)} planted fields (events, doses, kits, arm, guesses) that are seen", 0, len(seen)
    )
    for what in ("Q-1", "7.77", str(DAY_ONE.year)):
        yield that_is(f"{what} is in the dossier", False, what in text)
    withheld = [note.text == "[withheld]" for note in dossier.notes]
    yield that_is(
        "texts that could tell the arm, held back", len(_LEAKING_NOTES), sum(withheld[: len(_LEAKING_NOTES)])
    )
    yield that_is(
        "texts that could not, shown", len(_CLEAN_NOTES), withheld[len(_LEAKING_NOTES) :].count(False)
    )
    yield that_is("the keeper is told of each", len(_LEAKING_NOTES), len(dossier.held))
    yield that_is(
        "what is needed is there: values of the day in question",
        True,
        any(v.is_asked and v.measure == "upcr" for v in dossier.values),
    )
    arms = pl.col("arm").replace({"MMF": "AZA", "AZA": "MMF"})
    swapped = {**study.tables, "subjects": study["subjects"].with_columns(arm=arms, actual_arm=arms)}
    swapped["exposures"] = study["exposures"].with_columns(drug=pl.lit("MMF"), dose=pl.lit(2.0))
    _, other = _shown(replace(study, tables=swapped), notes)
    yield that_is(
        "bytes that differ when arms and doses are swapped",
        0,
        sum(a != b for a, b in zip(text, other, strict=False)) + abs(len(text) - len(other)),
    )
    yield from _e4_level()
    yield from _e4_lists()


def _e4_level() -> Iterator[Evidence]:
    """Where the protocol has the measure of a drug's level, and the data have its values."""
    protocol = load_protocol("multitarget-maintenance")
    planted = Planted(protocol)
    patient = planted.patient("Q-2").is_("remission_status", "CR")
    boundaries.multitarget_baseline(patient)
    for day in (92, 106):
        patient.at(day, proteinuria=1.4, tacrolimus_trough=6.66)
    study = planted.study()
    held = study["observations"].filter(pl.col("measure") == "tacrolimus_trough").height
    yield that_is("levels of tacrolimus in the data", 2, held)
    _, text = _shown(study, (), protocol, "renal_relapse")
    yield that_is("levels in the dossier", False, "6.66" in text or "tacrolimus_trough" in text)


def _e4_lists() -> Iterator[Evidence]:
    text = builtin_path("multitarget-maintenance").read_text("utf-8")
    telling = text.replace("dossier:\n    measures: [", "dossier:\n    measures: [tacrolimus_trough, ")
    yield that_refuses("a list that names the drug's level", lambda: parse_protocol(telling, "a.yaml"))
    text = builtin_path("alms-maintenance").read_text("utf-8")
    asking = text.replace(
        'when: clinical_event where name contains "suspected renal flare"',
        'when: adverse_event where term contains "flare"',
    )
    yield that_refuses(
        "a sentence that would show adverse events",
        lambda: AllowList.of(parse_protocol(asking, "b.yaml"), "suspected_renal_flare"),
    )
    armed = text.replace(
        "  ethnicity:\n", "  treatment: {label: Treatment, column: arm}\n  ethnicity:\n", 1
    ).replace("covariates: [age,", "covariates: [treatment, age,")
    yield that_refuses(
        "a characteristic that is the arm",
        lambda: AllowList.of(parse_protocol(armed, "c.yaml"), "renal_flare"),
    )


CHECKS = (Check("E4", "A dossier holds what is listed, and nothing that could tell the arm", _e4),)
