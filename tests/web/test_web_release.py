"""The key ceremony, and the analysis that takes only its file."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from flarefree.errors import ConductError, StudyError

SHARES = {"kay": bytes([21]) * 32, "lou": bytes([22]) * 32}


@pytest.fixture
def released(databases: None, tmp_path):
    """A locked trial whose two holders have presented their shares; its key file, holders and arms."""
    from flarefree.conduct.randomization.sealing import public_key_of
    from flarefree.conduct.visibility import Actor
    from flarefree.web.checks.live_trial import BEGIN, Arrange, live_trial, randomize
    from flarefree.web.commands.base import Asked
    from flarefree.web.commands.executing import execute
    from flarefree.web.commands.release import PresentShare, fetch_key_file
    from flarefree.web.trial import running_trial
    from flarefree.web.vault import service

    at = BEGIN + timedelta(days=1)
    holders = {name: public_key_of(share).hex() for name, share in SHARES.items()}

    def write(request: str, **told: str) -> None:
        values = tuple(("trial", "this", name, "configuration", value) for name, value in told.items())
        execute(Arrange(about="trial/this", values=values), Asked(None, request, at, "machine"))

    with live_trial(tmp_path / "trial", subjects=12) as trial:
        for subject in trial.subjects[:10]:
            randomize(subject)
        named = {f"release_holder_{n}": name for n, name in enumerate(holders, 1)}
        named |= {f"release_key_{n}": key for n, key in enumerate(holders.values(), 1)}
        write("named", **named, analysis_plan_digest="ab" * 32)
        statistician = Actor("bea", "blinded_statistician")

        def present(person: str, share: bytes, request: str):
            asked = Asked(Actor(person, "key_holder"), request, at)
            return execute(PresentShare(share=share.hex(), reason="ceremony"), asked)

        with pytest.raises(ConductError, match="nothing here"):
            present("kay", SHARES["kay"], "before the lock")
        write("locked", phase="locked")
        with pytest.raises(ConductError, match="not the share"):
            present("kay", SHARES["lou"], "another's share")
        first = present("kay", SHARES["kay"], "first")
        present("kay", SHARES["kay"], "first again")
        assert not first.result["is_released"] and not service.is_released()
        write("too early", phase="unblinded")
        with pytest.raises(ConductError, match="not released"):
            fetch_key_file(Asked(statistician, "early", at))
        write("back", phase="locked")
        assert present("lou", SHARES["lou"], "second").result["is_released"]
        with pytest.raises(ConductError, match="nothing here"):
            fetch_key_file(Asked(statistician, "still locked", at))
        write("unblinded", phase="unblinded")
        place = tmp_path / "key.json"
        place.write_bytes(fetch_key_file(Asked(statistician, "now", at)))
        own = trial.lists.lists[0].entries
        arms = {s: ("MMF", "AZA")[own[i]] for i, s in enumerate(trial.subjects[:10])}
        yield place, tuple(holders.values()), arms, running_trial().protocol


def _study(subjects):
    from datetime import date

    import polars as pl

    from flarefree.records.study import Study

    frame = pl.DataFrame(
        {"subject": list(subjects), "randomization_date": [date(2026, 1, 5)] * len(subjects)}
    )
    return Study("trial", tables={"subjects": frame})


def test_the_key_gives_each_patient_the_arm_of_the_list(released):
    from flarefree.readers.release_key import read_release_key, with_arms

    place, holders, arms, protocol = released
    key = read_release_key(place, holders)
    assert dict(key.arms) == arms
    study = with_arms(_study(sorted(arms)), key, protocol)
    assert dict(study["subjects"].select("subject", "arm").iter_rows()) == arms
    assert study.sources[-1].path == "key.json"


def test_a_key_that_is_not_exactly_the_trials_is_refused(released):
    from flarefree.protocol import load_protocol
    from flarefree.readers.release_key import read_release_key, with_arms

    place, holders, arms, protocol = released
    key = read_release_key(place, holders)
    with pytest.raises(StudyError, match="another protocol"):
        with_arms(_study(sorted(arms)), key, load_protocol("cdisc-pilot"))
    with pytest.raises(StudyError, match="not of these patients"):
        with_arms(_study(sorted(arms)[:-1]), key, protocol)
    with pytest.raises(StudyError, match="not signed by both"):
        read_release_key(place, (holders[0], "ab" * 32))
    with pytest.raises(StudyError, match="does not say who"):
        read_release_key(place, (holders[0], holders[0]))
    told = json.loads(place.read_bytes())
    swap = {"MMF": "AZA", "AZA": "MMF"}
    told["body"]["allocations"] = {s: swap[a] for s, a in told["body"]["allocations"].items()}
    place.write_text(json.dumps(told))
    with pytest.raises(StudyError, match="not signed by both"):
        read_release_key(place, holders)
