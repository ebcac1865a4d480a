"""Use cases: one function each, one transaction each, the network outside it."""
