"""What the server's own log may say: addresses of pages, never a link that opens an account."""

from __future__ import annotations

import logging
import re

__all__ = ["NoSecrets"]

_SECRET = re.compile(r"(/accounts/begin/)[^/\s'\"]+|\b(ff_)[A-Za-z0-9_-]{20,}")


class NoSecrets(logging.Filter):
    """Takes one-time links and tokens out of whatever is about to be written."""

    def filter(self, record: logging.LogRecord) -> bool:
        """The record, its text put together and cleaned."""
        text = record.getMessage()
        cleaned = _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)
        if cleaned != text:
            record.msg, record.args = cleaned, ()
        return True
