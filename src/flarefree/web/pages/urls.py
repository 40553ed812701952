"""Which page answers which address, who may open it, and where the menu has it: one table."""

from __future__ import annotations

from django.urls import path
from django.urls.resolvers import URLPattern

from flarefree.web.pages.routes import Route, patterns_of
from flarefree.web.pages.views import accounts, front, sites, trial

__all__ = ["ROUTES", "urlpatterns"]

_ADMIN = "Administration"
_TRIAL = "Trial"
_SEE_TRIAL = (("see", "protocol.file"), ("see", "protocol.digest"))
_GRANT = (("grant", "accounts.register"),)

ROUTES: tuple[Route, ...] = (
    Route("trial/", "trial", trial.trial, _SEE_TRIAL, "The trial", _TRIAL),
    Route("trial/go-live/", "go_live", trial.go_live, trial.APPROVE),
    Route("trial/go-on/", "go_on", trial.go_on, trial.APPROVE),
    Route("trial/close-randomization/", "close_randomization", trial.close_randomization, trial.APPROVE),
    Route("trial/lock/", "lock", trial.lock, trial.LOCK),
    Route("trial/keeper-key/", "keeper_key", trial.keeper_key, trial.CONFIGURE),
    Route("trial/analysis-plan/", "plan_of_analysis", trial.plan_of_analysis, trial.CONFIGURE),
    Route("protocol/", "protocol", trial.protocol, (("see", "protocol.file"),), "Protocol", _TRIAL),
    Route("protocol/record/", "record_protocol", trial.record_protocol, trial.CONFIGURE),
    Route("protocol/amend/", "amend_protocol", trial.amend_protocol, trial.CONFIGURE),
    Route("protocol/<str:digest>/approve/", "approve_amendment", trial.approve_amendment, trial.APPROVE),
    Route("sites/", "sites", sites.sites, (("see", "sites.register"),), "Sites", _TRIAL),
    Route("sites/add/", "add_site", sites.add_site, sites.CHANGE),
    Route("sites/<str:site>/", "change_site", sites.change_site, sites.CHANGE),
    Route("accounts-of-the-trial/", "accounts", accounts.accounts, (("see", "accounts.register"),), "Accounts", _ADMIN),
    Route("accounts-of-the-trial/open/", "open_account", accounts.open_account, _GRANT),
    Route("accounts-of-the-trial/<str:person>/", "account", accounts.account, (("see", "accounts.register"),)),
    Route("accounts-of-the-trial/<str:person>/role/", "grant_role", accounts.grant_role, _GRANT),
    Route("accounts-of-the-trial/<str:person>/take/<str:role>/", "revoke_role", accounts.revoke_role, _GRANT),
    Route("accounts-of-the-trial/<str:person>/close/", "close_account", accounts.close_account, _GRANT),
)  # fmt: skip

urlpatterns: list[URLPattern] = [path("help/", front.help_page, name="help"), *patterns_of(ROUTES)]
