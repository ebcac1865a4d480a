"""Stripe: webhooks of every API version in, calls of one pinned version out."""
