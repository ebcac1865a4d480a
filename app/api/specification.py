"""The OpenAPI document: what FastAPI knows of the routes, and by hand what it does not."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.problems import KINDS, ProblemOut, problems

DESCRIPTION = """Dunning and cancellation flows for subscription companies, accounted to the cent.

Amounts are integers in minor units, with their currency in lower case. Instants are RFC 3339 in
UTC. Lists go on with the cursor of the page before. Whatever goes wrong is answered with a problem
document (RFC 9457) whose `type` is one of:

{problems}
"""
WEBHOOK: dict[str, Any] = {
    "tags": ["webhooks"],
    "summary": "Receive Webhook",
    "description": "Takes an event of the payment provider. Answered 2xx only after the event is "
    "durable; the same event may come any number of times. An event of another account or of the "
    "other mode is set aside and raises an alert, and is answered 2xx too.",
    "operationId": "receive_webhook",
    "parameters": [
        {
            "name": "provider_account",
            "in": "path",
            "required": True,
            "description": "Our id of the provider account, `acc_…`.",
            "schema": {"type": "string", "maxLength": 64},
        },
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "description": "`t=<epoch seconds>,v1=<hex HMAC-SHA256>`, made within five minutes.",
            "schema": {"type": "string", "maxLength": 1024},
        },
    ],
    "requestBody": {
        "required": True,
        "description": "The event as the provider sends it, at most 1 MiB.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "responses": {
        "200": {
            "description": "The event is stored, or was before.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["received"],
                        "properties": {"received": {"type": "boolean", "const": True}},
                    }
                }
            },
        },
        **{
            str(status): response
            for status, response in problems(
                "bad-signature", "not-found", "request-timeout", "body-too-large", "unavailable"
            ).items()
        },
    },
}


def install(app: FastAPI, webhook_path: str) -> None:
    """Let `app.openapi()` give the whole document, the raw webhook route included."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _whole(app, webhook_path)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _whole(app: FastAPI, webhook_path: str) -> dict[str, Any]:
    names = "\n".join(f"* `/problems/{k.name}` ({k.status}): {k.meaning}" for k in KINDS.values())
    schema = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION.format(problems=names),
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schema["paths"] = {webhook_path: {"post": WEBHOOK}, **schema["paths"]}
    schemas = schema["components"]["schemas"]
    problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    schema["components"]["schemas"] = dict(sorted(schemas.items()))
    return schema
