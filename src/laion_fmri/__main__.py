"""Run the command ``laion-fmri`` as ``python -m laion_fmri``."""

import sys

from laion_fmri.cli import main

if __name__ == "__main__":
    sys.exit(main())
