"""Commands of the local store of betas."""

from __future__ import annotations

import argparse


def add_commands(commands: argparse._SubParsersAction) -> None:
    """``store`` with ``build``, ``list`` and ``drop``."""
