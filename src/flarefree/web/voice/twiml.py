"""A prompt as TwiML, and the provider's signature of its hooks.

TwiML is Twilio's XML of telephone verbs; other providers (Telnyx's TeXML, SignalWire) read the same.  A hook
is signed by HMAC-SHA1 over its address and its sorted form fields, under the account's token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from flarefree.web.voice.prompts import Prompt

__all__ = ["is_signed", "render_twiml", "signature_of"]


def render_twiml(prompt: Prompt, *, action: str, language: str = "en-US") -> bytes:
    """A prompt as an XML document.

    Parameters
    ----------
    prompt : Prompt
    action : str
        Address of the hook; the turn is added to it, so that an answer names the prompt it answers.
    """
    response = Element("Response")
    if prompt.is_last:
        _say(response, prompt.say, language)
        SubElement(response, "Hangup")
        return _document(response)
    address = f"{action}?turn={prompt.turn}"
    told = {"input": "dtmf", "method": "POST", "action": address, "timeout": str(prompt.seconds)}
    told["finishOnKey"] = "#"
    if prompt.most_keys:
        told["numDigits"] = str(prompt.most_keys)
    gather = SubElement(response, "Gather", told)
    _say(gather, prompt.say, language)
    # Reached where no key was pressed; the same address without digits is a silent turn.
    SubElement(response, "Redirect", {"method": "POST"}).text = address
    return _document(response)


def _say(parent: Element, sentences: Iterable[str], language: str) -> None:
    for sentence in sentences:
        SubElement(parent, "Say", {"language": language}).text = sentence


def _document(root: Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode").encode()


def signature_of(secret: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """The signature of a hook: Base64 of HMAC-SHA1 over the address and the sorted names and values."""
    told = url + "".join(name + value for name, value in sorted(set(form)))
    # SHA-1 is the provider's choice; HMAC does not rest on its resistance to collisions.
    return base64.b64encode(hmac.new(secret.encode(), told.encode(), hashlib.sha1).digest()).decode()


def is_signed(secret: str, url: str, form: Iterable[tuple[str, str]], signature: str) -> bool:
    """Whether a hook comes from who knows the secret; compared in constant time."""
    return hmac.compare_digest(signature_of(secret, url, form).encode(), signature.encode())
