"""What a browser is told with every page: nothing from elsewhere, nothing remembered."""

from collections.abc import Mapping

from starlette.responses import HTMLResponse

# Chromium holds `form-action` against the address a form is redirected to as well, and where
# that is (the provider's page, on a domain of the merchant's choosing) is not known beforehand.
FORMS_LEAD_TO = "'self' https: http://localhost:* http://127.0.0.1:*"

PRIVATE: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

PAGE = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    f"form-action {FORMS_LEAD_TO}; base-uri 'none'; frame-ancestors 'none'"
)

# The operator's pages: their forms lead nowhere but to themselves.
DESK = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The page behind a link may say that it was opened, by one script of ours, to us alone.
LINK = f"{PAGE}; script-src 'self'; connect-src 'self'"

# A letter as its reader gets it: no script, nothing loaded, links open elsewhere; only our own
# mailbox page may frame it.
LETTER = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

# A preview may show the merchant's own logo.
PREVIEW = f"{LETTER}; img-src https:"


def page(html: str, *, status: int = 200, csp: str = PAGE) -> HTMLResponse:
    """An HTML answer with the headers every page has."""
    return HTMLResponse(html, status, {**PRIVATE, "Content-Security-Policy": csp})
