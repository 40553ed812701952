"""Accounts and their roles: who may log in, what they may do, by whom and why it was given."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.errors import ConductError
from flarefree.web import clock
from flarefree.web.commands.accounts import CloseAccount, GrantRole, InviteAccount, OpenAccount, RevokeRole
from flarefree.web.commands.base import Asked
from flarefree.web.commands.logins import RevokeToken
from flarefree.web.pages.asking import ask_page, done, may, show
from flarefree.web.pages.forms import Input, form_of, wrong_of
from flarefree.web.pages.tables import Cell, Table, table_of
from flarefree.web.people.links import invite
from flarefree.web.people.tokens import revoke_token as end_token
from flarefree.web.queries.seeing import see_thing, see_things
from flarefree.web.record.reading import Item
from flarefree.web.trial import running_trial

__all__ = [
    "account", "accounts", "close_account", "grant_role", "invite_account", "open_account", "revoke_role",
    "revoke_token",
]  # fmt: skip

GRANT = (("grant", "accounts.register"),)
_WHY = Input("reason", "Why", "long", hint="Stays in the log.")


def accounts(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Everybody who has, or had, an account."""
    grants = see_things(actor, "grant")
    rows = [
        (
            Cell(str(thing["full_name"]), reverse("account", args=[thing.key])),
            Cell(thing.key),
            Cell(", ".join(sorted({_role(g) for g in grants if g["person"] == thing.key and not g["end"]}))),
            Cell(state="active" if thing["is_active"] else "closed"),
        )
        for thing in sorted(see_things(actor, "account"), key=lambda thing: thing.key)
    ]
    head = ("Person", "Logs in as", "Roles", "Account")
    table = table_of("Accounts", head, rows, empty="There is no account yet.")
    return show(request, "accounts", {"table": table, "can_grant": may(actor, GRANT)})


def account(request: HttpRequest, actor: Actor, person: str) -> HttpResponseBase:
    """One person's account with the whole history of their roles."""
    thing = _account(actor, person)
    grants = [grant for grant in see_things(actor, "grant") if grant["person"] == person]
    rows = [
        (
            _role(grant),
            str(grant["sites"] or "all of the role"),
            _time(grant["begin"]),
            _time(grant["end"]),
            Cell(str(grant["granted_by"]), note=str(grant["reason"] or "")),
        )
        for grant in grants
    ]
    head = ("Role", "Sites", "From", "Until", "Given by")
    told = {
        "account": thing,
        "table": table_of("Roles", head, rows, empty="No role was ever given."),
        "tokens": _tokens(actor, person),
        "held": tuple(sorted({str(grant["role"]) for grant in grants if not grant["end"]})),
        "can_grant": may(actor, GRANT) and person != actor.person,
    }
    return show(request, "account", told)


def _tokens(actor: Actor, person: str) -> Table | None:
    """Tokens that programs ask by; no token itself, which nobody can read again."""
    found = [token for token in see_things(actor, "token") if token["person"] == person]
    rows = []
    for token in found:
        ended = str(token["revoked_at"] or "")
        is_open = not ended and may(actor, GRANT)
        take = Cell("Take", reverse("revoke_token", args=[person, token.key])) if is_open else ""
        until = _time(ended) or _time(token["expires_at"])
        rows.append((str(token["label"] or ""), _role(token), until, take))
    head = ("Token", "Role", "Good until", "To do")
    return table_of("Tokens", head, rows, empty="No program asks in this name.") if rows else None


def revoke_token(request: HttpRequest, actor: Actor, person: str, token: str) -> HttpResponseBase:
    """A program's token is good no more."""
    thing = _account(actor, person)
    if not any(item.key == token and item["person"] == person for item in see_things(actor, "token")):
        raise Http404
    form = form_of(RevokeToken, _WHY, fixed={"token": token})
    if request.method == "POST":
        form = form.filled(request.POST)
        if form.missing():
            form = form.with_wrongs(form.missing())
        else:
            asked = Asked(actor, form.request, clock.now(), "web")
            try:
                outcome = end_token(asked, token, form.input("reason").value)
            except ConductError as error:
                form = form.with_wrongs((wrong_of(error),))
            else:
                return done(request, outcome, reverse("account", args=[person]), "The token was taken.")
    shown = {
        "form": form,
        "title": f"Take a token of {thing['full_name']}",
        "lead": "Programs that ask by it are refused from now on.",
        "button": "Take the token",
        "back": reverse("account", args=[person]),
        "crumbs": _crumbs(thing),
        "is_grave": True,
    }
    return show(request, "ask", shown, status=422 if form.wrongs else 200)


