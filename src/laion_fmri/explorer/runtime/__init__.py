"""Background work, caches, assets, and workarounds for Panel."""
