"""Types of parameters that several routes share. What they refuse ends as `invalid-parameters`."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.domain.instants import parse_instant

Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

# Ids of the provider and ours: printable ASCII, so that nothing a database refuses gets through.
ProviderId = Annotated[str, Field(pattern=r"^[!-~]{1,255}$", max_length=255)]
Currency = Annotated[
    str, Field(pattern=r"^[a-z]{3}$", description="ISO 4217, lower case.", examples=["eur"])
]
# Text of people and merchants: no control characters, no half of a surrogate pair.
PLAIN = re.compile("[^\\x00-\\x1f\\x7f\ud800-\udfff]+")
