"""Run the sandbox: `python -m app.providers.sandbox --port 0 --mode stepped`."""

import argparse
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from app.providers.sandbox.house import from_iso
from app.providers.sandbox.server import DEFAULT_START, create_sandbox

HOST = "127.0.0.1"
# Longer than callers keep an idle connection: one that we close as they write is a lost answer.
KEEP_ALIVE_S = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped. Listens on this machine only."""
    wishes = _parser().parse_args(arguments)
    listener = _listener(wishes)
    port = listener.getsockname()[1]
    base_url = wishes.public_url or f"http://{HOST}:{port}"
    app = create_sandbox(
        seed=wishes.seed,
        start=from_iso(wishes.start) if wishes.start else DEFAULT_START,
        path=wishes.state,
        mode=wishes.mode,
        clock=lambda: int(time.time()),
        base_url=base_url,
    )
    if wishes.port_file:
        _write(wishes.port_file, str(port))
    print(f"Sandbox at {base_url}", flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listener(wishes: argparse.Namespace) -> socket.socket:
    if wishes.fd is not None:
        return socket.socket(fileno=wishes.fd)
    return socket.create_server((HOST, wishes.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fd", type=int, help="an inherited socket, instead of a port")
    parser.add_argument("--port-file", type=Path, help="where the port is written")
    parser.add_argument("--state", type=Path, help="file that keeps everything; else memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=("stepped", "running"), default="running")
    parser.add_argument("--start", help="ISO 8601 instant at which a stepped world begins")
    parser.add_argument("--public-url", help="where the hosted pages are reached")
    return parser


def _write(path: Path, text: str) -> None:
    """Write and rename, so that a reader never sees half of it."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(text)
    aside.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
