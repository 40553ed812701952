"""Who asks, and in which role: found anew at each request, so that what was taken is gone at the next.

A person who holds several roles chooses one; a program shows a token, which is bound to one.  Pages are for
sessions and the API for tokens, and neither takes the other's: a token that was stolen opens no page, where
an administrator could be made to hand out links.
"""

from __future__ import annotations

import hashlib

from django.http import HttpRequest

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web.clock import now
from flarefree.web.people.grants import account_is_open, read_grants_of
from flarefree.web.people.models import ApiToken

__all__ = ["actor_of", "actor_of_program", "choose_role", "digest_of_secret", "person_of", "roles_of"]

_ROLE = "acting_role"
_FOUND = "_flarefree_actor"
_BEARER = "Bearer "


def person_of(request: HttpRequest) -> str:
    """Who is logged in; empty if nobody is."""
    user = getattr(request, "user", None)
    return str(user.get_username()) if user is not None and user.is_authenticated else ""


def roles_of(request: HttpRequest) -> tuple[str, ...]:
    """The roles that who is logged in holds now, in the order in which they were given."""
    person = person_of(request)
    return read_grants_of(person).roles_at(person, now()) if person else ()


def choose_role(request: HttpRequest, role: str) -> Actor:
    """Act in one of the roles held, until another is chosen or the session ends.

    Raises
    ------
    ConductError
        It is not held.
    """
    person = person_of(request)
    actor = read_grants_of(person).actor_at(person, role, now())
    request.session[_ROLE] = role
    _forget(request)
    return actor


def actor_of(request: HttpRequest) -> Actor | None:
    """Who is logged in, in which role, at which sites, at this moment.

    Returns
    -------
    Actor or None
        None where nobody is logged in, no role is held, or several are and none of them was chosen.
    """
    if not hasattr(request, _FOUND):
        setattr(request, _FOUND, _by_session(request))
    actor: Actor | None = getattr(request, _FOUND)
    return actor


def actor_of_program(request: HttpRequest) -> Actor | None:
    """Whose program asks, by its token; None if the token is not good now, or its role was taken."""
    return _by_token(request.headers.get("Authorization", ""))


def digest_of_secret(secret: str) -> str:
    """What is kept of a link or token; it has 256 bits, so that a plain digest tells nothing."""
    return hashlib.sha256(b"flarefree secret 1\n" + secret.encode()).hexdigest()


def _by_session(request: HttpRequest) -> Actor | None:
    person = person_of(request)
    if not person or not account_is_open(person):
        return None
    grants, at = read_grants_of(person), now()
    held = grants.roles_at(person, at)
    chosen = request.session.get(_ROLE)
    role = chosen if chosen in held else held[0] if len(held) == 1 else None
    return None if role is None else grants.actor_at(person, role, at)


def _by_token(header: str) -> Actor | None:
    at = now()
    digest = digest_of_secret(header.removeprefix(_BEARER).strip())
    token = ApiToken.objects.filter(digest=digest, revoked_at=None, expires_at__gt=at).first()
    if not header.startswith(_BEARER) or token is None or not account_is_open(token.person):
        return None
    try:
        return read_grants_of(token.person).actor_at(token.person, token.role, at)
    except ConductError:
        return None


def _forget(request: HttpRequest) -> None:
    if hasattr(request, _FOUND):
        delattr(request, _FOUND)
