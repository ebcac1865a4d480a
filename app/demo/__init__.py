"""Five weeks of a small company, played against the sandbox on a stepped clock."""
