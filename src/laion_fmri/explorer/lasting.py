"""What lasts is left out of what the garbage collector looks through."""

from __future__ import annotations

import gc


def set_lasting_aside() -> None:
    """Tell the collector that what is alive now will stay: modules, tables, indexes.

    It looks through everything from time to time, and again after every page that was left;
    with millions of objects that lasts each time half a second, in which no page is answered.
    What was set aside before and is garbage by now is freed first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