def open_account(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Somebody joins."""
    form = form_of(
        OpenAccount,
        Input("full_name", "Name"),
        Input("person", "Logs in as", hint="Small letters and digits; the log names them by it, for good."),
        Input("reason", "Why", value="joins the trial"),
    )
    return ask_page(
        request, actor, form, title="Open an account", button="Open the account",
        then=lambda outcome: reverse("account", args=[outcome.result["person"]]),
        said="The account was opened.", back=reverse("accounts"), crumbs=(("Accounts", reverse("accounts")),),
        lead="Then give a role, and a link by which they set their password.",
    )  # fmt: skip


def grant_role(request: HttpRequest, actor: Actor, person: str) -> HttpResponseBase:
    """A role, at sites where the role is held at sites."""
    thing = _account(actor, person)
    matrix = running_trial().matrix
    roles = tuple((name, role.title) for name, role in matrix.roles.items())
    form = form_of(
        GrantRole,
        Input("role", "Role", "choice", choices=roles),
        Input(
            "sites",
            "Sites",
            hint="Codes with spaces between them; empty for a role that has no sites.",
            is_required=False,
        ),
        _WHY,
        fixed={"person": person},
    )
    return ask_page(
        request, actor, form, title=f"A role for {thing['full_name']}", button="Give the role",
        then=reverse("account", args=[person]), said="The role was given.", crumbs=_crumbs(thing),
    )  # fmt: skip


def invite_account(request: HttpRequest, actor: Actor, person: str) -> HttpResponseBase:
    """A link by which somebody sets their password, shown once."""
    thing = _account(actor, person)
    form = form_of(
        InviteAccount,
        Input(
            "resets_second_factor", "The authenticator is set up anew too", "check",
            hint="Where the telephone was lost.",
        ),
        Input("reason", "Why", value="first log-in"),
        fixed={"person": person},
    )  # fmt: skip
    if request.method == "POST":
        form = form.filled(request.POST)
        told = form.content()
        try:
            invitation = invite(
                Asked(actor, form.request, clock.now(), "web"), person,
                resets_second_factor=told["resets_second_factor"], reason=told.get("reason", ""),
            )  # fmt: skip
        except ConductError as error:
            form = form.with_wrongs((wrong_of(error),))
        else:
            link = request.build_absolute_uri(invitation.path) if invitation.path else ""
            return show(request, "invitation", {"account": thing, "link": link})
    shown = {
        "form": form,
        "title": f"A link for {thing['full_name']}",
        "lead": "By it they set a password. It is shown once, and never kept.",
        "button": "Make the link",
        "back": reverse("account", args=[person]),
        "crumbs": _crumbs(thing),
    }
    return show(request, "ask", shown, status=422 if form.wrongs else 200)


def revoke_role(request: HttpRequest, actor: Actor, person: str, role: str) -> HttpResponseBase:
    """A role ends, at the next request of who held it."""
    thing = _account(actor, person)
    form = form_of(RevokeRole, _WHY, fixed={"person": person, "role": role})
    return ask_page(
        request,
        actor,
        form,
        title=f"Take a role from {thing['full_name']}",
        button="Take the role",
        lead=f"{role.replace('_', ' ').capitalize()}: it ends at once, in open sessions too.",
        then=reverse("account", args=[person]),
        said="The role was taken.",
        crumbs=_crumbs(thing),
        is_grave=True,
    )


def close_account(request: HttpRequest, actor: Actor, person: str) -> HttpResponseBase:
    """Somebody leaves."""
    thing = _account(actor, person)
    form = form_of(CloseAccount, _WHY, fixed={"person": person})
    return ask_page(
        request,
        actor,
        form,
        title=f"Close the account of {thing['full_name']}",
        button="Close the account",
        lead="All roles end at once. What the person did stays in the log under their name.",
        then=reverse("account", args=[person]),
        said="The account was closed.",
        crumbs=_crumbs(thing),
        is_grave=True,
    )


def _account(actor: Actor, person: str) -> Item:
    thing = see_thing(actor, "account", person)
    if thing is None:
        raise Http404
    return thing


def _crumbs(thing: Item) -> tuple[tuple[str, str], ...]:
    return (
        ("Accounts", reverse("accounts")),
        (str(thing["full_name"]), reverse("account", args=[thing.key])),
    )


def _role(grant: Item) -> str:
    return str(grant["role"] or "").replace("_", " ")


def _time(value: object) -> str:
    return str(value)[:16].replace("T", " ") if value else ""
