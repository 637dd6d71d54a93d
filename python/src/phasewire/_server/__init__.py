"""Talking to a phase server."""
