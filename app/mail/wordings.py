"""Trying a merchant's wording with golden and hostile facts before it is kept."""

from collections.abc import Callable
from dataclasses import replace

from app.domain.messages import Letter, Rendered, Wording
from app.mail.compose import harmless
from app.mail.facts import VARIABLES, facts_of
from app.mail.samples import bare, golden, hostile
from app.ports.mailer import BadWording, TemplateFault
from app.words.phrases import Phrases
from app.words.wordings import WordingRefused, wording_template

LONGEST_LINE = 180
NAMES = frozenset(VARIABLES)
Render = Callable[[Letter], Rendered]

# What each letter must say, whoever words it. The table of facts says it below any wording; it is
# checked all the same, for a letter that lost it must not leave.
REQUIRED = {
    "payment_failed": ("amount", "last_day", "link"),
    "payment_reminder": ("amount", "last_day", "link"),
    "final_notice": ("amount", "last_day", "link"),
    "payment_recovered": ("amount",),
    "subscription_ended": ("amount",),
    "renewal_reminder": ("amount", "renews_on"),
    "pause_ending": ("amount", "renews_on"),
    "card_expiring": ("renews_on", "expires", "link"),
    "cancellation_confirmed": ("requested_on", "ends_on", "reference"),
    "exit_feedback": ("requested_on", "link"),
    "win_back_before_end": ("ends_on", "link"),
    "win_back": ("requested_on", "link"),
    "we_fixed_it": ("requested_on", "mended", "link"),
    "withdrawal_confirmed": ("requested_on", "refunded", "reference"),
    "declaration_received": ("requested_on", "reference"),
}
# What the body itself must name: a final notice without its last day would be one in name only.
IN_BODY = {
    "final_notice": ("last_day",),
    "renewal_reminder": ("renews_on",),
    "pause_ending": ("renews_on",),
}


def require_good(
    template: str, language: str, wording: Wording, *, render: Render, phrases: Phrases
) -> None:
    """Raise `BadWording`, naming the part and the reason, unless this wording may be used."""
    for part in ("subject", "heading", "body"):
        source = getattr(wording, part)
        if not source.strip():
            raise BadWording(part, "is empty")
        try:
            wording_template(source, NAMES)
        except WordingRefused as refused:
            raise BadWording(part, str(refused)) from refused
    for name in IN_BODY.get(template, ()):
        _require_named(name, template, language, wording, phrases)
    for letter in (golden(template, language), bare(template, language)):
        _require_said(replace(letter, wording=wording), render, phrases)
    for letter in hostile(template, language):
        written = _tried(replace(letter, wording=wording), render)
        if "<script" in written.html or "\n" in written.subject:
            raise BadWording("body", "lets a name become more than words")


def _require_named(
    name: str, template: str, language: str, wording: Wording, phrases: Phrases
) -> None:
    facts = facts_of(golden(template, language), phrases) | {"reason": "", "end": ""}
    if facts[name] not in wording_template(wording.body, NAMES).render(facts):
        raise BadWording("body", f"must say {{{{ {name} }}}}")


def _require_said(letter: Letter, render: Render, phrases: Phrases) -> None:
    written, facts = _tried(letter, render), facts_of(letter, phrases)
    if harmless(written.subject) != written.subject or len(written.subject) > LONGEST_LINE:
        raise BadWording("subject", f"must be one line of at most {LONGEST_LINE} characters")
    for name in REQUIRED.get(letter.template, ()):
        if facts[name] and facts[name] not in written.text:
            raise BadWording("body", f"the letter would not say {name}")


def _tried(letter: Letter, render: Render) -> Rendered:
    try:
        return render(letter)
    except TemplateFault as fault:
        raise BadWording("body", str(fault)[:200]) from fault
