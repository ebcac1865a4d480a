"""axe-core finds nothing on any page or letter. Collected only where `HOLDFAST_AXE` is set."""

import os
from pathlib import Path

import pytest

from tests.browser.test_banner import BANNERS
from tests.browser.test_desk import DESK
from tests.browser.test_pages import LOOKS, PAY

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A letter is shown within a mail program, which has the landmarks.
NOT_FOR_LETTERS = {"region", "landmark-one-main"}


@pytest.mark.parametrize("path", [*LOOKS, PAY, "/demo/mailbox", *BANNERS, *DESK])
def test_axe_finds_nothing(opened, path):
    page = opened(path, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.add_script_tag(content=Path(os.environ["HOLDFAST_AXE"]).read_text(encoding="utf-8"))

    ignored = NOT_FOR_LETTERS if "letter" in path else set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("tags => axe.run({runOnly: tags})", RULES)

        violations = {
            violation["id"]: [node["html"] for node in violation["nodes"]]
            for violation in found["violations"]
            if violation["id"] not in ignored
        }
        assert violations == {}, scheme
