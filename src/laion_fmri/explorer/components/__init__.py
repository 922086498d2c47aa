"""Reusable views: each shows one thing and knows nothing of tabs."""
