"""Pages about the trial itself: committee, safety, set-up, people."""

from __future__ import annotations

from flarefree.web.pages.routes import Route
from flarefree.web.pages.views import (
    accounts,
    committee,
    dashboards,
    log,
    papers,
    release,
    sites,
    trial,
    verdicts,
)

__all__ = ["TRIAL"]

_SEE_TRIAL = (("see", "protocol.file"), ("see", "protocol.digest"))
_GRANT = (("grant", "accounts.register"),)
_MEMBER = (("vote", "votes.own"), ("decide", "decisions.record"))
_PREPARE = (("prepare", "cases.dossier"),)
_FETCH = (("export", "allocation.arm"),)
_PERSON = "accounts-of-the-trial/<str:person>/"

TRIAL: tuple[Route, ...] = (
    # The committee
    Route("desk/", "desk", committee.desk_page, _MEMBER, "Your desk", "Committee"),
    Route("desk/<str:number>/", "case", committee.case, _MEMBER),
    Route("desk/<str:number>/ask/", "ask_about", committee.ask_about, _MEMBER),
    Route("desk/<str:number>/decline/", "decline", committee.decline, _MEMBER),
    Route("desk/<str:number>/decide/", "decide", committee.decide, (("decide", "decisions.record"),)),
    Route("board/", "board", committee.board_page, _PREPARE, "Board", "Committee"),
    Route("board/release/", "release", committee.release, _PREPARE),
    Route("board/conflict/", "conflict", committee.conflict, _PREPARE),
    Route("board/leave/", "leave", committee.leave, _PREPARE),
    Route("board/restaff/", "restaff", committee.restaff, _PREPARE),
    Route("board/question/<str:key>/", "answer_question", committee.answer_question, _PREPARE),
    Route("board/<str:number>/", "prepared", committee.prepared, _PREPARE),
    Route("board/<str:number>/third/", "ask_third", committee.ask_third, _PREPARE),
    Route("board/<str:number>/replace/", "replace_reader", committee.replace_reader, _PREPARE),
    Route("board/<str:number>/reopen/", "reopen", committee.reopen, _PREPARE),
    Route(
        "judged-negative/",
        "referrals",
        verdicts.referrals_page,
        (("see", "decisions.negative"),),
        "Judged to be no event",
        "Safety",
    ),
    Route(
        "judged-negative/<str:key>/",
        "acknowledge_referral",
        verdicts.acknowledge_referral,
        (("query", "adverse_events.record"),),
    ),
    Route(
        "agreement/",
        "agreement",
        verdicts.agreement_page,
        (("see", "cases.is_control"),),
        "Agreement",
        "Committee",
    ),
    # The trial
    Route("trial/", "trial", trial.trial, _SEE_TRIAL, "The trial", "Trial"),
    Route("trial/go-live/", "go_live", trial.go_live, trial.APPROVE),
    Route("trial/go-on/", "go_on", trial.go_on, trial.APPROVE),
    Route("trial/close-randomization/", "close_randomization", trial.close_randomization, trial.APPROVE),
    Route("trial/lock/", "lock", trial.lock, trial.LOCK),
    Route("trial/reconcile/", "reconcile", trial.reconcile, trial.APPROVE),
    Route("trial/keeper-key/", "keeper_key", trial.keeper_key, trial.CONFIGURE),
    Route("trial/analysis-plan/", "plan_of_analysis", trial.plan_of_analysis, trial.CONFIGURE),
    Route("protocol/", "protocol", trial.protocol, (("see", "protocol.file"),), "Protocol", "Trial"),
    Route("protocol/record/", "record_protocol", trial.record_protocol, trial.CONFIGURE),
    Route("protocol/amend/", "amend_protocol", trial.amend_protocol, trial.CONFIGURE),
    Route("protocol/<str:digest>/approve/", "approve_amendment", trial.approve_amendment, trial.APPROVE),
    Route("sites/", "sites", sites.sites, (("see", "sites.register"),), "Sites", "Trial"),
    Route("sites/add/", "add_site", sites.add_site, sites.CHANGE),
    Route("sites/<str:site>/", "change_site", sites.change_site, sites.CHANGE),
    Route(
        "recruitment/",
        "recruitment",
        dashboards.recruitment_page,
        (("see", "recruitment.dashboard"),),
        "Recruitment",
        "Overview",
    ),
    Route(
        "completeness/",
        "completeness",
        dashboards.completeness_page,
        (("see", "visits.record"),),
        "Completeness",
        "Overview",
    ),
    Route("site/<str:site>/", "site_page", dashboards.site_page, (("see", "site.dashboard"),)),
    Route(
        "consent-forms/",
        "consent_forms",
        papers.consent_forms,
        (("see", "protocol.file"),),
        "Forms of consent",
        "Trial",
    ),
    Route("consent-forms/approve/", "approve_consent_form", papers.approve_consent_form, trial.APPROVE),
    Route("consent-forms/<str:version>/end/", "end_consent_form", papers.end_consent_form, trial.APPROVE),
    Route("trial/close-adjudication/", "lock_adjudication", papers.lock_adjudication, trial.LOCK),
    Route("log/anchor/", "anchor", papers.anchor, (("export", "audit.trail"),)),
    # Data out
    Route("export/", "export", release.export, (("export", "decisions.record"),), "Export", "Data"),
    Route("review/", "review", release.review, (("see", "reports.masked"),), "Blinded review", "Data"),
    Route(
        "ceremony/",
        "ceremony",
        release.ceremony,
        (*trial.CONFIGURE, *trial.APPROVE, *release.SHARE, *_FETCH),
        "Key ceremony",
        "Data",
    ),
    Route("ceremony/holders/", "name_holders", release.name_holders, trial.CONFIGURE),
    Route("ceremony/share/", "present_share", release.present_share, release.SHARE),
    Route("ceremony/unblind/", "unblind", release.unblind, release.SHARE),
    Route("ceremony/key/", "key_file", release.key_file, _FETCH),
    Route("log/", "log", log.log, (("see", "audit.trail"),), "Log", "Overview"),
    # People
    Route(
        "accounts-of-the-trial/",
        "accounts",
        accounts.accounts,
        (("see", "accounts.register"),),
        "Accounts",
        "People",
    ),
    Route("accounts-of-the-trial/open/", "open_account", accounts.open_account, _GRANT),
    Route(_PERSON, "account", accounts.account, (("see", "accounts.register"),)),
    Route(f"{_PERSON}role/", "grant_role", accounts.grant_role, _GRANT),
    Route(f"{_PERSON}link/", "invite_account", accounts.invite_account, _GRANT),
    Route(f"{_PERSON}take/<str:role>/", "revoke_role", accounts.revoke_role, _GRANT),
    Route(f"{_PERSON}token/<str:token>/", "revoke_token", accounts.revoke_token, _GRANT),
    Route(f"{_PERSON}close/", "close_account", accounts.close_account, _GRANT),
)
