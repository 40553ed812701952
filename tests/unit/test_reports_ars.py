"""The reporting event: valid by CDISC's schema, whole in its references, equal to the tidy results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from reports_sample_content import sample_content

from flarefree.reports.ars import build_reporting_event, render_ars
from flarefree.results import tidy


@pytest.fixture(scope="module")
def event() -> dict[str, Any]:
    return json.loads(render_ars(sample_content()))


def every(node: Any, key: str) -> list[Any]:
    """Each value that stands under `key`, anywhere."""
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == key] + [f for v in node.values() for f in every(v, key)]
    return [f for v in node for f in every(v, key)] if isinstance(node, list) else []


@pytest.mark.shared
def test_it_is_valid_by_the_published_schema(event, shared):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((shared / "data/cdisc_ars/model/ars_ldm.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(event)
    # The class itself allows no further attributes; the file's top level would let them pass.
    strict = {"$defs": schema["$defs"], "$ref": "#/$defs/ReportingEvent"}
    jsonschema.Draft7Validator(strict).validate(event)


@pytest.mark.shared
def test_the_schema_would_refuse_a_broken_one(event, shared):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((shared / "data/cdisc_ars/model/ars_ldm.schema.json").read_text("utf-8"))
    broken = {**event, "analyses": [{**event["analyses"][0], "results": [{"rawValue": 1}]}]}
    assert not jsonschema.Draft7Validator(schema).is_valid(broken)


def test_every_reference_resolves(event):
    ids = {
        "analysisSetId": {s["id"] for s in event["analysisSets"]},
        "methodId": {m["id"] for m in event["methods"]},
        "operationId": {o["id"] for m in event["methods"] for o in m["operations"]},
        "groupingId": {g["id"] for g in event["analysisGroupings"]},
        "groupId": {g["id"] for grouping in event["analysisGroupings"] for g in grouping["groups"]},
        "analysisId": {a["id"] for a in event["analyses"]},
        "outputId": {o["id"] for o in event["outputs"]},
        "referenceDocumentId": {d["id"] for d in event["referenceDocuments"]},
        "sponsorTermId": {t["id"] for e in event["terminologyExtensions"] for t in e["sponsorTerms"]},
    }
    for key, known in ids.items():
        used = every(event, key)
        assert used, key
        assert set(used) <= known, key


def test_no_identifier_stands_twice_among_its_kind(event):
    for kind in ("analysisSets", "methods", "analysisGroupings", "analyses", "outputs", "referenceDocuments"):
        names = [item["id"] for item in event[kind]]
        assert len(names) == len(set(names)), kind


def test_each_result_uses_an_operation_of_its_own_method_and_groups_of_its_own_groupings(event):
    operations = {m["id"]: {o["id"] for o in m["operations"]} for m in event["methods"]}
    groups = {g["id"]: {x["id"] for x in g["groups"]} for g in event["analysisGroupings"]}
    for analysis in event["analyses"]:
        declared = {g["groupingId"] for g in analysis["orderedGroupings"]}
        for result in analysis["results"]:
            assert result["operationId"] in operations[analysis["methodId"]]
            for group in result["resultGroups"]:
                assert group["groupingId"] in declared
                assert group["groupId"] in groups[group["groupingId"]]


def test_raw_values_are_those_of_the_tidy_results_and_all_values_are_text(event):
    found = [r for analysis in event["analyses"] for r in analysis["results"]]
    assert {type(r["rawValue"]) for r in found} == {type(r["formattedValue"]) for r in found} == {str}
    assert [r["rawValue"] for r in found] == tidy(sample_content().results).get_column("value").to_list()


def test_printed_values_are_printed(event):
    analysis = next(a for a in event["analyses"] if a["id"] == "A_treatment_failure")
    first = {r["operationId"]: r for r in analysis["results"][:3]}
    assert first["M_treatment_failure_percent"]["rawValue"] == repr(100 * 3 / 116)
    assert first["M_treatment_failure_percent"]["formattedValue"] == "2.6"


def test_what_a_paper_printed_is_no_result_of_ours(event):
    text = json.dumps(event)
    assert "1.413" in text  # our SD of the ratio, unrounded
    assert "17 (14.7)" not in text


def test_an_analysis_carries_its_population_purpose_and_sentences(event):
    analysis = next(a for a in event["analyses"] if a["id"] == "A_treatment_failure")
    assert analysis["analysisSetId"] == "AS_itt"
    assert analysis["purpose"] == {"controlledTerm": "PRIMARY OUTCOME MEASURE"}
    assert (
        "alms-sample.yaml:70 endpoints.treatment_failure" in every(analysis["documentRefs"], "pageNames")[0]
    )


def test_an_analysis_without_result_is_listed_with_its_reason(event):
    items = event["mainListOfContents"]["contentsList"]["listItems"]
    frailty = next(item for item in items if "Random Effect" in item["name"])
    assert frailty["description"] == "not yet computed: Shared frailty comes with a later version."


def test_two_runs_are_equal():
    assert build_reporting_event(sample_content()) == build_reporting_event(sample_content())
