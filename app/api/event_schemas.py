"""What outgoing events, their endpoints and deliveries look like from outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.parameters import Instant, ProviderId
from app.domain.events import (
    DeliveryState,
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    OutgoingEvent,
)
from app.domain.events_addresses import LONGEST_URL
from app.domain.events_catalogue import EventType
from app.services.event_endpoints import Wish
from app.services.events import EventFile, EventQuery

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="`https://` and a host of the public internet.",
        examples=["https://hooks.example.com/holdfast"],
    ),
]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Types = Annotated[
    list[EventType],
    Field(max_length=len(EventType), description="Only these types; none means every type."),
]


class EndpointIn(BaseModel):
    """An endpoint to be made."""

    model_config = ConfigDict(extra="forbid")
    url: Url
    description: Words = ""
    types: Types = []


class EndpointChangeIn(BaseModel):
    """What is to be changed; what is left out, or null, stays."""

    model_config = ConfigDict(extra="forbid")
    url: Url | None = None
    description: Words | None = None
    types: Types | None = None
    enabled: bool | None = None

    def wish(self) -> Wish:
        """The same for the service."""
        return Wish(
            url=self.url,
            description=self.description,
            types=self.types,
            enabled=self.enabled,
        )


class EndpointOut(BaseModel):
    """Where events are delivered."""

    id: str
    url: str
    description: str
    types: list[str] = Field(description="Only these types; none means every type.")
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None = Field(
        description="The first failed try since the last success."
    )
    rotated_at: datetime | None = Field(
        description="For a day from then on the former secret signs as well."
    )
    created_at: datetime

    @classmethod
    def of(cls, endpoint: EventEndpoint) -> "EndpointOut":
        """An endpoint as it is shown: without its secrets."""
        return cls(**_shown(endpoint))


class NewEndpointOut(EndpointOut):
    """An endpoint with its new secret."""

    secret: str = Field(description="`whsec_…`, the signing secret. Shown this once.")

    @classmethod
    def with_secret(cls, endpoint: EventEndpoint, secret: str) -> "NewEndpointOut":
        """An endpoint right after its secret was made."""
        return cls(secret=secret, **_shown(endpoint))


def _shown(endpoint: EventEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": list(endpoint.types),
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "rotated_at": endpoint.rotated_at,
        "created_at": endpoint.created_at,
    }


class EndpointList(BaseModel):
    """All endpoints, oldest first."""

    endpoints: list[EndpointOut]


class EventParameters(BaseModel):
    """The filters of the list; those given must all hold."""

    model_config = ConfigDict(extra="forbid")
    type: Annotated[
        list[EventType], Field(max_length=len(EventType), description="Any of these.")
    ] = []
    subject: ProviderId | None = Field(
        default=None, description="What they are about, such as `case_…`."
    )
    told_from: Instant | None = Field(default=None, description="Told then or later.")
    told_to: Instant | None = Field(default=None, description="Told before then.")
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @model_validator(mode="after")
    def _span(self) -> Self:
        if self.told_from and self.told_to and self.told_from >= self.told_to:
            raise ValueError("told_from must be before told_to")
        return self

    def query(self) -> EventQuery:
        """The same for the service."""
        return EventQuery(
            types=[type_.value for type_ in self.type],
            subject=self.subject,
            told_from=self.told_from,
            told_to=self.told_to,
        )


class EventOut(BaseModel):
    """One event, as it is told."""

    id: str = Field(description="The `webhook-id` of every delivery.")
    type: str
    version: int = Field(description="Of the payload of this type.")
    subject: str = Field(description="What it is about: within it, events are told in order.")
    sequence: int = Field(description="Counts from 1 within the subject.")
    occurred_at: datetime
    told_at: datetime
    data: dict[str, Any] = Field(description="The payload, as docs/events.md lists it.")

    @classmethod
    def of(cls, event: OutgoingEvent) -> "EventOut":
        """An event as it is shown."""
        return cls(**_event(event))


def _event(event: OutgoingEvent) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "type": event.type,
        "version": event.version,
        "subject": event.subject,
        "sequence": event.sequence,
        "occurred_at": event.occurred_at,
        "told_at": event.told_at,
        "data": event.data,
    }


class TryOut(BaseModel):
    """One request to an endpoint."""

    at: datetime
    status: int | None = Field(description="The answer's status; null where none came.")
    ms: int = Field(description="How long it took, in milliseconds.")
    text: str = Field(description="The beginning of the answer, or why there was none.")

    @classmethod
    def of(cls, tried: DeliveryTry) -> "TryOut":
        """A try as it is shown."""
        return cls(at=tried.at, status=tried.status, ms=tried.ms, text=tried.text)


class DeliveryOut(BaseModel):
    """One event on its way to one endpoint, with its tries, the first one first."""

    id: str
    endpoint: str
    replay: int = Field(description="0 for the first delivery, else the number of the replay.")
    state: DeliveryState
    due_at: datetime | None = Field(description="The next try; null where there is none.")
    settled_at: datetime | None
    reason: str | None = Field(description="Why it was given up or dropped.")
    tries: list[TryOut]

    @classmethod
    def of(cls, delivery: EventDelivery, tries: tuple[DeliveryTry, ...]) -> "DeliveryOut":
        """A delivery as it is shown."""
        pending = delivery.state is DeliveryState.PENDING
        return cls(
            id=delivery.delivery_id,
            endpoint=delivery.endpoint_id,
            replay=delivery.nth,
            state=delivery.state,
            due_at=delivery.due_at if pending else None,
            settled_at=delivery.settled_at,
            reason=delivery.reason,
            tries=[TryOut.of(tried) for tried in tries],
        )


class EventFileOut(EventOut):
    """An event with its deliveries, the first one first."""

    deliveries: list[DeliveryOut]

    @classmethod
    def of_file(cls, file: EventFile) -> "EventFileOut":
        """An event with all that became of it."""
        deliveries = [DeliveryOut.of(delivery, tries) for delivery, tries in file.deliveries]
        return cls(deliveries=deliveries, **_event(file.event))


class EventList(BaseModel):
    """A page of events, the latest told first."""

    events: list[EventOut]
    next: str | None = Field(description="The cursor of the following page; null at the end.")


class ReplayIn(BaseModel):
    """Whom to tell again."""

    model_config = ConfigDict(extra="forbid")
    endpoint: ProviderId | None = Field(
        default=None, description="Only this endpoint, whatever types it wants."
    )
