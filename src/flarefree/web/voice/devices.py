"""The second factor on the telephone: the code of a person's own authenticator, or a recovery code."""

from __future__ import annotations

from allauth.mfa.models import Authenticator

__all__ = ["device_shows"]


def device_shows(person: str, code: str) -> bool:
    """Whether this is a code of one of the person's devices that was not used before."""
    if not code.isascii() or not code.isdigit() or not 6 <= len(code) <= 8:
        return False
    devices = Authenticator.objects.filter(user__name=person, type__in=("totp", "recovery_codes"))
    return any(device.wrap().validate_code(code) for device in devices.order_by("-type"))
