"""The invariants as questions to PostgreSQL."""
