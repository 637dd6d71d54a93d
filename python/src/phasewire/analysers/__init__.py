"""Analysers: the core in this process, or a server."""
