"""Connections to a phase server, and the messages of the protocol."""
