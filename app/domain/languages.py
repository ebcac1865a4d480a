"""Which languages we write, and which of them a tag such as `de-AT` or `zh-CN` means."""

LANGUAGES = ("en", "de", "fr", "es", "zh-Hans")
DEFAULT_LANGUAGE = "en"
# Readers of traditional characters are not served with simplified ones.
TRADITIONAL = frozenset({"hant", "tw", "hk", "mo"})


def written(tag: str | None) -> str | None:
    """The language of ours that `tag` means; None where we write none like it."""
    parts = (tag or "").replace("_", "-").lower().split("-")
    if parts[0] == "zh":
        return None if TRADITIONAL & set(parts) else "zh-Hans"
    return parts[0] if parts[0] in LANGUAGES else None


def language_for(*tags: str | None) -> str:
    """The first of these tags that we can write (the customer's, then the merchant's), as it
    stands, so that its region still decides how numbers look; English where there is none."""
    return next((tag for tag in tags if tag and written(tag)), DEFAULT_LANGUAGE)
