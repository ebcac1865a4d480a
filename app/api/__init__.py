"""The HTTP API: parse, ask one service, shape the answer."""
