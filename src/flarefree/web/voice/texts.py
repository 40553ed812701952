"""Everything the line says, in one table for translation; a language is one more table with the same keys.

`{name}` is filled in; digits are spoken one by one, in groups.  No text holds an arm: the treatment that a
code break tells comes from the vault, through `treatment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ENGLISH", "LANGUAGES", "grouped", "text_of"]

ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        # before a prompt
        "greeting": "This is the randomization line of {trial}.",
        "wrong": "That is not one of the choices.",
        "no_keys": "Nothing was entered.",
        "not_identified": "Account and PIN do not belong together.",
        "not_proven": "That code is not right, or it was used before.",
        "nothing_here": "There is no such subject here for you.",
        "nothing_done": "Nothing was done under this request number.",
        "prove_again": "Too much time has passed. Please prove again who you are.",
        # prompts
        "account": "Enter the six digits of your account.",
        "pin": "Enter the six digits of your PIN.",
        "task": "To randomize a patient, press 1. To hear the answer to an earlier request, press 2. "
        "To break a patient's code in an emergency, press 3.",
        "device": "Enter the code that your authenticator shows, then press pound.",
        "site": "Enter the number of the site, then press pound. To begin again, press star.",
        "subject": "Enter the number of the patient within the site, then press pound.",
        "stratum": "{label}.",
        "choice": "For {level}, press {key}.",
        "reason": "Why is the code broken?",
        "impact": "Who will know?",
        "read_back_site": "You have entered: site {site}, subject {subject}.",
        "read_back_stratum": "{label}: {level}.",
        "read_back_reason": "Reason: {reason}.",
        "read_back_impact": "Who will know: {impact}.",
        "request_number": "The number of this request is {request}. Please write it down.",
        "confirm_randomize": "If all of this is right, press 1, and the patient will be randomized. This "
        "cannot be taken back. To change it, press 2.",
        "confirm_break_code": "If all of this is right, press 1, and you will hear the treatment of this one "
        "patient. The sponsor will be told that you asked. To change it, press 2.",
        "kit": "Subject {subject} is randomized. The kit code is: {kit}. I repeat: {kit}.",
        "again": "To hear it again, press 1. Otherwise hang up.",
        "request": "Enter the nine digits of the earlier request.",
        "recalled_kit": "Request {request}: subject {subject} was randomized. The kit code is: {kit}. "
        "I repeat: {kit}.",
        "recalled_code_break": "Request {request}: the code of subject {subject} was broken. The treatment "
        "is not repeated here.",
        "recalled_done": "Request {request} was done.",
        "treatment": "The treatment of subject {subject} is: {treatment}. I repeat: {treatment}.",
        # reasons and impacts of a code break, by their names
        "emergency": "a medical emergency, where treatment depends on the study drug",
        "overdose": "an overdose or poisoning",
        "pregnancy": "a pregnancy, where care depends on the study drug",
        "safety_report": "a report to an authority of a suspected unexpected serious reaction",
        "asker_only": "only you",
        "treating_team": "those who treat the patient, but no assessor of the trial",
        "assessors": "somebody who assesses the patient for the trial",
        # ends
        "goodbye": "Goodbye.",
        "operator": "Please call the trial office, or use the web page. Nothing more was done in this call.",
        "too_long": "This call has taken too long. Please call again.",
        "refused": "Nothing was done: {why}.",
        "strata_differ": "Nothing was done: {label} is recorded otherwise. Correct it on the web page.",
        "unknown_outcome": "I cannot tell what became of your request. Please call again, press 2, and enter "
        "request number {request}.",
        "trouble": "Something failed. Please call again, and press 2 to hear what became of your request.",
    }
)

LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en-US": ENGLISH})


def text_of(key: str, values: Mapping[str, str], language: str = "en-US") -> str:
    """A text with its values filled in.

    Raises
    ------
    KeyError
        The table lacks the text, or the text's value is not given: a fault of the program.
    """
    return LANGUAGES[language][key].format_map(values)


def grouped(code: str) -> str:
    """A code as it is read aloud: characters one by one, a pause after every third or fourth.

    Examples
    --------
    >>> grouped("12345674")
    '1 2 3 4, 5 6 7 4'
    >>> grouped("017-004")
    '0 1 7, 0 0 4'
    """
    parts = [part for part in code.replace("_", "-").split("-") if part]
    return ", ".join(_in_groups(part) for part in parts)


def _in_groups(part: str) -> str:
    size = 4 if len(part) % 4 == 0 else 3
    return ", ".join(" ".join(part[at : at + size]) for at in range(0, len(part), size))
