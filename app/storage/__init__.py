"""PostgreSQL: tables, the store with the only commit, the intake writer, and the twin."""
