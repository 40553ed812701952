"""A whole sample report: a protocol made by hand, results made by hand, events with rows, findings."""

from __future__ import annotations

from datetime import date

import polars as pl
from reports_sample import (
    ARMS,
    bars_figure,
    course_figure,
    flow_figure,
    forest_figure,
    kaplan_meier_figure,
)

from flarefree.lineage import Source, events_anchor
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import Protocol
from flarefree.records.findings import Finding, Severity
from flarefree.reports.content import REPORT_EVENTS_SCHEMA, REPORT_TIMES_SCHEMA, Dataset, ReportContent
from flarefree.results import AnalysisResult, Cell, Column, Row, Sentence, Table

SPEC = Protocol.model_validate(
    {
        "flarefree": 1,
        "name": "alms-sample",
        "title": "Mycophenolate versus Azathioprine as Maintenance Therapy for Lupus Nephritis",
        "registration": "NCT00000000",
        "citations": [
            {
                "key": "sample2011",
                "text": "Sample A, Example B. A trial that never was. J Invented 2011;1:1-9.",
            }
        ],
        "design": {
            "summary": "Thirty-six months, randomized 1:1 and double-blind, in patients whose lupus "
            "nephritis had responded to induction treatment.",
            "masking": "double-blind, double-dummy",
            "follow_up": "36 months",
            "note": "Follow-up runs 36 months regardless of events.",
        },
        "arms": {"MMF": {"label": ARMS["MMF"]}, "AZA": {"label": ARMS["AZA"]}},
        "reference_arm": "AZA",
        "schedule": {"visits": [{"name": "Month 0", "number": 1, "day": 1}]},
        "endpoints": {
            "proteinuric_flare": {
                "label": "Proteinuric flare",
                "when": "upcr >= 2 * baseline(upcr) and proteinuria >= "
                "(1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)",
                "adjudicated": True,
                "note": "The ratio's doubling is read against the last value before day 1; "
                "the paper does not say which.",
            },
            "death": {"label": "Death", "when": "any death"},
            "treatment_failure": {"label": "Treatment failure", "first_of": ["proteinuric_flare", "death"]},
        },
        "populations": {
            "itt": {"label": "Intention to treat", "when": "randomized and assessed(upcr)"},
            "safety": {"label": "Safety", "when": "dosed"},
        },
        "analyses": {
            "treatment_failure": {
                "kind": "time_to_event",
                "title": "Time to Treatment Failure",
                "section": "Efficacy",
                "population": "itt",
                "purpose": "primary",
                "endpoint": "treatment_failure",
            },
            "adverse_events": {
                "kind": "adverse_events",
                "title": "Adverse Events",
                "section": "Safety",
                "population": "safety",
                "purpose": "safety",
            },
            "baseline": {
                "kind": "baseline_table",
                "title": "Characteristics",
                "section": "Patients",
                "population": "itt",
                "variables": [],
            },
        },
        "report": {"sections": ["Patients", "Efficacy", "Safety"], "percent_digits": 1},
        "choices": [
            {"topic": "Withdrawal", "choice": "Patients who withdraw are censored on the day of withdrawal."}
        ],
    }
)

PROTOCOL = LoadedProtocol(
    spec=SPEC,
    path="alms-sample.yaml",
    digest="ab" * 32,
    sentences={},
    lines={"endpoints.proteinuric_flare": 61, "endpoints.proteinuric_flare.when": 62, "choices.0": 140},
    order=("proteinuric_flare", "death", "treatment_failure"),
)

SENTENCES = (
    Sentence("randomized and assessed(upcr)", "alms-sample.yaml:40 populations.itt.when"),
    Sentence("first of proteinuric_flare, death", "alms-sample.yaml:70 endpoints.treatment_failure"),
    Sentence(
        "upcr >= 2 * baseline(upcr)\n"
        "  and proteinuria >= (1 g/day if baseline(proteinuria) <= 0.5 g/day else 2 g/day)",
        "alms-sample.yaml:62 endpoints.proteinuric_flare.when",
    ),
    Sentence("any death", "alms-sample.yaml:68 endpoints.death.when"),
)

N = {"MMF": 116, "AZA": 111}


def np_cell(n: int, total: int, link: str = "", note: str = "") -> Cell:
    return Cell(
        "n_percent",
        {"n": n, "percent": 100 * n / total if total else None, "total": total},
        link=link,
        note=note,
    )


def mean_cell(mean: float, sd: float, digits: int = 1) -> Cell:
    return Cell("mean_sd", {"mean": mean, "sd": sd}, digits)


def published(text: str) -> Cell:
    return Cell("text", {"text": text})


