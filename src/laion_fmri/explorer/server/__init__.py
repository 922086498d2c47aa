"""Serving the explorer: addresses, login, headers, health."""
