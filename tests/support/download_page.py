"""What somebody does on the Download tab, in a browser."""

from __future__ import annotations

from collections.abc import Mapping

from form_filler import GIVEN
from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000  # milliseconds
FIELDS = {
    "name": "Your name",
    "email": "Institutional e-mail",
    "institution": "Institution",
    "pi_or_supervisor": "PI or supervisor",
    "research_purpose": "Research purpose",
}
BOXES = ("I have read and accept the terms", "I have read how my data are handled")


def open_download(page: Page, address: str) -> None:
    """Go to the tab and wait until there is something to choose."""
    page.goto(f"{address}?tab=Download")
    expect(page.get_by_role("button", name="sub-05", exact=True)).to_be_visible(timeout=PATIENCE)


def press(page: Page, *names: str) -> None:
    """Click buttons, in order."""
    for name in names:
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled(timeout=PATIENCE)
        button.click()


def choose(page: Page, *names: str) -> None:
    """Press buttons that stay pressed, unless they are."""
    for name in names:
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled(timeout=PATIENCE)
        if button.get_attribute("aria-pressed") != "true":
            button.click()
            expect(button).to_have_attribute("aria-pressed", "true")


def fill_in(page: Page, answers: Mapping[str, object] = GIVEN) -> None:
    """Fill in the form of the data use agreement; the boxes are ticked last."""
    for name, label in FIELDS.items():
        page.get_by_label(label, exact=True).fill(str(answers[name]))
    for box in BOXES:
        page.get_by_label(box, exact=True).check()


def state_of(page: Page) -> Locator:
    """The state of the download that is listed first."""
    return page.locator(".state > [role=status]").first
