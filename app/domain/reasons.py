# ruff: noqa: RUF001 - typographic apostrophes and full-width marks are right in their languages
"""Why customers leave: the reasons every flow starts from, in five languages.

Their ids never change and are never reused, so that a survey of years ago still counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.languages import LANGUAGES

# The provider's words for a reason (`cancellation_details.feedback`).
FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason that a survey offers. `labels` and `follow_up` (a question asked once the reason
    is chosen) are by language; `feedback` is the provider's word for it."""

    id: str
    feedback: str
    labels: Mapping[str, str]
    follow_up: Mapping[str, str] | None = None

    def label(self, language: str) -> str:
        """What it is called in a language, in English where nobody said."""
        return said(self.labels, language) or self.id


def said(texts: Mapping[str, str] | None, language: str) -> str | None:
    """The text in this language, else in English, else in any."""
    if not texts:
        return None
    return texts.get(language) or texts.get("en") or next(iter(texts.values()))


def _reason(
    name: str, feedback: str, *labels: str, follow_up: tuple[str, ...] | None = None
) -> Reason:
    return Reason(
        id=name,
        feedback=feedback,
        labels=dict(zip(LANGUAGES, labels, strict=True)),
        follow_up=dict(zip(LANGUAGES, follow_up, strict=True)) if follow_up else None,
    )


WHICH_FEATURE = (
    "What is missing?",
    "Was fehlt?",
    "Que manque-t-il ?",
    "¿Qué falta?",
    "缺少什么？",
)
WHAT_WENT_WRONG = (
    "What went wrong?",
    "Was ist schiefgegangen?",
    "Qu’est-ce qui n’a pas fonctionné ?",
    "¿Qué ha fallado?",
    "出了什么问题？",
)
WHICH_OTHER = (
    "Which one do you use instead?",
    "Was verwenden Sie stattdessen?",
    "Que utilisez-vous à la place ?",
    "¿Qué utiliza en su lugar?",
    "您改用哪个产品？",
)

# Labels in the order of `LANGUAGES`.
REASONS = (
    _reason(
        "too_expensive",
        "too_expensive",
        "It costs too much",
        "Es ist mir zu teuer",
        "C’est trop cher",
        "Es demasiado caro",
        "价格太高",
    ),
    _reason(
        "cash_flow",
        "too_expensive",
        "I have to save money at the moment",
        "Ich muss gerade sparen",
        "Je dois faire des économies en ce moment",
        "Ahora mismo tengo que ahorrar",
        "我目前需要节省开支",
    ),
    _reason(
        "not_using",
        "unused",
        "I do not use it enough",
        "Ich nutze es zu wenig",
        "Je ne l’utilise pas assez",
        "No lo uso lo suficiente",
        "我用得不够多",
    ),
    _reason(
        "missing_feature",
        "missing_features",
        "Something I need is missing",
        "Mir fehlt eine Funktion",
        "Il me manque une fonctionnalité",
        "Me falta una función",
        "缺少我需要的功能",
        follow_up=WHICH_FEATURE,
    ),
    _reason(
        "found_alternative",
        "switched_service",
        "I use something else now",
        "Ich nutze jetzt etwas anderes",
        "J’utilise autre chose maintenant",
        "Ahora uso otra cosa",
        "我已改用其他产品",
        follow_up=WHICH_OTHER,
    ),
    _reason(
        "product_problem",
        "low_quality",
        "It does not work well",
        "Es funktioniert nicht gut",
        "Cela ne fonctionne pas bien",
        "No funciona bien",
        "产品使用有问题",
        follow_up=WHAT_WENT_WRONG,
    ),
    _reason(
        "too_complex",
        "too_complex",
        "It is too complicated",
        "Es ist zu kompliziert",
        "C’est trop compliqué",
        "Es demasiado complicado",
        "太复杂",
    ),
    _reason(
        "poor_support",
        "customer_service",
        "I did not get the help I needed",
        "Ich habe keine gute Hilfe bekommen",
        "Je n’ai pas obtenu l’aide nécessaire",
        "No recibí la ayuda que necesitaba",
        "没有得到所需的帮助",
        follow_up=WHAT_WENT_WRONG,
    ),
    _reason(
        "poor_onboarding",
        "too_complex",
        "I never got started properly",
        "Der Einstieg ist mir nicht gelungen",
        "Je n’ai pas réussi à démarrer",
        "No conseguí empezar",
        "一直没能顺利上手",
    ),
    _reason(
        "expectations_not_met",
        "low_quality",
        "I expected something else",
        "Ich hatte etwas anderes erwartet",
        "Je m’attendais à autre chose",
        "Esperaba otra cosa",
        "与预期不符",
        follow_up=WHAT_WENT_WRONG,
    ),
    _reason(
        "needs_changed",
        "unused",
        "My needs have changed",
        "Mein Bedarf hat sich geändert",
        "Mes besoins ont changé",
        "Mis necesidades han cambiado",
        "我的需求变了",
    ),
    _reason(
        "champion_left",
        "other",
        "The person who used it has left",
        "Die Person, die es genutzt hat, ist nicht mehr da",
        "La personne qui l’utilisait est partie",
        "La persona que lo usaba ya no está",
        "使用它的人已离开",
    ),
    _reason(
        "not_successful_enough",
        "other",
        "It did not bring the success I hoped for",
        "Es hat nicht den erhofften Erfolg gebracht",
        "Les résultats espérés ne sont pas venus",
        "No ha dado el resultado que esperaba",
        "没有带来期望的效果",
    ),
    _reason(
        "temporary_need",
        "unused",
        "I only needed it for a while",
        "Ich brauchte es nur vorübergehend",
        "Je n’en avais besoin que temporairement",
        "Solo lo necesitaba por un tiempo",
        "我只是临时需要",
    ),
    _reason(
        "other",
        "other",
        "Another reason",
        "Ein anderer Grund",
        "Une autre raison",
        "Otro motivo",
        "其他原因",
    ),
)
BY_ID: Mapping[str, Reason] = {reason.id: reason for reason in REASONS}


def feedback_of(reason: str | None, own: Mapping[str, Reason] | None = None) -> str | None:
    """The provider's word for a reason; `other` for one nobody knows, None for none."""
    if reason is None:
        return None
    known = (own or {}).get(reason) or BY_ID.get(reason)
    return known.feedback if known else "other"


# Our word where the provider's alone is known.
_MEANT = {
    "customer_service": "poor_support",
    "low_quality": "product_problem",
    "missing_features": "missing_feature",
    "other": "other",
    "switched_service": "found_alternative",
    "too_complex": "too_complex",
    "too_expensive": "too_expensive",
    "unused": "not_using",
}


def reason_for(feedback: str | None) -> str | None:
    """Our reason for the provider's word; None for none, and for a word we have not met."""
    return _MEANT.get(feedback or "")
