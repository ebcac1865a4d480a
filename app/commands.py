"""The commands of `holdfast`. Each opens only the room it needs."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="holdfast",
    help="Dunning and cancellation flows, accounted to the cent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
Port = Annotated[int, typer.Option(help="The port to listen on.")]


def _room(name: str, function: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(name), function)
    return found


def _state_dir() -> Path:
    return Path(os.environ.get("HOLDFAST_STATE_DIR") or ".holdfast").absolute()


def _with_engines(work: Callable[[], Any]) -> None:
    """Do one command's work on the given servers, on those of a running `up`, or on our own."""
    from app.embedded import borrowed_engines

    with borrowed_engines(
        _state_dir(),
        database_url=os.environ.get("DATABASE_URL"),
        redis_url=os.environ.get("REDIS_URL"),
    ) as known:
        os.environ.update(known)
        status = work()
    if status:
        raise typer.Exit(int(status))


def _refuse_bad_settings() -> None:
    """A service that cannot be meant so does not start: what to set is said in a sentence."""
    why = _room("app.wiring", "refusal")()
    if why:
        print(f"holdfast: {why}", file=sys.stderr)
        raise typer.Exit(2)


def _migrate() -> None:
    from app.embedded import migrate

    migrate(os.environ["DATABASE_URL"])


@app.command()
def api(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = 8200,
    processes: Annotated[int, typer.Option(help="How many processes share the port.")] = 1,
    fd: Annotated[int | None, typer.Option(help="An inherited socket, instead of a port.")] = None,
) -> None:
    """Serve webhooks, pages and the API."""
    import uvicorn

    from app.connections import BoundedProtocol

    _refuse_bad_settings()
    settings = _room("app.config", "Settings")()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        fd=fd,
        workers=processes,
        loop="uvloop",
        http=BoundedProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=20,
    )


@app.command()
def worker() -> None:
    """Carry out what is due."""
    _refuse_bad_settings()
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - becomes the worker


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    _with_engines(_migrate)


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="The api's port; chosen when left out.")] = None,
    sandbox: Annotated[
        bool | None,
        typer.Option(
            help="Run the sandbox; by default while no account of the real provider is configured."
        ),
    ] = None,
    sandbox_port: Annotated[
        int | None, typer.Option(help="The sandbox's port; chosen when left out.")
    ] = None,
) -> None:
    """Run the whole service on this machine, on embedded engines where no URLs are given."""
    from app.embedded import up as run_everything

    _refuse_bad_settings()
    run_everything(
        _state_dir(),
        database_url=os.environ.get("DATABASE_URL"),
        redis_url=os.environ.get("REDIS_URL"),
        port=port,
        sandbox=sandbox,
        sandbox_port=sandbox_port,
    )


def _pass_on(name: str, text: str, module: str, function: str = "run", *, engines: bool) -> None:
    """A command whose arguments its own room reads: `run(arguments)` returns an exit status."""

    @app.command(name, help=text, context_settings=dict(PASS_ON))
    def command(context: typer.Context) -> None:
        def work() -> Any:
            return _room(module, function)(list(context.args))

        if engines:
            _with_engines(work)
        elif status := work():
            raise typer.Exit(int(status))


# name, what it does, the room that does it, whether it needs a database
for _row in (
    ("doctor", "Say what is missing, wrong or colliding.", "app.operations.doctor", True),
    ("accounts", "Provider accounts: add, list.", "app.operations.accounts", True),
    ("connect", "Make the provider's webhook endpoint.", "app.operations.connect", True),
    ("keys", "API keys: create, list, revoke.", "app.operations.keys", True),
    ("customers", "One customer: export, erase.", "app.operations.customers", True),
    ("import", "Sessions of another product; ends of before.", "app.operations.moving_in", True),
    ("rollups", "Sums of the ledgers: rebuild.", "app.operations.rollups", True),
    ("export", "The nightly files of finance.", "app.operations.exporting", True),
    ("reporting", "Logins that read through the views.", "app.operations.reporting", True),
    ("reconcile", "The ledger beside the provider.", "app.operations.comparing", True),
    ("sbom", "What this is made of, as CycloneDX.", "app.operations.sbom", False),
    ("demo", "Five weeks of a small company, on a stepped clock.", "app.demo.run", False),
):
    _pass_on(_row[0], _row[1], _row[2], engines=_row[3])
_pass_on(
    "sandbox", "A Stripe-shaped provider.", "app.providers.sandbox.__main__", "main", engines=False
)
_pass_on("openapi", "Write openapi.yaml.", "app.openapi", "main", engines=False)
_pass_on("translate", "Events as notices.", "app.providers.stripe.translate_cli", engines=False)


@app.command()
def clean() -> None:
    """Delete the engines' data and everything else in the state folder. There is no way back."""
    from app.embedded import clean as forget

    forget(_state_dir())
