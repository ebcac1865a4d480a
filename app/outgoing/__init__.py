"""Requests to addresses that merchants name: never to anything inside, never twice, never long."""