def arms_columns(*, with_published: bool = False) -> tuple[Column, ...]:
    ours = [Column(key, label, N[key]) for key, label in ARMS.items()]
    theirs = [Column(f"{key}_published", label, N[key], published=True) for key, label in ARMS.items()]
    return (*ours, *theirs) if with_published else tuple(ours)


def pair(mmf: Cell, aza: Cell, **more: Cell) -> dict[str, Cell]:
    return {"MMF": mmf, "AZA": aza, **more}


def baseline_table() -> Table:
    def counts(label: str, mmf: int, aza: int, theirs: tuple[str, str]) -> Row:
        return Row(
            label,
            pair(
                np_cell(mmf, 116),
                np_cell(aza, 111),
                MMF_published=published(theirs[0]),
                AZA_published=published(theirs[1]),
            ),
            term="sex",
            level=label,
            indent=1,
        )

    def means(label: str, mmf: Cell, aza: Cell, theirs: tuple[str, str]) -> Row:
        return Row(
            label,
            pair(mmf, aza, MMF_published=published(theirs[0]), AZA_published=published(theirs[1])),
            term=label,
        )

    return Table(
        "baseline",
        "Baseline Demographic and Disease Characteristics of the Intention-to-Treat Population",
        arms_columns(with_published=True),
        (
            Row("Sex — no. of patients (%)", is_header=True),
            counts("Male", 17, 15, ("17 (14.7)", "15 (13.5)")),
            counts("Female", 99, 96, ("99 (85.3)", "96 (86.5)")),
            means(
                "Age at informed consent — yr",
                mean_cell(31.8, 10.59),
                mean_cell(31.0, 10.77),
                ("31.8\u2009±\u200910.59", "31.0\u2009±\u200910.77"),
            ),
            means(
                "Weight — kg",
                mean_cell(64.65, 16.64),
                mean_cell(64.0, 16.12),
                ("64.7\u2009±\u200916.64", "64.0\u2009±\u200916.12"),
            ),
            means("Change since screening — kg", mean_cell(-0.35, 2.1), mean_cell(-0.04, 2.2), ("", "")),
            means(
                "Urinary protein:creatinine ratio — mg/mg",
                mean_cell(0.97, 1.413, 2),
                mean_cell(0.75, 0.83, 2),
                ("0.97\u2009±\u20091.413", "0.75\u2009±\u20090.830"),
            ),
            Row("eGFR category (MDRD-186) — no. of patients (%)", is_header=True),
            counts("≥90 ml/min/1.73 m²", 71, 62, ("71 (61.2)", "62 (55.9)")),
            counts("≥15 to <30 ml/min/1.73 m²", 0, 1, ("0", "1 (0.9)")),
            Row(
                "Active urinary sediment — no./total no. (%)",
                pair(
                    np_cell(65, 110),
                    np_cell(70, 111),
                    MMF_published=published("65 (56.0)"),
                    AZA_published=published("70 (63.1)"),
                ),
            ),
            Row(
                "Serum C3 — mg/dl",
                pair(
                    Cell("geometric_mean_sd", {"geometric_mean": 95.1, "sd": 25.13}),
                    Cell("geometric_mean_sd", {"geometric_mean": 93.3, "sd": 28.67}),
                ),
            ),
            Row(
                "Disease duration — yr",
                pair(
                    Cell("median_iqr", {"median": 1.45, "q1": 0.5, "q3": 4.25}),
                    Cell("median_iqr", {"median": 1.2, "q1": 0.45, "q3": 4.0}),
                ),
            ),
        ),
        stub="Characteristic",
        footnotes=("eGFR denotes estimated glomerular filtration rate.",),
        population="itt",
    )


def failure_table() -> Table:
    comparison = Column("MMF_vs_AZA", "Hazard ratio (95% CI)")
    p = Column("MMF_vs_AZA_p", "P value", group="MMF_vs_AZA")

    def row(
        label: str, mmf: int, aza: int, hr: tuple[float | None, ...], value: float | None, endpoint: str = ""
    ) -> Row:
        name = endpoint or "treatment_failure"
        return Row(
            label,
            pair(
                np_cell(mmf, 116, events_anchor(name, "MMF")),
                np_cell(aza, 111, events_anchor(name, "AZA")),
                MMF_vs_AZA=Cell(
                    "estimate_ci", dict(zip(("estimate", "conf_low", "conf_high"), hr, strict=True))
                ),
                MMF_vs_AZA_p=Cell(
                    "p_value", {"p_value": value}, note="By log-rank test." if endpoint else ""
                ),
            ),
            term="events",
            endpoint=endpoint,
        )

    return Table(
        "treatment_failure",
        "Treatment Failure and Its Components",
        (*arms_columns(), comparison, p),
        (
            row("Treatment failure", 3, 3, (0.4396, 0.25, 0.7702), 0.00312),
            row("Proteinuric flare", 3, 2, (0.5, 0.26, 0.93), 0.0304, "proteinuric_flare"),
            row("Death", 0, 1, (None, None, None), 0.31, "death"),
            row("Doubling of serum creatinine", 1, 5, (0.18, 0.02, None), 0.0703, "doubling"),
        ),
        stub="End point — no. of patients with event (%)",
        population="itt",
        method="Cox's model",
    )


