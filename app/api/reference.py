"""`/docs`: the API to read, made from the same document as openapi.yaml. No script, no CDN."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter()

STYLE = """
:root{color-scheme:light dark;--line:light-dark(#d9dee3,#333c44);--soft:light-dark(#f5f7f8,#1b2126);
--ink:light-dark(#182026,#e4e9ed);--dim:light-dark(#5a6770,#9aa7b0);--mark:light-dark(#0b6b57,#5fd0b5)}
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:light-dark(#fff,#12171b);
max-width:60rem;margin:0 auto;padding:2rem 1.25rem 6rem}
h1{margin:0 0 .25rem;font-size:2rem}h2{margin:3rem 0 .5rem;font-size:1.3rem}
section{border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.25rem;margin:1rem 0}
section h3{margin:0;font:600 1rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
h3 b{color:var(--mark);margin-right:.6rem}p{margin:.5rem 0}.dim,td+td+td,small{color:var(--dim)}
table{width:100%;border-collapse:collapse;margin:.75rem 0 0;font-size:.9rem;table-layout:fixed}
td{padding:.35rem .6rem .35rem 0;border-top:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}td:first-child{width:28%}td:nth-child(2){width:27%}
code{font:.92em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:.3em}
a{color:var(--mark)}nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:1rem 0}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-{STYLE_HASH}'"
)


@router.get("/docs", include_in_schema=False)
async def reference(request: Request) -> HTMLResponse:
    """The whole API on one page."""
    page = "".join(_page(request.app.openapi()))
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{info["title"]}'
    yield ' API</title><meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<style>{STYLE}</style></head><body><h1>{info['title']} API</h1>"
    yield f"<p class=dim>Version {info['version']} · <a href=/openapi.json>openapi.json</a></p>"
    yield from map(_paragraph, info["description"].split("\n\n"))
    yield "<h2>Routes</h2>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _operation(path, method, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _shape(name, schema)
    yield "</body></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<section><h3><b>{method.upper()}</b>{escape(path)}</h3>"
    yield f"<p>{_prose(operation.get('description', ''))}</p>"
    scopes = [name for need in operation.get("security", ()) for name in need.get("ApiKey", ())]
    if scopes:
        yield f"<p class=dim>Needs an API key with {_code(*scopes)}.</p>"
    parameters = operation.get("parameters", ())
    yield from _table(
        (p["name"] + ("" if p.get("required") else "?"), p["schema"], p.get("description", ""))
        for p in parameters
    )
    answers = operation["responses"].items()
    yield from _table((status, _body(answer), answer["description"]) for status, answer in answers)
    yield "</section>"


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3>'
    yield f"<p>{_prose(schema.get('description', ''))}</p>"
    if "enum" in schema:
        yield f"<p>{_code(*schema['enum'])}</p>"
    properties = schema.get("properties", {}).items()
    yield from _table((field, of, of.get("description", "")) for field, of in properties)
    yield "</section>"


def _table(rows: Any) -> Iterator[str]:
    cells = [
        f"<tr><td><code>{escape(name)}</code><td>{_type(schema)}<td>{_prose(text)}"
        for name, schema, text in rows
    ]
    if cells:
        yield "<table>" + "".join(cells) + "</table>"


def _body(answer: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = answer.get("content") or {}
    schemas: list[dict[str, Any]] = [form.get("schema", {}) for form in content.values()]
    return schemas[0] if schemas else {}


def _type(schema: dict[str, Any]) -> str:
    """A schema in few words, with a link where it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    word = schema.get("format") or schema.get("type")
    return escape(word) if word else ""


def _code(*words: object) -> str:
    return " ".join(f"<code>{escape(str(word))}</code>" for word in words)


def _paragraph(text: str) -> str:
    if not text.startswith("* "):
        return f"<p>{_prose(text)}</p>"
    lines = (_prose(line.removeprefix("* ")) for line in text.splitlines())
    return "<ul>" + "".join(f"<li>{line}" for line in lines if line) + "</ul>"


def _prose(text: str) -> str:
    """Text with `code` in it, nothing else: the document is ours."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))
