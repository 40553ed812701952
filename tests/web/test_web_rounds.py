"""What time alone brings: troughs once a day, from six in the morning; nothing in a trial without them."""

from __future__ import annotations

from datetime import timedelta

import pytest

pytest.importorskip("django", reason="the extra `web` is not installed")


def test_troughs_are_shown_once_a_day_from_six(databases, tmp_path):
    from flarefree.web.checks.live_trial import BEGIN, live_trial, randomize
    from flarefree.web.checks.trough_paths import _ask, _sample, _stock, _with_troughs
    from flarefree.web.commands.troughs import ImportTrough
    from flarefree.web.record.reading import read_thing
    from flarefree.web.rounds import make_round
    from flarefree.web.vault import service

    with live_trial(tmp_path, subjects=1, edit=_with_troughs) as trial:
        (subject,) = trial.subjects
        randomize(subject)
        service.install_donors(tuple(_stock()), by="ulla", request="stock", at=BEGIN + timedelta(hours=2))
        _ask(_sample(subject), BEGIN + timedelta(days=30))
        reported = BEGIN + timedelta(days=31)
        told = {"result": "5.13", "unit": "ng/mL", "reported_at": reported}
        _ask(ImportTrough(subject=subject, sample=f"T-{subject}", **told), reported)
        next_day = (reported + timedelta(days=1)).replace(minute=0)
        assert "troughs" not in make_round(next_day.replace(hour=5))
        assert read_thing("trough", f"T-{subject}")["value"] is None
        assert "troughs" in make_round(next_day.replace(hour=7))
        assert read_thing("trough", f"T-{subject}")["value"] is not None
        assert "troughs" not in make_round(next_day.replace(hour=8))


def test_a_trial_without_troughs_writes_nothing(databases, tmp_path):
    from flarefree.web.checks.live_trial import BEGIN, live_trial
    from flarefree.web.record.reading import read_head
    from flarefree.web.rounds import make_round

    with live_trial(tmp_path, subjects=1):
        make_round(BEGIN + timedelta(days=1))
        before = read_head()
        assert make_round(BEGIN + timedelta(days=2)) == ()
        assert read_head() == before
