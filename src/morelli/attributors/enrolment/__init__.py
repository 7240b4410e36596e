"""Enrolling: a bundle learns to name one model more, or knows another version of one, in seconds."""

from __future__ import annotations

from morelli.attributors.enrolment.enrolling import enrol, views_of
from morelli.attributors.enrolment.expert import MIN_IMAGES, MODES, Enrolled, enrol_in_expert

__all__ = ["MIN_IMAGES", "MODES", "Enrolled", "enrol", "enrol_in_expert", "views_of"]
