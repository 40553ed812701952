"""The key file of a trial: who was in which arm, as its two key holders released it.

Takes the file that the ceremony gave and whom to trust; gives a study whose patients have their arms, or
refuses: another protocol, another signature, other patients than were randomized.  A published trial was once
reversed by recoding its arms by hand; here nothing is recoded by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flarefree.errors import MissingExtraError, ReadError, StudyError
from flarefree.lineage import Source

if TYPE_CHECKING:
    from flarefree.protocol.loaded import LoadedProtocol
    from flarefree.records.study import Study

__all__ = [
    "KIND",
    "ReleaseKey",
    "is_signed",
    "message_of",
    "read_release_key",
    "render_release_key",
    "with_arms",
]

KIND = "flarefree release key 1"
_HOLDERS = 2
_FINDINGS_OF_MASKING = frozenset({"no-arm", "empty-arm"})


@dataclass(frozen=True, slots=True)
class ReleaseKey:
    """A key file whose signatures were verified.

    Attributes
    ----------
    trial, protocol_digest, lists_sha256 : str
        Which trial, under which protocol, by which sealed lists.
    arms : mapping of str to str
        Subject to the arm's key in the protocol; not shown by `repr`.
    source : Source
        The file.
    """

    trial: str
    protocol_digest: str
    lists_sha256: str
    arms: Mapping[str, str]
    source: Source

    def __repr__(self) -> str:
        return f"<release key of {self.trial}, {len(self.arms)} patients>"


def message_of(body: Mapping[str, Any]) -> bytes:
    """What each holder signs: canonical JSON under the document's kind."""
    text = json.dumps(dict(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return b"flarefree sealed\n" + KIND.encode() + b"\n" + text.encode()


def render_release_key(body: Mapping[str, Any], signatures: Mapping[str, str]) -> bytes:
    """The file: body, its SHA-256, and a signature by each public key (hexadecimal)."""
    told = {
        "body": dict(body),
        "kind": KIND,
        "sha256": hashlib.sha256(message_of(body)).hexdigest(),
        "signatures": dict(signatures),
    }
    return json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def read_release_key(path: Path, holders: Sequence[str]) -> ReleaseKey:
    """Read a key file and verify both signatures.

    Parameters
    ----------
    path : Path
    holders : sequence of str
        Public keys (hexadecimal) of the two holders, from the study that was exported blind: never from the
        key file, which anybody could sign.

    Raises
    ------
    ReadError
        It is no key file.
    StudyError
        The study names no holders, or a signature of theirs is missing or wrong.
    """
    if len(set(holders)) != _HOLDERS:
        raise StudyError(
            "the study does not say who may release its arms",
            where="study.yaml release_keys",
            found=f"{len(set(holders))} public keys",
            expected="the public keys of the two key holders",
            try_="export the study anew from the trial's application",
        )
    told, data = _read(path)
    body = told["body"]
    for holder in holders:
        if not is_signed(body, holder, str(told["signatures"].get(holder, ""))):
            raise StudyError(
                "the key file is not signed by both key holders",
                where=path.name,
                found=f"no good signature by {holder[:16]}…",
                expected="a signature by each holder that study.yaml names",
            )
    source = Source(
        path.name, "release-key", len(body["allocations"]), hashlib.sha256(data).hexdigest(), "arms"
    )
    arms = MappingProxyType({str(k): str(v) for k, v in body["allocations"].items()})
    return ReleaseKey(body["trial"], body["protocol_digest"], body["lists_sha256"], arms, source)


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        data = path.read_bytes()
        told = json.loads(data)
        body = told["body"]
        names = {"allocations", "lists_sha256", "protocol_digest", "trial"}
        if told["kind"] == KIND and set(body) == names and isinstance(told["signatures"], dict):
            return told, data
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise ReadError(
        "not a release key", where=path.name, expected="the file that the key ceremony of the trial gave"
    )


def is_signed(body: Mapping[str, Any], public_key: str, signature: str) -> bool:
    """Whether a holder signed exactly this body."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise MissingExtraError(
            "a release key is verified by the package cryptography",
            where="--key",
            try_="pip install 'flarefree[web]'",
        ) from None
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message_of(body))
    except (InvalidSignature, ValueError):
        return False
    return True


def with_arms(study: Study, key: ReleaseKey, protocol: LoadedProtocol) -> Study:
    """The study with each patient's arm.

    Raises
    ------
    StudyError
        The key is of another protocol, names an arm that the protocol does not, or does not have exactly the
        patients who were randomized; or the study's own arms differ from it.
    """
    import polars as pl

    if key.protocol_digest != protocol.digest:
        raise StudyError(
            "the key was released under another protocol",
            where=key.source.path,
            found=f"SHA-256 {key.protocol_digest}",
            expected=f"{protocol.digest} ({protocol.spec.name})",
        )
    unknown = sorted(set(key.arms.values()) - set(protocol.spec.arms))
    if unknown:
        raise StudyError("the key names arms that the protocol does not have", where=key.source.path)
    subjects = study["subjects"]
    _require_same_patients(subjects, key)
    arm = pl.col("subject").replace_strict(dict(key.arms), default=None, return_dtype=pl.String)
    if subjects.filter(pl.col("arm").is_not_null() & (pl.col("arm") != arm)).height:
        raise StudyError("the study has arms of its own, which differ from the key", where=key.source.path)
    released = subjects.with_columns(arm=arm, arm_written=arm)
    return replace(
        study,
        tables=dict(study.tables) | {"subjects": released},
        sources=(*study.sources, key.source),
        findings=tuple(f for f in study.findings if f.code not in _FINDINGS_OF_MASKING),
    )


def _require_same_patients(subjects: Any, key: ReleaseKey) -> None:
    import polars as pl

    randomized = set(subjects.filter(pl.col("randomization_date").is_not_null())["subject"])
    missing, beyond = sorted(randomized - set(key.arms)), sorted(set(key.arms) - randomized)
    if missing or beyond:
        raise StudyError(
            "the key is not of these patients",
            where=key.source.path,
            found=f"{len(missing)} randomized patients not in it, {len(beyond)} in it that the study has not "
            f"({', '.join((missing + beyond)[:3])})",
            expected="exactly the patients who were randomized",
        )
