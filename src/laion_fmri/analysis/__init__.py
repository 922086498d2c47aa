"""Analyses of responses: public functions of names and arrays."""
