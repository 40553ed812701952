"""One patient's treatment, for who broke the code; and nobody else, nor twice without an entry."""

from __future__ import annotations

from datetime import datetime

from flarefree.conduct.audit import Entry
from flarefree.conduct.codebreak import Answer, CodeBreak, answer_code_break
from flarefree.web.trial import running_trial
from flarefree.web.vault.allocations import arm_of
from flarefree.web.vault.chain import add_entry, read_chain, vault_transaction

__all__ = ["open_code"]


def open_code(broken: CodeBreak, entry: Entry, *, at: datetime, request: str, protocol: str) -> Answer:
    """Answer a code break that stands in the record's log.

    Parameters
    ----------
    broken : CodeBreak
    entry : Entry
        Of its order, as the record keeps it.
    at : datetime
    request : str
        Of this hearing; each has an entry of its own in the vault's log, without the answer.
    protocol : str
        Digest of the one in force.

    Raises
    ------
    ConductError
        The entry is not this code break's, or the patient was not randomized.
    """
    with vault_transaction():
        answer, _ = answer_code_break(broken, entry, ask_vault=_label_of, at=at)
        asked = broken.request
        add_entry(
            read_chain(),
            at,
            who=asked.actor.person,
            role=asked.actor.role,
            action="break_code",
            about=f"subject/{asked.subject}",
            reason_code=asked.reason.name.lower(),
            protocol=protocol,
            request=f"open/{request}",
        )
    return answer


def _label_of(subject: str) -> str:
    return running_trial().protocol.spec.arms[arm_of(subject)].label
