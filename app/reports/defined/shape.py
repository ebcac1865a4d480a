"""What the registry says of a figure and of the endpoint that answers it."""

from dataclasses import dataclass

MINOR = "minor units of the row's currency"
SHARE = "share of 1, six decimal places"
RATIO = "ratio, six decimal places"
# Told in their own currencies alone: the provider's books, and a sum with assumptions.
NATIVE = frozenset({"reconciliation", "projection"})
DECIMAL = frozenset({SHARE, RATIO})


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: `column` is the field it fills, `definition` what it means, in full.

    `endpoint` answers it, below `/v1/finance/`, grouped by any of `by`. `empty` says that a row
    may have none; shares and ratios of nothing are empty in any case. What `adds` comes to a sum of
    currencies, once converted; an average does not.
    """

    name: str
    column: str
    unit: str
    definition: str
    endpoint: str = ""
    by: tuple[str, ...] = ()
    empty: bool = False
    adds: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A question of finance: its path, what it tells in a sentence, the keys it may be grouped by
    beside the period, and its figures. A column has one meaning within an endpoint. `attributed`:
    also grouped by what the merchant named as attributes. `standing` are keys that hang on where a
    period begins: no sum knows them, so that the ledgers are read, and they go with no others."""

    path: str
    says: str
    by: tuple[str, ...]
    figures: tuple[Figure, ...]
    attributed: bool = False
    standing: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """What `group_by` takes."""
        return frozenset(self.by + self.standing)

    @property
    def exchanged(self) -> bool:
        """Whether it may be asked in a reporting currency."""
        return self.path not in NATIVE and any(figure.unit == MINOR for figure in self.figures)

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of figures, in the order of the registry."""
        return tuple(figure.column for figure in self.figures)

    def definitions(self) -> dict[str, dict[str, str]]:
        """The definitions by figure name, JSON-ready: every answer carries them."""
        return {
            figure.name: {
                "column": figure.column,
                "unit": figure.unit,
                "definition": figure.definition,
            }
            for figure in self.figures
        }