TERMS = (
    "Abdominal pain",
    "Acne",
    "Alopecia",
    "Anaemia",
    "Arthralgia",
    "Back pain",
    "Cough",
    "Cystitis",
    "Diarrhoea",
    "Dizziness",
    "Fatigue",
    "Headache",
    "Herpes zoster",
    "Hypertension",
    "Influenza",
    "Leukopenia",
    "Nausea",
    "Nasopharyngitis",
    "Pneumonia",
    "Pyrexia",
    "Rash",
    "Sinusitis",
    "Urinary tract infection",
    "Vomiting",
)


def adverse_events_table() -> Table:
    rows = []
    for i, system in enumerate(
        (
            "Infections and infestations",
            "Gastrointestinal disorders",
            "Skin and subcutaneous tissue disorders <script>alert(1)</script>",
        )
    ):
        rows.append(
            Row(
                system,
                pair(
                    np_cell(60 - i, 115), np_cell(58 + i, 111), p=Cell("p_value", {"p_value": 0.2 + i / 10})
                ),
                term=system,
                is_header=True,
            )
        )
        for j, term in enumerate(TERMS):
            n, m = (7 * j + 3 * i) % 23, (5 * j + 4 * i) % 19
            rows.append(
                Row(
                    term,
                    pair(
                        np_cell(n, 115),
                        np_cell(m, 111),
                        p=Cell("p_value", {"p_value": 1.0 if j % 5 == 0 else (j + 1) / 90.0 ** (1 + i / 2)}),
                    ),
                    term=system,
                    level=term,
                    indent=1,
                )
            )
    columns = (
        *(Column(k, label, 115 if k == "MMF" else 111) for k, label in ARMS.items()),
        Column("p", "P value"),
    )
    return Table(
        "adverse_events",
        "Adverse Events That Emerged during Treatment",
        columns,
        tuple(rows),
        stub="Event — no. of patients (%)",
        method="Fisher's exact test",
        population="safety",
        footnotes=("Multiple occurrences of the same adverse event in one person were counted once.",),
    )


def results() -> tuple[AnalysisResult, ...]:
    def result(name: str, title: str, section: str, **more: object) -> AnalysisResult:
        return AnalysisResult(
            name, title, "table", section, **{"population": "itt", "sentences": SENTENCES[:1], **more}
        )  # type: ignore[arg-type]

    return (
        result(
            "flow",
            "Participant Flow",
            "Patients",
            figures=(flow_figure(),),
            notes=("Screening was recorded at every site.",),
        ),
        result("baseline", "Characteristics", "Patients", tables=(baseline_table(),)),
        result(
            "treatment_failure",
            "Time to Treatment Failure",
            "Efficacy",
            tables=(failure_table(),),
            figures=(kaplan_meier_figure(),),
            sentences=SENTENCES,
            endpoint="treatment_failure",
            methods=("Kaplan–Meier, log-log limits, Greenwood's variance", "Cox's model, Efron's ties"),
            warnings=("Two patients have no assessment after day 1; they are censored on day 1.",),
        ),
        result(
            "subgroups",
            "Subgroups",
            "Efficacy",
            figures=(forest_figure(),),
            methods=("Cox's model, Efron's ties",),
        ),
        result(
            "frailty",
            "Hazard Ratio with Center as Random Effect",
            "Efficacy",
            status="not_yet_computed",
            reason="Shared frailty comes with a later version.",
        ),
        result("course", "Laboratory Courses", "Efficacy", figures=(course_figure(), bars_figure())),
        result(
            "adverse_events",
            "Adverse Events",
            "Safety",
            tables=(adverse_events_table(),),
            population="safety",
            methods=("Fisher's exact test, two-sided, by summing smaller probabilities",),
        ),
        result(
            "doses", "Doses", "Exposure", status="not_computable", reason="The data hold no exposure records."
        ),
    )


