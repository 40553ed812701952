"""The demonstration: half-way through, in every state that a newcomer is to meet; made once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_LOOK = """
import json, sys
from collections import Counter
from pathlib import Path
from flarefree.web.config import WebConfig
config = WebConfig(data=Path(sys.argv[1]), is_demo=True)
from flarefree.web import demo
demo.PATIENTS, demo.SITES = 24, 3
demo.prepare(config, lambda *told: None)
from flarefree.web.clock import now
from flarefree.web.committee_store import read_whole_queue
from flarefree.web.record.reading import facts_of, read_head
length = read_head().length
demo.prepare(config, lambda *told: None)
cases = Counter(case.state.value for case in read_whole_queue().queue.cases)
print(json.dumps({
    "status": Counter(map(str, facts_of("subject", "status").values())),
    "cases": cases,
    "open_queries": list(facts_of("query", "status").values()).count("open"),
    "code_breaks": len(facts_of("code_break", "reason")),
    "interrupted": list(facts_of("dose", "what").values()).count("Interrupt"),
    "people": len(demo.accounts()),
    "same": read_head().length == length,
    "is_past": read_head().at <= now(),
}))
"""


@pytest.mark.slow
def test_a_newcomer_finds_something_in_every_state(tmp_path):
    import json

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLAREFREE_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, str(tmp_path / "data")],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"]["eligible"] == 2
    assert told["status"]["on_treatment"] >= 5
    assert told["cases"]["waiting"] >= 1
    assert told["cases"]["disagreed"] >= 1
    assert told["open_queries"] >= 1
    assert told["code_breaks"] == 1
    assert told["interrupted"] >= 1
    assert told["people"] >= 26
    assert told["same"]
    assert told["is_past"]


def test_it_wants_to_be_told_that_it_is_one(record, tmp_path):
    from flarefree.errors import ConductError
    from flarefree.web import demo
    from flarefree.web.config import WebConfig

    with pytest.raises(ConductError, match="no demonstration"):
        demo.prepare(WebConfig(data=tmp_path))
