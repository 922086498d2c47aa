"""Widgets shared by tabs: table, image grid, code block, notice, dialog, missing files."""
