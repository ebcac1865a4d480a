"""The public forms in a real browser: by keyboard, without a script, at every width."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import _picture
from tests.browser.leavers import Town, box_of, press, shows
from tests.browser.test_pages import TARGET

Json = dict[str, Any]
WIDTHS = (320, 768, 1280)
PLAIN = {"java_script_enabled": False}
FORMS = {
    "kuendigen": ("Verträge hier kündigen", "Jetzt kündigen"),
    "resilier": ("Résilier votre contrat", "Continuer"),
    "cancel": ("Cancel your contract", "Cancel now"),
    "widerrufen": ("Vertrag hier widerrufen", "Weiter"),
    "retracter": ("Se rétracter du contrat ici", "Continuer"),
    "withdraw": ("Withdraw from contract here", "Continue"),
}


def form_of(town: Town, name: str, **how: Any) -> tuple[Page, Json]:
    leaver = town.leaver()
    page = town.window(f"{town.url}/f/{leaver['merchant']}/{name}", **how)
    return page, leaver


def fills(page: Page, leaver: Json, *labels: str) -> None:
    words = ("Ada Lovelace", "ada@example.com", leaver["subscription"])
    for label, text in zip(labels, words, strict=True):
        page.get_by_label(label).fill(text)


GERMAN = ("Ihr Name", "Ihre E-Mail-Adresse", "Welcher Vertrag")


def test_one_page_and_one_button_without_a_script(town: Town) -> None:
    page, leaver = form_of(town, "kuendigen", **PLAIN)
    shows(page, "Verträge hier kündigen")
    fills(page, leaver, *GERMAN)

    press(page, "Jetzt kündigen")
    shows(page, "Ihre Erklärung ist eingegangen")
    _picture(page, "form-done", 768, "light")
    with page.expect_download() as file:
        page.get_by_role("link", name="Als Datei speichern").click()

    assert file.value.suggested_filename.startswith("dec_")


def test_what_is_missing_is_marked_and_what_was_written_stays(town: Town) -> None:
    page, leaver = form_of(town, "kuendigen", **PLAIN)
    fills(page, leaver | {"subscription": ""}, *GERMAN)

    press(page, "Jetzt kündigen")
    expect(page.get_by_role("alert")).to_contain_text("Es fehlt noch etwas")
    _picture(page, "form-wrong", 320, "light")

    wrong = page.get_by_label("Welcher Vertrag")
    assert wrong.get_attribute("aria-invalid") == "true"
    assert page.get_by_label("Ihr Name").input_value() == "Ada Lovelace"


def test_the_french_form_and_a_withdrawal_are_looked_over_first(town: Town) -> None:
    page, leaver = form_of(town, "withdraw", **PLAIN)
    fills(page, leaver, "Your name", "Your mail address", "Which contract")

    press(page, "Continue")
    shows(page, "Withdraw from contract")
    _picture(page, "form-sum-up", 768, "light")
    press(page, "Change something")
    shows(page, "Withdraw from contract here")
    press(page, "Continue")
    press(page, "Confirm withdrawal")

    shows(page, "Your declaration has arrived")
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FORMS)
def test_a_form_fits_every_width(town: Town, name: str, scheme: str) -> None:
    heading, label = FORMS[name]
    page, _ = form_of(town, name, scheme=scheme)
    shows(page, heading)
    button = page.get_by_role("button", name=label, exact=True)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        _picture(page, f"form-{name}", width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert box_of(button)["height"] >= TARGET
    assert page.locator("script").count() == 0


def test_by_keyboard_alone(town: Town) -> None:
    page, leaver = form_of(town, "kuendigen")
    for text in ("", "", "Ada", "ada@example.com", leaver["subscription"]):
        page.keyboard.press("Tab")
        if text:
            page.keyboard.type(text)

    page.keyboard.press("Enter")

    shows(page, "Ihre Erklärung ist eingegangen")
    assert page.get_by_role("alert").count() == 0
