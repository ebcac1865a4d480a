"""`python -m app` and `holdfast` begin here."""

import sys


def main() -> None:
    """Run the command named on the command line.

    `translate` goes straight to its room, so that reading a file costs no more than that. Errors
    that tell the user what to do are shown without a traceback, and end with 2.
    """
    if sys.argv[1:2] == ["translate"]:
        from app.providers.stripe.translate_cli import run as translate

        sys.exit(translate(sys.argv[2:]))
    from app.commands import app
    from app.engines import EngineFailure

    try:
        app()
    except EngineFailure as failure:
        print(f"holdfast: {failure}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
