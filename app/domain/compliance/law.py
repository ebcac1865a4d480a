"""What the law wants of those who let customers leave, row by row. Not legal advice: have counsel
confirm what concerns you.

Some rules a flow may break (`check`); the others are kept by the service itself, whatever a flow
says (`kept_by`). `tests/domain/test_law.py` names for each what trips or proves it. Dates, sources
and certainty are those of November 2026.
"""

from collections.abc import Iterator
from datetime import date

from app.domain.compliance.places import EU, UNITED_STATES
from app.domain.compliance.rules import (
    ANYWHERE,
    Certainty,
    Rule,
    no_hurry,
    no_offer,
    no_shaming,
    one_offer,
)
from app.domain.documents import Fault
from app.domain.flows import Flow

CRD = "Directive (EU) 2023/2673, Art. 11a of Directive 2011/83/EU"
RULES = (
    Rule(
        id="direct-cancel",
        places=(ANYWHERE,),
        says="To cancel is possible on every screen, in two clicks from the first.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d), as amended by AB 2863",
        certainty=Certainty.STATUTE,
        kept_by="every step may be answered with `confirm`; no document can turn it off",
    ),
    Rule(
        id="survey-optional",
        places=(ANYWHERE,),
        says="No question must be answered before one may leave.",
        since=date(2025, 8, 1),
        source="15 U.S.C. 8403 (ROSCA); an FTC settlement over two pages of survey, 2025",
        certainty=Certainty.SECONDARY,
        kept_by="an answer may be empty, and `confirm` asks for none",
    ),
    Rule(
        id="one-offer",
        places=(ANYWHERE,),
        says="At most one screen tries to keep somebody.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d)(2)(B), as amended by AB 2863",
        certainty=Certainty.CAUTION,
        check=one_offer,
    ),
    Rule(
        id="no-shaming",
        places=(ANYWHERE,),
        says="No words shame who leaves.",
        since=date(2022, 9, 15),
        source="FTC staff report “Bringing Dark Patterns to Light”, 2022",
        certainty=Certainty.SECONDARY,
        check=no_shaming,
    ),
    Rule(
        id="us-mn-no-offer",
        places=("US-MN",),
        says="No retention offer is made while somebody cancels.",
        since=date(2025, 1, 1),
        source="Minnesota Statutes 325G.60, subd. 3",
        certainty=Certainty.SECONDARY,
        check=no_offer,
    ),
    Rule(
        id="us-state-unknown-no-offer",
        places=(UNITED_STATES,),
        says="Where the state is not known, no offer is made: it might be Minnesota.",
        since=date(2025, 1, 1),
        source="Minnesota Statutes 325G.60, subd. 3",
        certainty=Certainty.CAUTION,
        kept_by="sessions without a state show no offer",
    ),
    Rule(
        id="confirmation-by-mail",
        places=(ANYWHERE,),
        says="Whoever cancelled gets it in writing at once, with the end and what is owed.",
        since=date(2022, 7, 1),
        source="§ 312k Abs. 4 BGB; Code de la consommation L215-1-1",
        certainty=Certainty.STATUTE,
        kept_by="the letter is written in the transaction of the request",
    ),
    Rule(
        id="never-later-than-period",
        places=(ANYWHERE,),
        says="It ends no later than the period that is paid.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d), as amended by AB 2863",
        certainty=Certainty.SECONDARY,
        kept_by="there are two ends: now, and when the period is over",
    ),
    Rule(
        id="evidence-three-years",
        places=(ANYWHERE,),
        says="What was shown and said is kept three years.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(b)(6), as amended by AB 2863",
        certainty=Certainty.STATUTE,
        kept_by="an append-only table",
    ),
    Rule(
        id="win-back-permission",
        places=(ANYWHERE,),
        says="Who left is won back only where they agreed to such letters, with one click to stop.",
        since=date(2002, 7, 31),
        source="Directive 2002/58/EC, Art. 13; Belgian DPA decision 117/2022; RFC 8058",
        certainty=Certainty.SECONDARY,
        kept_by="no such letter without a recorded permission and a way to unsubscribe",
    ),
    Rule(
        id="win-back-later",
        places=(ANYWHERE,),
        says="Nobody is won back within a fortnight of leaving.",
        since=date(2025, 2, 14),
        source="E-Commerce Act of Korea, as amended 2025, on nagging; the fortnight is ours",
        certainty=Certainty.CAUTION,
        kept_by="letters that win back are planned no sooner than 14 days after the request",
    ),
    Rule(
        id="declined-rests",
        places=(ANYWHERE,),
        says="What was turned down is not offered again for half a year.",
        since=date(2025, 2, 14),
        source="E-Commerce Act of Korea, as amended 2025, on nagging; the half year is ours",
        certainty=Certainty.CAUTION,
        kept_by="no session makes an offer that an earlier one saw turned down within 180 days",
    ),
    Rule(
        id="public-form",
        places=("DE", "FR"),
        says="One may cancel without signing in.",
        since=date(2022, 7, 1),
        source="§ 312k BGB; Code de la consommation L215-1-1",
        certainty=Certainty.STATUTE,
        kept_by="a form of its own, beside the flow",
    ),
    Rule(
        id="withdrawal-function",
        places=EU,
        says="Within 14 days one may withdraw, by a function of its own.",
        since=date(2026, 6, 19),
        source=CRD,
        certainty=Certainty.STATUTE,
        kept_by="a form of its own, beside the flow",
    ),
    Rule(
        id="no-hurry",
        places=(ANYWHERE,),
        says="No deadline is made up.",
        since=date(2022, 9, 15),
        source="FTC staff report “Bringing Dark Patterns to Light”, 2022",
        certainty=Certainty.SECONDARY,
        check=no_hurry,
    ),
    Rule(
        id="offer-told",
        places=(ANYWHERE,),
        says="What an offer costs, and what follows it, is told before it can be accepted.",
        since=date(2010, 12, 29),
        source="15 U.S.C. 8403(1) (ROSCA)",
        certainty=Certainty.STATUTE,
        kept_by="an offer whose money cannot be told is not made",
    ),
    Rule(
        id="consent-kept",
        places=(ANYWHERE,),
        says="What was accepted is kept with what was told of it.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(a)(4), as amended by AB 2863",
        certainty=Certainty.SECONDARY,
        kept_by="lines of evidence for the offer, its quote and its acceptance",
    ),
    Rule(
        id="equal-buttons",
        places=(ANYWHERE,),
        says="To cancel is as large, clear and near as to stay.",
        since=date(2025, 2, 14),
        source="Korea, E-Commerce Act, Art. 21-2",
        certainty=Certainty.SECONDARY,
        kept_by="one look for both buttons; no property of the widget tells them apart",
    ),
    Rule(
        id="us-simple",
        places=(UNITED_STATES,),
        says="To stop recurring charges is simple.",
        since=date(2010, 12, 29),
        source="15 U.S.C. 8403(3) (ROSCA); a rule of the FTC of 2024 was vacated in July 2025",
        certainty=Certainty.STATUTE,
        kept_by="two clicks, and nothing asked before them",
    ),
    Rule(
        id="us-ca-button-beside-offer",
        places=("US-CA",),
        says="Beside any offer a button to cancel is shown all the time.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d)(2)(B), as amended by AB 2863",
        certainty=Certainty.SECONDARY,
        kept_by="every screen of an offer has both, side by side",
    ),
    Rule(
        id="us-ca-notices",
        places=("US-CA",),
        says="Terms of a year are told 15 to 45 days before they renew, a new price 7 to 30.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(b), as amended by AB 2863",
        certainty=Certainty.SECONDARY,
        kept_by="reminders, whose rows are checked against every window",
    ),
    Rule(
        id="us-ny-notices",
        places=("US-NY",),
        says="Terms of a year are told 15 to 45 days before they renew, a new price 5 to 30.",
        since=date(2025, 11, 5),
        source="New York General Business Law 527-a",
        certainty=Certainty.SECONDARY,
        kept_by="reminders, whose rows are checked against every window",
    ),
    Rule(
        id="us-ma-notices",
        places=("US-MA",),
        says="Terms of more than a month are told 5 to 30 days before they renew.",
        since=date(2025, 9, 2),
        source="940 Code of Massachusetts Regulations 38.05",
        certainty=Certainty.SECONDARY,
        kept_by="reminders, whose rows are checked against every window",
    ),
    Rule(
        id="us-ma-easy",
        places=("US-MA",),
        says="To cancel is at least as easy as to sign up.",
        since=date(2025, 9, 2),
        source="940 Code of Massachusetts Regulations 38.05",
        certainty=Certainty.SECONDARY,
        kept_by="two clicks, in the same medium",
    ),
    Rule(
        id="us-mn-notice",
        places=("US-MN",),
        says="Once a year it is told what is charged and how to stop it.",
        since=date(2025, 1, 1),
        source="Minnesota Statutes 325G.57 to 325G.62",
        certainty=Certainty.SECONDARY,
        kept_by="reminders of terms of half a year and more",
    ),
    Rule(
        id="us-other-states",
        places=(UNITED_STATES,),
        says="More than thirty states want it to be easy; no list of them is complete.",
        since=date(2025, 1, 1),
        source="automatic renewal laws of Connecticut, Georgia, Idaho, Utah, Virginia and others",
        certainty=Certainty.CAUTION,
        kept_by="the strictest of what is known is done everywhere",
    ),
    Rule(
        id="eu-accessible",
        places=EU,
        says="Whoever sees, hears or moves otherwise can leave too.",
        since=date(2025, 6, 28),
        source="Directive (EU) 2019/882; WCAG 2.2 AA",
        certainty=Certainty.STATUTE,
        kept_by="axe and the keyboard are tried on every screen",
    ),
    Rule(
        id="eu-all-comes-back",
        places=EU,
        says="Whoever withdraws gets all back, less what was used only where consent is on record.",
        since=date(2014, 6, 13),
        source="Directive 2011/83/EU, Art. 13(1), 14(3)",
        certainty=Certainty.STATUTE,
        kept_by="refunds that are read back",
    ),
    Rule(
        id="de-one-page",
        places=("DE",),
        says="The public form has all its fields and its button on one page.",
        since=date(2022, 7, 1),
        source="§ 312k Abs. 2 BGB; OLG Köln, 10 January 2025; OLG Düsseldorf, 23 May 2024",
        certainty=Certainty.SECONDARY,
        kept_by="the German form counts when it is sent",
    ),
    Rule(
        id="fr-sums-up",
        places=("FR",),
        says="The public form shows what will be declared before it counts.",
        since=date(2023, 6, 1),
        source="Code de la consommation D215-1 to D215-3 (décret 2023-417)",
        certainty=Certainty.SECONDARY,
        kept_by="the French form sums up first",
    ),
    Rule(
        id="gb-subscriptions",
        places=("GB",),
        says="Reminders, a letter about the end within 24 hours, a time to cool off.",
        since=date(2027, 4, 1),
        source="Digital Markets, Competition and Consumers Act 2024, ss. 254 to 267; expected 2027",
        certainty=Certainty.CAUTION,
        kept_by="the letter about an end goes at once",
    ),
    Rule(
        id="in-notice-before-debit",
        places=("IN",),
        says="A debit under a mandate is told 24 hours before.",
        since=date(2026, 4, 21),
        source="Reserve Bank of India, Digital Payments E-mandate Framework",
        certainty=Certainty.SECONDARY,
        kept_by="the provider and the bank tell it; a charge in doubt is never repeated beside it",
    ),
    Rule(
        id="jp-last-screen",
        places=("JP",),
        says="The last screen tells the terms of what is entered.",
        since=date(2022, 6, 1),
        source="Act on Specified Commercial Transactions, Art. 12-6",
        certainty=Certainty.CAUTION,
        kept_by="an offer is told in full on the screen where it is accepted",
    ),
    Rule(
        id="au-easy-exit",
        places=("AU",),
        says="A subscription is as easy to leave as to enter; of small businesses too.",
        since=date(2027, 7, 1),
        source="Competition and Consumer Amendment (Unfair Trading Practices) Bill 2026, if passed",
        certainty=Certainty.CAUTION,
        kept_by="two clicks, for everybody",
    ),
)


def faults_in(flow: Flow, on: date) -> Iterator[tuple[Rule, Fault]]:
    """What a flow breaks in the places it names, or, where it names none, anywhere."""
    for rule in RULES:
        if rule.check is not None and any(rule.holds_in(place, on) for place in _places(flow)):
            for fault in rule.check(flow):
                yield rule, fault


def _places(flow: Flow) -> tuple[str, ...]:
    """Where a flow is shown for certain. One that is for everybody is shown without its offers
    where offers are forbidden, so only what is forbidden anywhere counts against it."""
    named = [*(flow.applies_to.countries or ()), *([flow.place] if flow.place else [])]
    return tuple(dict.fromkeys([ANYWHERE, *named]))


def may_offer(place: str | None, on: date) -> bool:
    """Whether an offer may be shown in a place; not where nobody knows the place or the state."""
    if place is None or place == UNITED_STATES:
        return False
    return not any(rule.check is no_offer and rule.holds_in(place, on) for rule in RULES)
