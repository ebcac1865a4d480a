"""The banner in a merchant's app: what it says, where it leads, and when it says nothing."""

import pytest

from tests.browser.test_pages import LUMINANCE, TARGET

LANGUAGES = ("en", "de", "fr", "es", "zh-Hans", "ar")
BANNERS = [f"/look/banner/{language}" for language in LANGUAGES]


def the_banner(page):
    page.locator("holdfast-banner button").wait_for()
    return page.get_by_role("status")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/look/banner/en", ["€29.00 is overdue.", "November 15, 2026", "Settle now"]),
        ("/look/banner/de", ["29,00\xa0€ sind überfällig.", "15. November 2026"]),
        ("/look/banner/fr", ["29,00\xa0€ restent impayés.", "15 novembre 2026"]),
        ("/look/banner/es", ["29,00\xa0€ están pendientes", "15 de noviembre de 2026"]),
        ("/look/banner/zh-Hans", ["€29.00 已逾期", "2026年11月15日"]),
        ("/look/banner/ar", ["is overdue.", "limited access"]),
    ],
)
def test_it_says_what_is_owed_and_what_happens_next(opened, path, words):
    said = the_banner(opened(path)).inner_text()

    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", BANNERS)
def test_it_fits_every_width_and_is_large_enough_for_a_thumb(opened, path, scheme):
    for width in (320, 768, 1280):
        page = opened(path, width=width, scheme=scheme)
        banner = the_banner(page)
        box = banner.get_by_role("button").bounding_box()

        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, width
        assert min(box["width"], box["height"]) >= TARGET


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_words_stand_out_from_their_ground(opened, scheme):
    banner = the_banner(opened("/look/banner/en", scheme=scheme))

    for part in (banner, banner.get_by_role("button")):
        colors = part.evaluate(
            "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
        )
        dim, bright = sorted(part.page.evaluate(f"({LUMINANCE})('{color}')") for color in colors)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_its_button_leads_by_keyboard_to_the_page_of_the_payment(opened, site):
    page = opened("/look/banner/en")
    the_banner(page)
    page.route("https://pay.example.com/**", lambda route: route.fulfill(body="The page"))

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("https://pay.example.com/p/**")

    assert page.locator("body").inner_text() == "The page"


def test_in_an_app_elsewhere_it_asks_nobody_but_its_service(contexts, site):
    page = contexts().new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))

    page.goto(f"{site.provider}/app?site={site.url}")
    the_banner(page)
    page.close()

    others = [url for url in asked if not url.startswith((site.url, site.provider))]
    assert (others, [text for text in said if "favicon" not in text]) == ([], [])


@pytest.mark.parametrize("about", ["who=forged", "site=http://127.0.0.1:9"])
def test_without_an_answer_it_shows_nothing(contexts, site, about):
    page = contexts().new_page()

    page.goto(f"{site.provider}/app?site={site.url}&{about}")
    page.wait_for_load_state("networkidle")
    box = page.locator("holdfast-banner").bounding_box()
    page.close()

    assert box is None or box["height"] == 0


def test_it_takes_the_colors_of_the_app(opened):
    page = opened("/look/banner/en", bypass_csp=True)
    banner = the_banner(page)

    page.add_style_tag(content="holdfast-banner{--holdfast-ground:rgb(1, 2, 3)}")

    ground = banner.evaluate("node => getComputedStyle(node).backgroundColor")
    assert ground == "rgb(1, 2, 3)"
