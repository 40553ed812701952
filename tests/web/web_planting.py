"""Planted patients of `conduct.checks` written into the record, as sites and a laboratory would."""

from __future__ import annotations

from flarefree.web.checks.committee_trial import PLANTED, plant
from flarefree.web.checks.committee_trial import plant_patients as plant_cohort_in_record

__all__ = ["NOON", "plant", "plant_cohort_in_record"]

NOON = PLANTED
