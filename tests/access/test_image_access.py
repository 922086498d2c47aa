"""Who has access to the images, until when, and how it is requested and given up."""

from __future__ import annotations

import datetime

import pytest

from laion_fmri._errors import AccessNotFoundError, InvalidArgumentError
from laion_fmri.access import StimulusRequest
from laion_fmri.access.image_access import ImageAccess, Standing


def test_access_is_requested_known_and_given_up(settings, form):
    service = ImageAccess(settings)
    assert service.standing() == Standing() and not service.standing().is_known
    terms = service.terms()
    assert terms.terms_url and terms.privacy_url and terms.takedown_url
    standing = service.ask(form, terms)
    assert standing.is_known and standing.email == "ada@example.org"
    assert not standing.is_from_environment
    assert standing.holds_until > datetime.datetime.now(datetime.UTC)
    assert service.standing() == standing
    assert service.check().masked_id == standing.masked_id
    assert ImageAccess(settings).standing().holds_until is None  # nobody asked for links yet
    assert service.logout() == Standing()


def test_a_request_id_is_never_in_the_clear(settings, form):
    service = ImageAccess(settings)
    standing = service.ask(form, service.terms())
    assert "…" in standing.masked_id or "*" in standing.masked_id


def test_what_is_wrong_is_refused_before_anything_is_sent(settings, demo):
    service = ImageAccess(settings)
    with pytest.raises(InvalidArgumentError):
        service.ask(StimulusRequest(), service.terms())
    with pytest.raises(AccessNotFoundError):
        service.login("5f1d7c1e-90c3-4c53-9d7b-2b6f0a4e77d1")
    assert not service.standing().is_known
