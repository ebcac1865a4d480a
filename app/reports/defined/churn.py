"""Figures of MRR, of who left and why."""

from app.reports.defined.shape import MINOR, RATIO, SHARE, Endpoint, Figure

SUBSCRIPTIONS = "subscriptions"
_TAKEN_OVER = (
    "MRR that another subscription of the customer took over: what the one brought, taken off, and "
    "what the other brings."
)
_MOVES = (
    ("opening", "What was there when Holdfast first saw a subscription."),
    ("new", "MRR of subscriptions that began to pay."),
    ("reactivation", "MRR of subscriptions that had ended and pay again."),
    ("expansion", "What subscriptions pay more than before."),
    ("contraction", "What subscriptions pay less than before; negative."),
    ("churn_voluntary", "MRR that ended because the customer asked; negative."),
    ("churn_involuntary", "MRR that ended because nobody paid; negative."),
    ("churn_merchant", "MRR that the merchant ended; negative."),
    ("migration", _TAKEN_OVER),
    ("pause", "MRR that rests; negative."),
    ("resume", "MRR that rested and is paid again."),
    ("fx", "What moved because a price changed its currency or rate."),
    (
        "switch",
        "MRR that went with its subscription to another plan, interval, country or attribute.",
    ),
)
MRR = Endpoint(
    "mrr",
    "Monthly recurring revenue: what it was, how it moved, what it is.",
    ("country", "currency", "interval", "plan"),
    (
        Figure(
            "mrr_start",
            "start_minor",
            MINOR,
            "MRR when the period begins: the sum of all movements effective before. A week counts "
            "52/12, a year 1/12; discounts are taken off, metered prices, trials and pauses are "
            "not in it.",
        ),
        *(Figure(f"mrr_{kind}", f"{kind}_minor", MINOR, says) for kind, says in _MOVES),
        Figure(
            "mrr",
            "end_minor",
            MINOR,
            "MRR when the period ends: start plus all movements.",
        ),
        Figure(
            "paying_subscriptions",
            "n_end",
            SUBSCRIPTIONS,
            "Subscriptions with MRR when the period ends.",
        ),
        Figure(
            "arpa",
            "arpa_minor",
            MINOR,
            "MRR divided by paying subscriptions when the period ends, rounded down; empty where "
            "there are none.",
            empty=True,
            adds=False,
        ),
    ),
    attributed=True,
)
CHURN = Endpoint(
    "churn",
    "Who was lost in a period, by the definition of a preset. `tenure` and `mrr_band` are those "
    "when the period began (`came`: who was not there then), told with each other alone and of "
    "whole months, quarters and years that are over.",
    ("country", "currency", "interval", "plan"),
    (
        Figure(
            "at_start",
            "n_start",
            SUBSCRIPTIONS,
            "Subscriptions with MRR when the period begins, or found with MRR in it when their "
            "account was connected. A customer with two counts twice.",
        ),
        Figure("joined", "n_new", SUBSCRIPTIONS, "Subscriptions that began to pay in the period."),
        Figure(
            "lost",
            "n_lost",
            SUBSCRIPTIONS,
            "Subscriptions lost by the preset's definition: recognised when access ends or when it "
            "is asked for, unless that is given up; who joined in the same period apart or "
            "counted; those past due for 30 days lost or not, once until they pay; those who came "
            "back within the period lost or not. Who leaves once more is lost once more. Trials, "
            "what brought nothing, migrations and what had ended before the account was connected "
            "never count.",
        ),
        Figure(
            "returned",
            "n_returned",
            SUBSCRIPTIONS,
            "Of those at the start who ended in the period, those who came back in it.",
        ),
        Figure(
            "logo_churn",
            "logo_churn",
            SHARE,
            "Lost divided by the preset's base: at start, or at start and joined.",
        ),
        Figure(
            "logo_churn_after_returns",
            "logo_churn_after_returns",
            SHARE,
            "The same, less those of the lost who ended and came back in the period: where losses "
            "are counted when asked for, only who asked in it. The preset may have taken them off "
            "already.",
        ),
        Figure(
            "churn_mrr_start",
            "start_minor",
            MINOR,
            "MRR of the subscriptions at start.",
        ),
        Figure(
            "mrr_lost",
            "lost_minor",
            MINOR,
            "MRR of the subscriptions lost. A return is a movement of its own, not taken off.",
        ),
        Figure(
            "gross_mrr_churn",
            "gross_mrr_churn",
            SHARE,
            "MRR lost plus contraction, divided by MRR at the start.",
        ),
        Figure(
            "net_mrr_churn",
            "net_mrr_churn",
            SHARE,
            "The same less expansion and reactivation; negative where more came than went.",
        ),
        Figure("grr", "grr", SHARE, "Gross revenue retention: 1 less gross MRR churn."),
        Figure("nrr", "nrr", SHARE, "Net revenue retention: 1 less net MRR churn."),
        Figure(
            "quick_ratio",
            "quick_ratio",
            RATIO,
            "New MRR plus expansion, divided by MRR lost plus contraction.",
        ),
        Figure(
            "quick_ratio_with_reactivation",
            "quick_ratio_with_reactivation",
            RATIO,
            "The same with reactivation among what came.",
        ),
        Figure(
            "clv",
            "clv_minor",
            MINOR,
            "What a customer is worth: MRR at the start divided by subscriptions at the start, "
            "times the margin, divided by logo churn a month; rounded down. Churn of any other "
            "period is taken by its length in calendar months, as much of it as is over at the "
            "cut-off: a quarter's is divided by three, a week's in January by 7/31. Empty where "
            "nobody was lost.",
            empty=True,
            adds=False,
        ),
    ),
    attributed=True,
    standing=("mrr_band", "tenure"),
)
_ENDS = ("cause", "country", "currency", "interval", "kind_of_end", "plan", "reason", "segment")
REASONS = Endpoint(
    "churn-reasons",
    "Why subscriptions ended, by the day they ended.",
    _ENDS,
    (
        Figure(
            "ended",
            "n_ended",
            SUBSCRIPTIONS,
            "Subscriptions whose access ended, corrections taken into account. Trials, migrations "
            "and ends before the account was connected are left out.",
        ),
        Figure("ended_mrr", "ended_minor", MINOR, "Their MRR."),
        Figure(
            "share_of_ended",
            "share",
            SHARE,
            "Ended divided by all that ended in the period in that currency.",
        ),
        Figure(
            "share_of_ended_mrr",
            "mrr_share",
            SHARE,
            "The same of their MRR.",
        ),
    ),
    attributed=True,
)
SEGMENTS = Endpoint(
    "segments",
    "Where subscriptions end: by plan, country, how long they lasted and what they paid, as it was "
    "when they ended. Rates, with what they are a share of, stand at `churn`.",
    (*_ENDS, "mrr_band", "tenure", "while_past_due"),
    (
        Figure(
            "segment_ended",
            "n_ended",
            SUBSCRIPTIONS,
            "Subscriptions whose access ended. `tenure` and `mrr_band` are named by where they "
            "begin: days, minor units a month.",
        ),
        Figure(
            "segment_returned",
            "n_returned",
            SUBSCRIPTIONS,
            "Ended ones that came back, by the day they did.",
        ),
        Figure("segment_ended_mrr", "ended_minor", MINOR, "MRR of those that ended."),
        Figure(
            "segment_share",
            "share",
            SHARE,
            "Ended divided by all that ended in the period in that currency.",
        ),
        Figure(
            "segment_mean_mrr",
            "mean_minor",
            MINOR,
            "MRR ended divided by subscriptions ended, rounded down.",
            empty=True,
            adds=False,
        ),
    ),
    attributed=True,
)
_REDEMPTIONS = "redemptions"
OFFERS = Endpoint(
    "offers",
    "What each offer cost and what it kept, by the day it was accepted.",
    ("currency", "interval", "offer", "offer_kind", "plan", "reason"),
    (
        Figure("accepted", "n_accepted", _REDEMPTIONS, "Offers accepted."),
        Figure("applied", "n_applied", _REDEMPTIONS, "Those that took effect at the provider."),
        Figure("failed_offers", "n_failed", _REDEMPTIONS, "Those that the provider refused."),
        Figure(
            "offer_cost",
            "cost_minor",
            MINOR,
            "What the applied offers cost at most. Cash kept is net of discounts already: the two "
            "stand beside each other and are not subtracted.",
        ),
        Figure(
            "offers_judged_30d",
            "n_judged_30d",
            _REDEMPTIONS,
            "Accepted offers whose thirty days are over.",
        ),
        Figure(
            "offers_saved_30d",
            "n_saved_30d",
            _REDEMPTIONS,
            "Those after which the customer was still there and had not asked to leave again.",
        ),
        Figure(
            "offer_save_rate",
            "save_rate_30d",
            SHARE,
            "Saved after thirty days divided by judged after thirty days.",
        ),
        Figure(
            "offers_saved_mrr",
            "saved_mrr_minor",
            MINOR,
            "What those saved after thirty days brought a month when they accepted.",
        ),
        Figure(
            "offers_saved_90d",
            "n_saved_90d",
            _REDEMPTIONS,
            "Accepted offers after whose ninety days the customer was still there.",
        ),
        Figure(
            "retained_revenue",
            "retained_minor",
            MINOR,
            "Cash paid on the subscription in the ninety days after an applied offer, less what "
            "was given back of it and did not come back. Of several offers the latest before the "
            "payment has it.",
        ),
    ),
)
LEAVING = (MRR, CHURN, REASONS, SEGMENTS, OFFERS)
