"""The form: what is a valid answer, and asking for it in a terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import pytest
from form_filler import GIVEN, Person

from laion_fmri._errors import (
    AccessNotFoundError,
    AccessRevokedError,
    AccessServiceError,
    ConfigError,
    InvalidArgumentError,
    TermsOutdatedError,
)
from laion_fmri.access import login, logout, request_stimulus_access
from laion_fmri.access.credentials import credentials_file, load_credentials
from laion_fmri.access.form import QUESTIONS, StimulusRequest


def test_a_whole_form_has_no_problems(form):
    assert form.problems() == {}
    assert list(asdict(form)) == list(QUESTIONS)
    padded = replace(form, name="  Ada ", research_purpose="\nTwo lines of a purpose\nare fine. ")
    assert padded.problems() == {}
    assert padded.answers()["name"] == "Ada"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", "", "empty"),
        ("name", "  \t ", "empty"),
        ("name", "A\x1b[31m", "cannot be printed"),
        ("name", "A\nB", "cannot be printed"),
        ("name", "\ud800", "cannot be printed"),
        ("name", "A" * 201, "too long"),
        ("name", None, "text"),
        ("email", "ada", "not an e-mail"),
        ("email", "ada@example", "not an e-mail"),
        ("email", "ada@@example.org", "not an e-mail"),
        ("email", "ada@example..org", "not an e-mail"),
        ("email", "Ada <ada@example.org>", "not an e-mail"),
        ("email", "a@example.org, b@example.org", "not an e-mail"),
        ("email", f"{'a' * 250}@example.org", "too long"),
        ("institution", " ", "empty"),
        ("pi_or_supervisor", "", "empty"),
        ("research_purpose", "x" * 19, "at least 20"),
        ("research_purpose", f"{'x' * 19}   ", "at least 20"),
        ("research_purpose", "x" * 5001, "too long"),
        ("research_purpose", f"{'x' * 20}\x00", "cannot be printed"),
        ("accepted_terms", False, "agreed"),
        ("accepted_terms", "yes", "agreed"),
        ("acknowledged_privacy", 1, "agreed"),
    ],
)
def test_what_is_not_valid(form, field, value, problem):
    wrong = replace(form, **{field: value})
    assert list(wrong.problems()) == [field]
    assert problem in wrong.problems()[field]
    with pytest.raises(InvalidArgumentError, match=field):
        wrong.require_valid()


def test_an_empty_form_lists_every_field():
    assert list(StimulusRequest().problems()) == list(QUESTIONS)


def test_asked_in_a_terminal(demo, settings):
    person = Person()
    grant = request_stimulus_access(settings=settings, ask=person.ask, say=person.told.append)
    assert len(person.asked) == len(QUESTIONS)
    assert f"{demo.url}/terms" in person.told[0] and f"{demo.url}/privacy" in person.told[0]
    assert "version 1.0" in person.told[0]
    assert [file.name for file in grant.files]
    stored = json.loads(credentials_file().read_text())
    assert stored["email"] == "ada@example.org" and stored["server_url"] == demo.url
    assert stored["request_id"] == grant.request_id.reveal()
    for answer in ("Ada", "Institute", "Muster", "ventral"):
        assert answer not in credentials_file().read_text()


def test_invalid_answers_are_asked_for_again(settings):
    person = Person(mail=["ada", ""], will=["too short"], accept=["maybe"])
    request_stimulus_access(settings=settings, ask=person.ask, say=person.told.append)
    assert [q.split()[1] for q in person.asked].count("institutional") == 3
    assert len(person.asked) == len(QUESTIONS) + 4
    assert any("at least 20" in told for told in person.told)
    assert any("yes or no" in told for told in person.told)


def test_only_what_is_missing_is_asked_for(settings):
    person = Person()
    given = {k: v for k, v in GIVEN.items() if k != "institution"}
    request_stimulus_access(**given, settings=settings, ask=person.ask, say=person.told.append)
    assert [q.split(":")[0] for q in person.asked] == ["Your institution"]


def test_nothing_is_asked_or_said_when_all_is_given(settings, capsys):
    request_stimulus_access(**GIVEN, settings=settings)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("refusing", ["accept", "read"])
def test_declining_sends_nothing(demo, settings, refusing):
    person = Person(**{refusing: ["no"]})
    with pytest.raises(InvalidArgumentError, match="Nothing was sent"):
        request_stimulus_access(settings=settings, ask=person.ask, say=person.told.append)
    assert demo.n_requests["POST /api/v1/access/request"] == 0
    assert not credentials_file().exists()


def test_leaving_the_form_sends_nothing(demo, settings):
    def leave(question):
        raise EOFError

    with pytest.raises(InvalidArgumentError, match="Nothing was sent"):
        request_stimulus_access(settings=settings, ask=leave, say=str)
    assert demo.n_requests["POST /api/v1/access/request"] == 0


def test_without_a_terminal_the_missing_arguments_are_named(demo, settings, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidArgumentError, match=r"lacks institution, .*accept_terms.*/terms"):
        request_stimulus_access("Ada", "ada@example.org", settings=settings)
    with pytest.raises(InvalidArgumentError, match="email: This is not an e-mail"):
        request_stimulus_access(**GIVEN | {"email": "ada"}, settings=settings)
    assert not demo.n_requests


def test_refused_by_the_service(demo, settings, scripted):
    demo.limit_rate(1)
    with pytest.raises(AccessServiceError, match="Try again in 1 s"):
        request_stimulus_access(**GIVEN, settings=settings)
    assert not credentials_file().exists()


def test_nothing_is_sent_when_the_id_could_not_be_kept(demo, settings, home):
    (home / ".cache").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be stored"):
        request_stimulus_access(**GIVEN, settings=settings)
    with pytest.raises(ConfigError, match="cannot be stored"):
        login(demo.issue(), settings=settings)
    assert not demo.n_requests


def test_login_and_logout(demo, settings):
    request_id = demo.issue()
    login(f"  {request_id}\n", settings=settings)
    assert load_credentials(demo.url).request_id.reveal() == request_id
    assert logout(settings=settings) is True
    assert load_credentials(demo.url) is None
    assert logout(settings=settings) is False


def test_an_id_can_be_typed_unseen(demo, settings, monkeypatch):
    request_id = demo.issue()
    login(settings=settings, ask=lambda question: request_id)
    assert load_credentials(demo.url).request_id.reveal() == request_id
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidArgumentError, match="Which request id"):
        login(settings=settings)


def test_ids_that_do_not_log_in(demo, settings):
    known, revoked = demo.issue(), demo.issue()
    demo.revoke(revoked)
    login(known, settings=settings)
    with pytest.raises(AccessNotFoundError, match="does not know"):
        login("lfm_0000000000000000", settings=settings)
    with pytest.raises(AccessRevokedError):
        login(revoked, settings=settings)
    for odd in ("", "two words", "lfm_ü", 3, "lfm_" + "a" * 300):
        with pytest.raises(InvalidArgumentError, match="not a request id"):
            login(odd, settings=settings)
    demo.update_terms("2.0")
    with pytest.raises(TermsOutdatedError, match=r"now 2\.0.*/terms"):
        login(known, settings=settings)
    assert load_credentials(demo.url).request_id.reveal() == known
    request_stimulus_access(**GIVEN, settings=settings)
    assert load_credentials(demo.url).request_id.reveal() != known