def events() -> tuple[pl.DataFrame, pl.DataFrame]:
    used = [
        ("017-004", "MMF", 274, 302),
        ("003-001", "MMF", 92, None),
        ("021-002", "MMF", 400, None),
        ("017-009", "AZA", 31, 59),
        ("005-003", "AZA", 121, None),
        ("005 <b>7</b>", "AZA", 183, None),
    ]
    rows = [
        (
            subject,
            arm,
            "proteinuric_flare",
            1,
            day,
            confirmed,
            f"Month {day // 30}",
            "committee",
            True,
            None,
            [
                f"lb.csv row {1000 + day} (line {1001 + day}): UPCR {day / 2:.1f} mg/mmol",
                f"lb.csv row {2000 + day} (line {2001 + day}): UPROT 1.2 g/24 h",
            ],
        )
        for subject, arm, day, confirmed in used
    ]
    rows.append(
        (
            "017-004",
            "MMF",
            "proteinuric_flare",
            2,
            600,
            None,
            "Month 21",
            "derived",
            False,
            "A later episode",
            ["lb.csv row 1600 (line 1601): UPCR 201 mg/mmol"],
        )
    )
    rows.append(
        ("009-001", "AZA", "death", 1, 5, None, None, "derived", True, None, ["dm.csv row 12 (line 13)"])
    )
    times = [
        (s, a, "proteinuric_flare", d, True, "proteinuric_flare", "committee", i)
        for i, (s, a, d, _) in enumerate(used)
    ]
    times += [(s, a, "treatment_failure", *rest) for s, a, _, *rest in times]
    times += [
        ("009-001", "AZA", "death", 5, True, "death", "derived", 7),
        ("009-001", "AZA", "treatment_failure", 5, True, "death", "derived", 7),
        ("001-001", "AZA", "treatment_failure", 1096, False, None, "derived", None),
    ]
    return (
        pl.DataFrame(rows, schema=REPORT_EVENTS_SCHEMA, orient="row"),
        pl.DataFrame(times, schema=REPORT_TIMES_SCHEMA, orient="row"),
    )


ITT = frozenset({"017-004", "003-001", "021-002", "017-009", "005-003", "009-001"})
"""All but one of those who had an event."""

EXPLANATION = """proteinuric_flare on day 274: true
├─ upcr >= 2 * baseline(upcr): true
│  ├─ upcr = 1.170 mg/mg          lb.csv row 1274 (line 1275): 132.4 mg/mmol
│  └─ baseline(upcr) = 0.38 mg/mg lb.csv row 12 (line 13): 43 mg/mmol

└─ proteinuria >= 1 g/day: true"""


def findings() -> tuple[Finding, ...]:
    unknown = [
        Finding(
            "unknown-unit",
            Severity.ERROR,
            "A unit that is not known for the test; the value is not used.",
            "lb.csv",
            row,
            "LBORRESU",
            f"00{row % 9}-001",
            "mg/dlx",
            "mg/dl, µmol/l",
        )
        for row in range(10, 45)
    ]
    return (
        Finding(
            "duplicate-row",
            Severity.WARNING,
            "The same row twice.",
            "lb.csv",
            77,
            "",
            "001-001",
            "as row 76",
            "one row",
        ),
        *unknown,
        Finding(
            "text-from-outside",
            Severity.NOTE,
            "Odd text.",
            "ae.csv",
            3,
            "AETERM",
            "002-001",
            "<img src=x onerror=alert(1)> 头痛 \x07",
            "a term",
        ),
    )


def datasets() -> dict[str, Dataset]:
    adtte = pl.DataFrame(
        {
            "USUBJID": ["017-004", "003-001"],
            "PARAMCD": ["FAIL", "FAIL"],
            "AVAL": [274.0, 92.5],
            "CNSR": [0, 1],
            "ADT": [date(2006, 10, 26), date(2006, 4, 27)],
        }
    )
    adevent = pl.DataFrame(
        {"USUBJID": ["017-004"], "SRC": ["x" * 150 + "é" * 60], "ROWS": [["lb.csv row 1", "lb.csv row 2"]]}
    )
    return {
        "ADTTE": Dataset(
            adtte,
            {"USUBJID": "Unique Subject Identifier", "AVAL": "Analysis Value"},
            "Time-to-Event Analysis Dataset",
            ("USUBJID", "PARAMCD"),
        ),
        "ADEVENT": Dataset(adevent, {"SRC": "Source"}, "Candidate Events"),
    }


def sample_content(*, is_virtual: bool = True) -> ReportContent:
    """The whole sample."""
    listed, times = events()
    return ReportContent(
        protocol=PROTOCOL,
        study="sample",
        results=results(),
        is_virtual=is_virtual,
        findings=findings(),
        datasets=datasets(),
        events=listed,
        times=times,
        populations={"itt": ITT},
        sources=(
            Source("lb.csv", "csv", 60120, "cd" * 32, "LB"),
            Source("dm.csv", "csv", 227, "ef" * 32, "DM"),
        ),
        row_counts={"subjects": 227, "observations": 60120},
        explanations={
            ("017-004", "proteinuric_flare"): EXPLANATION,
            (
                "001-001",
                "proteinuric_flare",
            ): "proteinuric_flare: never true\n└─ upcr stayed below 2 * baseline",
        },
    )
