"""The smallest body that a schema of the document allows."""

from typing import Any

Json = dict[str, Any]


def sample(schema: Json, document: Json) -> Any:
    """A value that fits: an example where there is one, else what is required and no more."""
    if "$ref" in schema:
        return sample(
            document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document
        )
    for told in ("examples", "enum"):
        if schema.get(told):
            return schema[told][0]
    for told in ("example", "const", "default"):
        if schema.get(told) is not None:
            return schema[told]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return sample(schema[several][0], document)
    return _of_type(schema, document)


def _of_type(schema: Json, document: Json) -> Any:
    match schema.get("type"):
        case "object" | None:
            wanted = schema.get("required", ())
            return {name: sample(schema["properties"][name], document) for name in wanted}
        case "array":
            return [sample(schema["items"], document)] * schema.get("minItems", 0)
        case "string":
            return _text(schema)
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 1)


def _text(schema: Json) -> str:
    match schema.get("format"):
        case "date":
            return "2026-03-09"
        case "date-time":
            return "2026-03-09T12:00:00Z"
        case "uri":
            return "https://hook.example.com/x"
        case _:
            return "x" * max(int(schema.get("minLength", 0)), 1)
