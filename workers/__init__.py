"""The worker: listens, claims, hands to arq, calls one service at a time. Only here is arq."""
