"""Whether the line is open: its secret with the provider, its address, its language; and the trial's words.

`voice/secret` in the data folder holds the provider's token, readable by its owner only; `voice/line.json`
holds `public_url`, and perhaps `language`.  Without both files every hook is answered as if there were no
line.
"""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from flarefree.errors import ConductError
from flarefree.web.config import WebConfig
from flarefree.web.trial import running_trial
from flarefree.web.voice.calls import Line, Question
from flarefree.web.voice.texts import LANGUAGES

__all__ = ["LineSettings", "line_of_trial", "read_line_settings"]

MOST_LEVELS = 9
"""Keys from 1 to 9."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line meets its provider.

    Attributes
    ----------
    secret : str
        Under which hooks are signed.
    public_url : str
        Address of the application as the provider calls it: `https://trial.example.org`.
    language : str
        Of what is said.
    """

    secret: str = field(repr=False)
    public_url: str
    language: str = "en-US"


def read_line_settings(data: Path) -> LineSettings | None:
    """The line's settings, None if it was not set up.

    Raises
    ------
    ConductError
        The secret may be read by others, or a setting is wrong.
    """
    secret, told = data / "voice" / "secret", data / "voice" / "line.json"
    if not secret.exists() or not told.exists():
        return None
    mode = stat.S_IMODE(secret.stat().st_mode)
    if mode & 0o077:
        raise ConductError(
            "the voice line's secret can be read by others",
            where=secret.name,
            found=f"mode {mode:04o}",
            expected="0600",
            try_="chmod 600, and have the provider make a new token: the old one may be known",
        )
    values = json.loads(told.read_text("utf-8"))
    found = LineSettings(
        secret.read_text("utf-8").strip(),
        str(values.get("public_url", "")).rstrip("/"),
        str(values.get("language", "en-US")),
    )
    if len(found.secret) < 16 or not found.public_url.startswith(("https://", "http://localhost")):
        raise ConductError(
            "the voice line's settings are not complete",
            where="voice/line.json, voice/secret",
            expected='a token of 16 characters or more, and {"public_url": "https://..."}',
        )
    if found.language not in LANGUAGES:
        raise ConductError(
            "the voice line does not speak this language",
            where="voice/line.json",
            found=found.language,
            expected=", ".join(LANGUAGES),
        )
    return found


@lru_cache(maxsize=1)
def settings_in_force() -> LineSettings | None:
    """Of this installation, read once in a process."""
    return read_line_settings(WebConfig.from_environment().data)


def line_of_trial() -> Line:
    """What the trial's protocol has the line ask.

    Raises
    ------
    ConductError
        A factor has more levels than a telephone has keys.
    """
    protocol = running_trial().protocol
    factors = protocol.spec.randomization.strata if protocol.spec.randomization else ()
    questions = []
    for name in factors:
        covariate = protocol.spec.covariates[name]
        levels = tuple(covariate.levels) or covariate.cut_labels or (("no", "yes") if covariate.when else ())
        if not 1 <= len(levels) <= MOST_LEVELS:
            raise ConductError(
                "a stratification factor cannot be keyed in",
                where=name,
                found=f"{len(levels)} levels",
                expected=f"1 to {MOST_LEVELS}",
            )
        questions.append(Question(name, covariate.label, levels))
    return Line(protocol.spec.name.replace("-", " "), tuple(questions))
