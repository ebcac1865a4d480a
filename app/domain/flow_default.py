"""The flow that is there before a merchant makes one. It gives nothing away: what an offer costs
is the merchant's to decide, so it asks, listens and lets go."""

from typing import Any

from app.domain.flow_documents import flow_from

DEPLOYMENT = "deployment"  # who made the shipped flow
DEFAULT_DOCUMENT: dict[str, Any] = {
    "name": "default",
    "steps": [
        {"id": "why", "kind": "survey"},
        {
            "id": "more",
            "kind": "feedback",
            "when": {
                "reasons": [
                    "missing_feature",
                    "product_problem",
                    "poor_support",
                    "expectations_not_met",
                    "other",
                ]
            },
        },
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ],
}
DEFAULT_FLOW = flow_from(DEFAULT_DOCUMENT)
