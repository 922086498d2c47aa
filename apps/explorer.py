"""`panel serve apps/explorer.py`: the explorer on what is configured."""

from laion_fmri.explorer.app import create_app

create_app().servable()
