"""All the nouns: importing this registers them."""

from __future__ import annotations

from laion_fmri.demo import nouns_alive, nouns_made
from laion_fmri.demo.shapes import NOUNS, PLAIN_SHAPES

__all__ = ["EVERYDAY_NOUNS", "NOUNS", "nouns_alive", "nouns_made"]

EVERYDAY_NOUNS = tuple(sorted(set(NOUNS) - set(PLAIN_SHAPES)))
