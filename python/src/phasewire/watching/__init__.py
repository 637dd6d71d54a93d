"""Monitors of running simulations: links, events and series."""
