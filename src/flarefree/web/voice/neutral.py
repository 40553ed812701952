"""A prompt as plain JSON, for providers without TwiML and for a hospital's own telephone system.

A hook is signed by HMAC-SHA256, in hexadecimal, over its time, a dot and its body; one older than five
minutes is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from flarefree.web.voice.prompts import Prompt

__all__ = ["FRESH_FOR", "is_signed", "render_json", "signature_of"]

FRESH_FOR = timedelta(minutes=5)


def render_json(prompt: Prompt) -> dict[str, Any]:
    """What to say, which keys to wait for and the turn to send back; `hang_up` after the last words."""
    told: dict[str, Any] = {"turn": prompt.turn, "say": list(prompt.say), "hang_up": prompt.is_last}
    if not prompt.is_last:
        told["keys"] = {"most": prompt.most_keys or None, "end": "#", "seconds": prompt.seconds}
    return told


def signature_of(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 in hexadecimal over `stamp` (seconds since 1970), a dot and the body."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def is_signed(secret: str, stamp: str, body: bytes, signature: str, at: datetime) -> bool:
    """Whether a hook comes from who knows the secret, and was signed within the last five minutes."""
    is_right = hmac.compare_digest(signature_of(secret, stamp, body).encode(), signature.encode())
    if not is_right or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        return False
    return abs(at.timestamp() - int(stamp)) <= FRESH_FOR.total_seconds()
