"""The acceptance list: every number with its title, and where a real database is the point of it."""

from __future__ import annotations

from types import MappingProxyType

from flarefree.errors import ConductError

__all__ = ["GROUPS", "NEEDS_DATABASE", "NUMBERS", "parse_numbers"]

GROUPS = MappingProxyType(
    {
        "R": "Allocation: correct, once, whatever happens",
        "B": "Blinding",
        "M": "Roles",
        "A": "Audit and tampering",
        "E": "End points and adjudication",
        "V": "Visits, telephone, safety, follow-up",
        "F": "Fallback and operation",
    }
)

NUMBERS = MappingProxyType(
    {
        "R1": "Many ask for the next slot at once",
        "R2": "One patient, many clicks",
        "R3": "Web, API and voice ask for one patient at once",
        "R4": "Killed at every step",
        "R5": "Power loss, full disk, read-only disk, a clock that jumps",
        "R6": "A list at its end",
        "R7": "Consent, eligibility and strata come first",
        "R8": "A wrong stratum is corrected beside the allocation",
        "R9": "No verb takes an allocation back",
        "R10": "Allocations are what theory says of each scheme",
        "R11": "Replay from seed and inputs",
        "R12": "Only the sealed and published list is loaded",
        "R13": "After a restore nothing is allocated twice",
        "B1": "Non-interference: arms swapped, nothing that the blinded fetch differs",
        "B2": "Planted leaks are caught by B1",
        "B3": "No classifier tells the arm from what the blinded see",
        "B4": "Tokens in place of arms are found nowhere outside the vault",
        "B5": "Time of the answer does not depend on the arm",
        "B6": "True troughs stay hidden; shams are like them",
        "B7": "Doses are the same in each arm",
        "B8": "No rule, message or derived field rests on a tainted one",
        "B9": "Code break: who, why, one patient, in time",
        "B10": "Blinding cannot be switched off",
        "M1": "Every cell of the role matrix is tried",
        "M2": "What must stay apart is apart",
        "M3": "Sites do not see each other; nobody judges their own site's case",
        "M4": "A revoked role ends at the next request",
        "A1": "Each change has one entry; the log alone rebuilds the state",
        "A2": "Attacks on the log are detected and located",
        "A3": "The application cannot edit, delete or switch off",
        "A4": "The verifier stands alone and fails loudly",
        "A5": "Nothing is done that cannot be logged",
        "A6": "Reads of unblinding data, accounts and settings are logged",
        "A7": "An identity is erased by destroying its key; the chain holds",
        "A8": "A blinded reviewer sees who, when and why, never the arm",
        "E1": "Every true event of a component reaches the queue",
        "E2": "Late and corrected rows open and close cases; no verdict is overwritten",
        "E3": "Each component: two sealed votes, then a third, consensus or chair",
        "E4": "A dossier holds what is listed, and nothing else",
        "E5": "Controls among the cases give the miss rate",
        "E6": "Negative verdicts go to safety, and nothing comes back",
        "E7": "Copies give agreement within members; the lock asks for an empty queue",
        "V1": "Dates of visits and contacts equal a second calculation",
        "V2": "Contacts fall due, are overdue, and end to the day",
        "V3": "Stops of drug, study and consent are kept apart",
        "V4": "Prohibited and interacting drugs are flagged",
        "V5": "A trough doses in its window, its unit, from a sound sample only",
        "F-1": "Voice: calls dropped, doubled, out of order",
        "F-2": "The answer to a request id is always the truth",
        "F-3": "An outage is entered afterwards and reconciled",
        "F-4": "Backup and restore, drilled and timed",
        "F-5": "Upgrade and amendment in mid-trial",
        "F-6": "The sponsor runs these checks and gets a signed report",
        "F-7": "Going live needs the signed simulation of exactly this scheme",
        "F-8": "Checks run against real databases and processes",
    }
)

NEEDS_DATABASE = frozenset(
    {
        *(f"R{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13)),
        "B1", "B2", "B4", "B5", "B9", "M1", "M4", "A1", "A3", "A5", "A6",
        *(f"F-{n}" for n in (1, 2, 3, 4, 5)),
    }
)  # fmt: skip
"""Numbers whose point is the database or the process: rules alone would show too little (F-8)."""


def parse_numbers(text: str) -> tuple[str, ...]:
    """`R1,B1` or `R,B1` (a letter is all of its group), in the order of the list.

    Raises
    ------
    ConductError
        A number that the list does not have.
    """
    asked: set[str] = set()
    for word in (w.strip().upper() for w in text.split(",")):
        found = {n for n in NUMBERS if word in (n, n.replace("-", ""), n[0])} if word else set()
        if not found:
            raise ConductError(
                "no check has this number",
                where="--only",
                found=word,
                expected="numbers such as R1, B10, F-3, or a letter for all of its group",
            )
        asked |= found
    return tuple(number for number in NUMBERS if number in asked)
