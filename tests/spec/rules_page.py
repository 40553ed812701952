"""Prints `docs/reference/endpoint-rules.md` from the cases: `python tests/spec/rules_page.py` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import alms_patients
import multitarget_patients
from endpoint_rules import Case

from flarefree.protocol.language.printing import print_node
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.loading import load_protocol

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "endpoint-rules.md"

HEAD = """\
# Endpoint rules, worked by hand

<!-- Printed by tests/spec/rules_page.py from the spec tests; edit those, not this page. -->

Each rule of the two built-in lupus nephritis protocols, and named patients at its boundary.
The tests derive the endpoints of these patients and compare them with what is written here, which was worked out on paper.
What the words of the sentences mean is in [the endpoint language](language.md); how rows become assessments is in [assessments](../explanation/assessments.md); what an unknown does is in [three-valued logic](../explanation/three-valued-logic.md).
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, module in (
        ("alms-maintenance", alms_patients),
        ("multitarget-maintenance", multitarget_patients),
    ):
        parts += _protocol(load_protocol(name), module.CASES, module.__doc__ or "")
    return "\n".join(parts).rstrip() + "\n"


def _protocol(protocol: LoadedProtocol, cases: list[Case], doc: str) -> list[str]:
    entry = " ".join(doc.split("\n\n", 1)[1].split())
    parts = [f"## {protocol.spec.name}", "", protocol.spec.title + ".", "", entry, ""]
    asked = {word.split()[0] for case in cases for word in case.expects}
    for name in protocol.spec.endpoints:
        mine = [case for case in cases if case.endpoint == name]
        if mine:
            parts += _rule(protocol, name, mine)
        asked.discard(name)
    assert not asked, f"cases ask for endpoints that the protocol has not: {asked}"
    return parts


def _rule(protocol: LoadedProtocol, name: str, cases: list[Case]) -> list[str]:
    spec = protocol.spec.endpoints[name]
    node = next(
        (n for p in ("when", "state") if (n := protocol.sentences.get(f"endpoints.{name}.{p}"))), None
    )
    sentence = print_node(node) if node is not None else "first of " + ", ".join(spec.first_of)
    if spec.censor_at:
        sentence += f"\ncensored at {', '.join(spec.censor_at)}"
    parts = [
        f"### {spec.label}",
        "",
        f"`{name}`, {spec.kind}{', adjudicated' if spec.adjudicated else ''}.",
        "",
    ]
    parts += ["```text", sentence, "```", ""]
    if spec.note:
        parts += [" ".join(spec.note.split()), ""]
    parts += ["| patient | what happened | by hand | so |", "| --- | --- | --- | --- |"]
    parts += [_row(case, name) for case in cases]
    return [*parts, ""]


def _row(case: Case, rule: str) -> str:
    so = []
    for asked, answer in case.expects.items():
        so.append(answer if asked == rule else f"{asked}: {answer}")
    return f"| {case.patient} | {case.story} | {case.by_hand} | {'<br>'.join(so)} |"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
