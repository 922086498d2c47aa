"""Transfers: a plan of files to fetch, and the engine that fetches them."""
