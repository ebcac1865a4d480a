"""The registry of figures: name, unit, definition, where it is asked and how it is grouped."""

from collections.abc import Mapping
from dataclasses import replace

from app.reports.defined.churn import LEAVING
from app.reports.defined.lasting import LASTING
from app.reports.defined.recovery import RECOVERY
from app.reports.defined.risk import RISK
from app.reports.defined.saves import SAVES
from app.reports.defined.shape import Endpoint, Figure

__all__ = ["ENDPOINTS", "FIGURES", "Endpoint", "Figure"]

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.path: endpoint for endpoint in (*RECOVERY, *RISK, *LEAVING, SAVES, *LASTING)
}
FIGURES: Mapping[str, Figure] = {
    figure.name: replace(figure, endpoint=endpoint.path, by=endpoint.by)
    for endpoint in ENDPOINTS.values()
    for figure in endpoint.figures
}
