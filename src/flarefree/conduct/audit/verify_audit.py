"""Verify an audit trail: `python verify_audit.py export.jsonl anchors.json --key PUBLICKEY`.

One file, Python 3.9 or later, nothing to install, no secret needed; it shares no code with what writes the
log.  It reads the export (one JSON object a line) and the anchors (from whoever keeps them), and says
whether the log is what was anchored, and if not, where it is not.

Options: --key HEX         the keeper's public key, 64 digits, known from elsewhere than these files
         --receipt N:HASH  what somebody kept of entry N; may be given many times
         --since TIME      the last anchor must not be older: an old export with its old anchors is told
         --whole           nothing may be withheld: the export is to be complete
         --json            the verdict as JSON

Exit: 0 intact; 1 altered; 2 nothing could be verified (empty, unreadable); 3 intact if the anchors' own key
is the keeper's, which was not compared, since no --key was given.

How hashes are made, so that this can be written again in another language: see docs/methods/audit-chain.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
HASH_NAMES = ("content_sha256", "hash", "previous")
LINE_NAMES = {"chain", "content", "content_sha256", "hash", "items", "number", "previous"}
CONTENT_NAMES = {
    "about", "action", "at", "items", "protocol", "reason_code", "request", "role", "salt", "who", "zone",
}  # fmt: skip
ANCHOR_NAMES = {"at", "chain", "head", "length", "number", "previous", "signature"}
TOLERANCE = timedelta(minutes=5)  # two honest clocks
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
LARGEST = 2**53
MOST_TOLD = 50


class UnverifiableError(Exception):
    """There is nothing to verify, or nothing to verify it by."""


class Report:
    """What was found: problems with the entries, from `first` to `last`, that each is about."""

    def __init__(self) -> None:
        self.problems: list[dict[str, Any]] = []
        self.entries = 0
        self.withheld = 0
        self.anchors = 0
        self.anchored = 0
        self.anchored_until = ""
        self.chain = ""
        self.public_key = ""
        self.key_compared = False

    def add(
        self,
        what: str,
        first: int | None = None,
        last: int | None = None,
        anchor: int | None = None,
    ) -> None:
        last = first if last is None else last
        self.problems.append({"what": what, "first": first, "last": last, "anchor": anchor})

    @property
    def verdict(self) -> str:
        if self.problems:
            return "altered"
        return "intact" if self.key_compared else "key not compared"

    @property
    def exit_code(self) -> int:
        return {"intact": 0, "altered": 1, "key not compared": 3}[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        return {"verdict": self.verdict, **vars(self)}


# Bytes, hashes, times ----------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def sha256(layer: str, value: Any) -> str:
    return hashlib.sha256(f"flarefree audit {layer} 1\n".encode() + canonical(value)).hexdigest()


def as_time(text: Any) -> datetime | None:
    if not isinstance(text, str) or not TIME.match(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)  # noqa: UP017
    except ValueError:
        return None


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def is_hash(value: Any) -> bool:
    return isinstance(value, str) and HEX64.match(value) is not None


# Anchors -----------------------------------------------------------------------------------------


def read_anchors(data: bytes, key: str | None, report: Report) -> list[dict[str, Any]]:
    """The anchors whose signatures hold; what is wrong with others goes to the report."""
    try:
        told = json.loads(data)
        anchors, own_key = told["anchors"], told["public_key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnverifiableError("the file of anchors cannot be read") from None
    if not isinstance(anchors, list) or not isinstance(own_key, str):
        raise UnverifiableError("the file of anchors cannot be read")
    if not anchors:
        raise UnverifiableError("the file of anchors has no anchor: there is nothing to verify the log by")
    report.public_key, report.key_compared, report.anchors = own_key[:80], key is not None, len(anchors)
    if key is not None and key != own_key:
        report.add("the anchors name another key than the one given: they are not the keeper's")
    trusted = own_key if key is None else key
    return [anchor for i, anchor in enumerate(anchors) if check_anchor(i, anchors, trusted, report)]


def check_anchor(i: int, anchors: list[Any], key: str, report: Report) -> bool:
    """Whether an anchor is signed; where it does not stand as it must, the report is told."""
    anchor = anchors[i]
    if not is_anchor(anchor):
        report.add(f"anchor {i} is not an anchor", anchor=i)
        return False
    body = {name: anchor[name] for name in ANCHOR_NAMES - {"signature"}}
    if not signature_holds(key, b"flarefree audit anchor 1\n" + canonical(body), anchor["signature"]):
        report.add(f"anchor {i} is not signed by the keeper", anchor=i)
        return False
    before = anchors[i - 1] if i else None
    if anchor["number"] != i or anchor["previous"] != (GENESIS if before is None else anchor_hash(before)):
        report.add(f"anchor {i} does not follow the one before: one is missing or added", anchor=i)
    elif before is not None and (anchor["length"] < before["length"] or anchor["at"] < before["at"]):
        report.add(f"anchor {i} is shorter or earlier than the one before", anchor=i)
    return True


def is_anchor(anchor: Any) -> bool:
    return (
        isinstance(anchor, dict)
        and set(anchor) == ANCHOR_NAMES
        and is_whole(anchor["length"])
        and is_whole(anchor["number"])
        and is_hash(anchor["head"])
        and is_hash(anchor["previous"])
        and isinstance(anchor["chain"], str)
        and as_time(anchor["at"]) is not None
    )


def anchor_hash(anchor: Any) -> str:
    if not is_anchor(anchor) or not isinstance(anchor["signature"], str):
        return ""
    return hashlib.sha256(b"flarefree audit anchor hash 1\n" + canonical(anchor)).hexdigest()


# Entries -----------------------------------------------------------------------------------------


class Walk:
    """Goes through the export line by line."""

    def __init__(self, report: Report, whole: bool) -> None:
        self.report = report
        self.whole = whole
        self.chain = ""
        self.expected = 0  # the number that comes next
        self.hash: str | None = GENESIS  # of the line before; None if that could not be read
        self.latest = ""
        self.requests: dict[str, int] = {}
        self.heads = {0: GENESIS}  # by length: what anchors and receipts are held against
        self.times: dict[int, str] = {}

    def take(self, line: bytes, row: int) -> None:
        """One line.  A line that cannot be read counts as the entry that should have stood there."""
        told = read_line(line)
        if told is None:
            self.report.add(f"line {row} is not an entry as it was written", self.expected)
            self.expected, self.hash = self.expected + 1, None
            return
        number = told["number"]
        self.check_place(told, number)
        self.check_layers(told, number)
        self.expected, self.hash = number + 1, told["hash"]
        self.heads.setdefault(number + 1, told["hash"])

    def check_place(self, told: dict[str, Any], number: int) -> None:
        report, expected = self.report, self.expected
        if told["chain"] != self.chain:
            report.add(f"an entry of another log: {told['chain'][:80]!r}", number)
        if number > expected:
            report.add("entries are missing here", expected, number - 1)
        elif number < expected:
            report.add("an entry is repeated, added or out of its order", number, expected - 1)
        elif self.hash is not None and told["previous"] != self.hash:
            report.add("an entry does not follow the one before it", max(number - 1, 0), number)

    def check_layers(self, told: dict[str, Any], number: int) -> None:
        link = {name: told[name] for name in ("chain", "content_sha256", "number", "previous")}
        content, items = told["content"], told["items"]
        if sha256("link", link) != told["hash"]:
            self.report.add("the entry is not what its hash says", number)
        if content is None or None in items:
            self.report.withheld += 1
            if self.whole:
                self.report.add("something is withheld", number)
        if content is None:
            if any(item is not None for item in items):
                self.report.add("values are shown of an entry whose content is withheld", number)
        elif sha256("content", content) != told["content_sha256"]:
            self.report.add("who, when or why was changed", number)  # its hashes of items are nobody's word
        elif not isinstance(content, dict) or set(content) != CONTENT_NAMES:
            self.report.add("the entry's content is not of the form agreed", number)
        else:
            self.check_content(content, items, number)

    def check_content(self, content: dict[str, Any], items: list[Any], number: int) -> None:
        hashes = content["items"]
        if not isinstance(hashes, list) or len(hashes) != len(items):
            self.report.add("the entry has more or fewer items than it says", number)
        else:
            for item, expected in zip(items, hashes):
                if item is not None and sha256("item", item) != expected:
                    self.report.add("a value or a reason was changed", number)
        self.check_request(content["request"], number)
        self.check_time(content["at"], number)

    def check_request(self, request: Any, number: int) -> None:
        if not isinstance(request, str):
            self.report.add("the entry names no request", number)
            return
        first = self.requests.setdefault(request, number)
        if first != number:
            self.report.add(f"one request has two entries, {first} and {number}", number)

    def check_time(self, at: Any, number: int) -> None:
        if as_time(at) is None:
            self.report.add("the entry has no time", number)
            return
        if at < self.latest:
            self.report.add("the clock went back", number)
        self.latest = max(self.latest, at)
        self.times[number] = at


def read_line(line: bytes) -> dict[str, Any] | None:
    """An entry, if the line is one, spelled in the one way in which it is written."""
    try:
        told = json.loads(line)
        is_entry = (
            isinstance(told, dict)
            and set(told) == LINE_NAMES
            and canonical(told) == line
            and is_whole(told["number"])
            and isinstance(told["items"], list)
            and isinstance(told["chain"], str)
            and all(is_hash(told[name]) for name in HASH_NAMES)
        )
    except (ValueError, RecursionError):
        return None
    return told if is_entry else None


# Entries against anchors and receipts ------------------------------------------------------------


def check_anchors(walk: Walk, anchors: list[dict[str, Any]], report: Report) -> None:
    """Whether the log passes through every anchored head, and at the right time."""
    good, good_at = 0, None
    for anchor in anchors:
        length, at = anchor["length"], anchor["at"]
        if anchor["chain"] != walk.chain:
            continue  # told where the log's own name was settled
        if length > walk.expected:
            what = f"the log ends early: {walk.expected} entries, and {length} were anchored at {at}"
            report.add(what, walk.expected, length - 1, anchor["number"])
        elif walk.heads.get(length) != anchor["head"]:
            last = max(length - 1, 0)
            report.add(f"entries are not those anchored at {at}", min(good, last), last, anchor["number"])
        else:
            check_times(walk, good, length, good_at, at)
            good, good_at = length, at
            report.anchored, report.anchored_until = length, at
    check_times(walk, good, walk.expected, good_at, None)


def check_times(walk: Walk, begin: int, end: int, after: str | None, before: str | None) -> None:
    """Entries between two anchors are dated between them, within the tolerance of two clocks."""
    earliest = shifted(after, -TOLERANCE, "")
    latest = shifted(before, TOLERANCE, "9")
    for number in range(begin, min(end, begin + len(walk.heads))):
        at = walk.times.get(number)
        if at is not None and at < earliest:
            walk.report.add(f"dated {at}, before the anchor of {after}, which it follows", number)
        elif at is not None and at > latest:
            walk.report.add(f"dated {at}, after the anchor of {before}, which holds it", number)


def shifted(text: str | None, by: timedelta, otherwise: str) -> str:
    at = as_time(text)
    return otherwise if at is None else (at + by).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check_receipts(walk: Walk, receipts: Iterable[tuple[int, str]], report: Report) -> None:
    for number, expected in receipts:
        if number >= walk.expected:
            report.add(f"entry {number} is missing, of which there is a receipt", walk.expected, number)
        elif walk.heads.get(number + 1) != expected:
            report.add(
                f"entry {number}, or one before it, is not that of the receipt", report.anchored, number
            )


def verify(
    export: bytes | Iterable[bytes],
    anchors_data: bytes,
    key: str | None = None,
    receipts: Iterable[tuple[int, str]] = (),
    whole: bool = False,
    since: str = "",
) -> Report:
    """Verify an export (its bytes or lines) against the bytes of a file of anchors.

    Raises `UnverifiableError` where nothing can be said.
    """
    report = Report()
    if key is not None and not HEX64.match(key):
        raise UnverifiableError("the key is not 64 hexadecimal digits")
    if not anchors_data.strip():
        raise UnverifiableError("the file of anchors is empty")
    anchors = read_anchors(anchors_data, key, report)
    walk = Walk(report, whole)
    for row, line in enumerate(BytesIO(export) if isinstance(export, bytes) else export, 1):
        body = line[:-1] if line.endswith(b"\n") else line
        if row == 1:
            report.chain = walk.chain = settle_chain(anchors, body, report)
        if body is line:
            report.add(f"line {row} has no end: the file was cut", walk.expected)
        walk.take(body, row)
        report.entries = row
    if report.entries == 0:
        raise UnverifiableError("the export is empty: there is no log to verify")
    check_anchors(walk, anchors, report)
    check_receipts(walk, receipts, report)
    if since and report.anchored_until < since:
        told = report.anchored_until or "no time"
        report.add(f"the last anchor that holds is of {told}, older than {since}", walk.expected)
    return report


def settle_chain(anchors: list[dict[str, Any]], first_line: bytes, report: Report) -> str:
    """The log's name: the one that it says, if an anchor says it too; otherwise the anchors' word."""
    named = [anchor["chain"] for anchor in anchors]
    told = read_line(first_line)
    own = "" if told is None else told["chain"]
    if not named:
        report.add("no anchor holds: nothing vouches for this log", 0)
        return str(own)
    if own not in named:
        report.add(f"the anchors are of another log: {named[0][:80]!r}", 0)
        return str(named[0])
    for anchor in anchors:
        if anchor["chain"] != own:
            number = anchor["number"]
            report.add(f"anchor {number} is another log's: {anchor['chain'][:80]!r}", anchor=number)
    return str(own)


# Ed25519 (RFC 8032), verification only -----------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


Point = tuple[int, int, int, int]


def signature_holds(public_key: str, message: bytes, signature: Any) -> bool:
    """Whether an Ed25519 signature (hexadecimal) is that of the key's holder over the message."""
    try:
        key, sign = bytes.fromhex(public_key), bytes.fromhex(signature)
    except (ValueError, TypeError):
        return False
    if len(key) != 32 or len(sign) != 64 or signature != sign.hex():
        return False
    a, r = point_of(key), point_of(sign[:32])
    s = int.from_bytes(sign[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(sign[:32] + key + message).digest(), "little") % ORDER
    return same_point(times(s, base()), add(r, times(h, a)))


def point_of(data: bytes) -> Point | None:
    """A point from its 32 bytes, in extended coordinates (X, Y, Z, T); None if they are no point."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n: int, p: Point) -> Point:
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p = add(p, p)
        n >>= 1
    return q


def same_point(p: Point, q: Point) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def base() -> Point:
    point = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if point is None:
        raise ArithmeticError("the base point is not on the curve")
    return point


# The command -------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    try:
        files, options = read_arguments(arguments)
        as_json = options.pop("as_json")
        data = Path(files[1]).read_bytes()
        with Path(files[0]).open("rb") as lines:
            report = verify(lines, data, **options)
    except UnverifiableError as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    text = json.dumps(report.to_dict(), sort_keys=True, indent=1) if as_json else in_words(report)
    sys.stdout.write(text + "\n")
    return report.exit_code


def fail(message: str) -> int:
    sys.stderr.write(f"NOT VERIFIED: {message}\n")
    return 2


def read_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    files: list[str] = []
    options: dict[str, Any] = {"key": None, "receipts": [], "whole": False, "since": "", "as_json": False}
    rest = iter(arguments)
    for word in rest:
        if word == "--json":
            options["as_json"] = True
        elif word == "--whole":
            options["whole"] = True
        elif word == "--key":
            options["key"] = next(rest, "").strip().lower()
        elif word == "--since":
            options["since"] = read_since(next(rest, ""))
        elif word == "--receipt":
            options["receipts"].append(read_receipt(next(rest, "")))
        elif word.startswith("-"):
            raise UnverifiableError(f"{word} is not an option; usage:\n{__doc__}")
        else:
            files.append(word)
    if len(files) != 2:
        raise UnverifiableError(f"two files are needed; usage:\n{__doc__}")
    return files, options


def read_since(text: str) -> str:
    if re.match(r"\d{4}-\d\d-\d\d\Z", text, re.ASCII):
        text += "T00:00:00.000000Z"
    if as_time(text) is None:
        raise UnverifiableError(f"not a time: {text[:80]!r}; 2026-11-20, say, or 2026-11-20T15:31:00.000000Z")
    return text


def read_receipt(text: str) -> tuple[int, str]:
    match = re.match(r"(\d{1,15}):([0-9a-f]{64})\Z", text, re.ASCII)
    if match is None:
        raise UnverifiableError(f"not a receipt: {text[:80]!r}")
    return int(match[1]), match[2]


def in_words(report: Report) -> str:
    lines = [
        f"{report.verdict.upper()}: {report.chain}",
        f"{report.entries} entries, {report.withheld} of them withheld in part or whole; "
        f"{report.anchors} anchors",
        f"anchored: the first {report.anchored} entries, last at {report.anchored_until or 'no time'}",
    ]
    if not report.problems and report.entries > report.anchored:
        lines.append(
            f"not anchored yet: the last {report.entries - report.anchored}; if more were taken away after "
            "them, only a receipt or the next anchor shows it"
        )
    if not report.key_compared:
        lines.append(f"the key was not compared: {report.public_key} must be the keeper's (--key)")
    lines += [f"  {place_in_words(problem)}{problem['what']}" for problem in report.problems[:MOST_TOLD]]
    if len(report.problems) > MOST_TOLD:
        lines.append(f"  and {len(report.problems) - MOST_TOLD} more")
    return "\n".join(lines)


def place_in_words(problem: dict[str, Any]) -> str:
    first, last = problem["first"], problem["last"]
    if first is None:
        return ""
    return f"entry {first}: " if first == last else f"entries {first} to {last}: "


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
