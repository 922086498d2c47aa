"""The Download tab: choose files, see their size, download them."""
