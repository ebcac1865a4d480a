"""Everything a service may ask of the outside, held together."""

from dataclasses import dataclass

from app.domain.policies import Policy
from app.ports.clock import Clock
from app.ports.invariants import Invariants
from app.ports.mail_reports import MailReports
from app.ports.mailer import Mailer, Renderer
from app.ports.outgoing import Outgoing
from app.ports.payments import Payments
from app.ports.secrets import Sealer, Tokens
from app.ports.store import Store
from app.ports.wake import Wake
from app.ports.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Built once per process in `wiring`. `public_url` is where customers reach us."""

    store: Store
    invariants: Invariants
    clock: Clock
    payments: Payments
    webhooks: Webhooks
    mailer: Mailer
    renderer: Renderer
    outgoing: Outgoing
    mail_reports: MailReports
    sealer: Sealer
    tokens: Tokens
    wake: Wake
    policy: Policy
    public_url: str
