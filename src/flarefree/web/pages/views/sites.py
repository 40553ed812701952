"""Sites: the register, a new one, one changed."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.sites import AddSite, ChangeSite
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import Input, form_of
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.queries.seeing import see_thing, see_things

__all__ = ["add_site", "change_site", "sites"]

CHANGE = (("configure", "sites.register"),)
_ZONE = Input(
    "zone", "Time zone", hint="As the IANA names it: Europe/Berlin. The site's days are reckoned by it."
)


def sites(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every site of the trial."""
    can_change = may(actor, CHANGE)
    rows = [
        (
            Cell(site.key, reverse("change_site", args=[site.key]) if can_change else ""),
            Cell(str(site["title"])),
            Cell(str(site["country"])),
            Cell(str(site["zone"])),
            Cell(f"{site['planned']:,}", is_number=True) if isinstance(site["planned"], int) else "",
            Cell(state="open" if site["is_open"] else "closed to new patients"),
        )
        for site in sorted(see_things(actor, "site"), key=lambda site: site.key)
    ]
    head = ("Code", "Site", "Country", "Time zone", "Planned", "State")
    table = table_of("Sites", head, rows, empty="No site has joined yet.")
    return show(request, "sites", {"table": table, "can_change": can_change})


def add_site(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A site joins."""
    form = form_of(
        AddSite,
        Input("site", "Code", hint="Stands first in its patients' numbers: 017 in 017-004.", is_short=True),
        Input("title", "Name"),
        Input("country", "Country"),
        _ZONE,
        Input("planned", "Patients planned", "number", is_short=True, value="0"),
    )
    return ask_page(
        request, actor, form, title="Add a site", then=reverse("sites"), button="Add the site",
        said="The site was added.", crumbs=(("Sites", reverse("sites")),),
    )  # fmt: skip


def change_site(request: HttpRequest, actor: Actor, site: str) -> HttpResponseBase:
    """A site's description; what stood stays in the log."""
    thing = see_thing(actor, "site", site)
    if thing is None:
        raise Http404
    stands = {name: thing[name] for name in ("title", "country", "zone", "planned")}
    form = form_of(
        ChangeSite,
        Input("title", "Name"),
        Input("country", "Country"),
        _ZONE,
        Input("planned", "Patients planned", "number", is_short=True),
        Input(
            "is_open", "New patients", "choice",
            choices=(("true", "May be screened and randomized"), ("false", "No new patients")),
        ),
        Input("reason", "Why this is changed", "long"),
        fixed={"site": site},
        initial={**stands, "is_open": "true" if thing["is_open"] else "false"},
    )  # fmt: skip
    return ask_page(
        request, actor, form, title=f"Site {site}", then=reverse("sites"), said="The site was changed.",
        crumbs=(("Sites", reverse("sites")),),
    )  # fmt: skip
