"""Commands that write the demo dataset and serve the explorer."""

from __future__ import annotations

import argparse
from pathlib import Path

from laion_fmri._errors import MissingDependencyError

DEFAULT_PORT = 5006


def add_commands(commands: argparse._SubParsersAction) -> None:
    """``demo`` and ``explore``."""
    demo = commands.add_parser("demo", help="write a synthetic dataset in the published layout")
    demo.add_argument("dir", type=Path, metavar="DIR")
    demo.add_argument("--profile", choices=("tiny", "demo", "full"), default="demo")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(command=_demo)

    explore = commands.add_parser("explore", help="serve the explorer and open it")
    explore.add_argument(
        "--demo", action="store_true", help="on the demo dataset, which needs no network"
    )
    explore.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    explore.add_argument("--no-browser", action="store_true", help="do not open a browser")
    explore.set_defaults(command=_explore)


def _demo(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from laion_fmri.demo import write_demo

    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {desc}") as bar:

        def progress(fraction: float, what: str) -> None:
            bar.set_description_str(what)
            bar.update(round(100 * fraction) - bar.n)

        write_demo(options.dir, profile=options.profile, seed=options.seed, progress=progress)
    print(f"The {options.profile} dataset is in {options.dir.absolute()}. To work with it:")
    print(f"  laion-fmri config --bucket {options.dir.absolute().as_uri()}")


def _explore(options: argparse.Namespace) -> None:
    try:
        from laion_fmri.explorer.server import explore
    except ImportError as error:
        raise MissingDependencyError(
            f"The explorer needs the package {error.name}. Install the extra: "
            'pip install "laion-fmri-explorer[explorer]".'
        ) from error
    explore(demo=options.demo, port=options.port, open_browser=not options.no_browser)
