"""Queries: asked about a value, answered by the site, closed by who asked."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse

from flarefree.conduct.visibility import Actor
from flarefree.web.commands.queries_asked import AnswerQuery, CloseQuery, RaiseQuery
from flarefree.web.pages.asking import ask_page, may, show
from flarefree.web.pages.forms import Input, form_of
from flarefree.web.pages.tables import Cell, table_of
from flarefree.web.pages.templatetags.pages import day
from flarefree.web.pages.views.screening import crumbs_of, subject_seen
from flarefree.web.queries.on_board import see_on_board
from flarefree.web.queries.seeing import see_thing
from flarefree.web.record.reading import Item

__all__ = ["answer", "close", "queries", "query_rows", "raise_query"]

ANSWER = (("answer", "queries.record"),)
_MOST = 200
CLOSE = (("query", "visits.record"), ("query", "adverse_events.record"))


def query_rows(actor: Actor, items: tuple[Item, ...]) -> list[tuple[object, ...]]:
    """Queries with what the reader can do about each."""
    can_answer, can_close = may(actor, ANSWER), may(actor, CLOSE)
    rows: list[tuple[object, ...]] = []
    for item in items:
        status = str(item["status"] or "open")
        act: object = ""
        if status == "open" and can_answer:
            act = Cell("Answer", reverse("answer_query", args=[item.key]))
        elif status != "closed" and can_close:
            act = Cell("Close", reverse("close_query", args=[item.key]))
        question = Cell(
            str(item["question"] or ""), note=f"Answer: {item['answer']}" if item["answer"] else ""
        )
        rows.append(
            (
                Cell(item.subject, reverse("subject", args=[item.subject])),
                question,
                day(str(item["raised_on"] or "")),
                Cell(state=status),
                act,
            )
        )
    return rows


def queries(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every query of the reader's sites; open ones first, the oldest first."""
    wanted = request.GET.get("state", "open")
    items = [
        i
        for i in see_on_board(actor, "query", "queries.record")
        if wanted == "all" or str(i["status"] or "open") != "closed"
    ]
    items.sort(key=lambda i: (str(i["raised_on"] or ""), i.since))
    head = ("Subject", "Question", "Raised", "State", "To do")
    rows = query_rows(actor, tuple(items[:_MOST]))
    told = {
        "table": table_of("Queries", head, rows, empty="No query is open."),
        "wanted": wanted,
        "found": len(items),
        "shown": len(rows),
    }
    return show(request, "queries", told)


def raise_query(request: HttpRequest, actor: Actor, subject: str, kind: str, key: str) -> HttpResponseBase:
    """A question about one value."""
    subject_seen(actor, subject)
    row = see_thing(actor, kind, key)
    if row is None or row.subject != subject:
        raise Http404
    known = {"visit": "date", "adverse_event": "verbatim", "medication": "drug", "contact": "date"}
    form = form_of(
        RaiseQuery,
        Input("question", "Your question", "long", hint="The site reads it as you write it."),
        fixed={"subject": subject, "about": row.name, "attribute": known.get(kind, "value")},
    )
    facts = tuple(
        (name.replace("_", " "), fact.value)
        for name, fact in row.facts.items()
        if name not in {"subject", "site"}
    )
    return ask_page(
        request,
        actor,
        form,
        title=f"Ask about {subject}",
        button="Ask",
        then=reverse("subject", args=[subject]),
        said="The query was raised.",
        crumbs=crumbs_of(subject),
        told={"facts": facts},
    )


def answer(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """The site's answer; a wrong value is corrected first."""
    item = _query(actor, key)
    form = form_of(AnswerQuery, Input("answer", "Your answer", "long"), fixed={"query": key})
    return ask_page(
        request,
        actor,
        form,
        title=f"A query about {item.subject}",
        lead=str(item["question"] or ""),
        button="Answer",
        then=reverse("subject", args=[item.subject]),
        said="The query is answered.",
        crumbs=crumbs_of(item.subject),
    )


def close(request: HttpRequest, actor: Actor, key: str) -> HttpResponseBase:
    """Settled."""
    item = _query(actor, key)
    form = form_of(CloseQuery, Input("words", "How it was settled", "long"), fixed={"query": key})
    facts = (("Question", item["question"]), ("Answer", item["answer"]))
    return ask_page(
        request,
        actor,
        form,
        title=f"A query about {item.subject}",
        button="Close it",
        then=reverse("queries"),
        said="The query is closed.",
        crumbs=(("Queries", reverse("queries")),),
        told={"facts": facts},
    )


def _query(actor: Actor, key: str) -> Item:
    item = see_thing(actor, "query", key)
    if item is None:
        raise Http404
    return item
