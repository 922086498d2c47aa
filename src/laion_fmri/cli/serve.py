"""Commands that write the demo dataset, serve the explorer and store its users."""

from __future__ import annotations

import argparse
from pathlib import Path

from laion_fmri._errors import MissingDependencyError

DEFAULT_PORT = 5006


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``demo``, ``explore`` and ``user``."""
    demo = commands.add_parser("demo", help="write a synthetic dataset in the published layout")
    demo.add_argument("dir", type=Path, metavar="DIR")
    demo.add_argument("--profile", choices=("tiny", "demo", "full"), default="demo")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(command=_demo)

    explore = commands.add_parser("explore", help="start the explorer and open it in a browser")
    explore.add_argument(
        "--demo", action="store_true", help="use the demo dataset, which needs no network"
    )
    explore.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for a free port")
    explore.add_argument("--no-browser", action="store_true", help="do not open a browser")
    _add_sharing(explore.add_argument_group("sharing"))
    explore.set_defaults(command=_explore)

    user = commands.add_parser("user", help="add a user of a shared explorer")
    user.add_argument("name", metavar="USER")
    user.add_argument("--file", type=Path, required=True, metavar="FILE", help="the password file")
    user.set_defaults(command=_user)


def _add_sharing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--address", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    group.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="origin in browsers, such as https://example.org; repeatable",
    )
    group.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="users, written by `laion-fmri user`; or the variable LAION_FMRI_USERS",
    )
    group.add_argument(
        "--oauth",
        default="",
        metavar="PROVIDER",
        help="log in with Panel's OAuth; set PANEL_OAUTH_KEY and PANEL_OAUTH_SECRET",
    )
    group.add_argument(
        "--allow-user",
        action="append",
        default=[],
        metavar="USER",
        help="user that may log in by OAuth; repeatable",
    )
    group.add_argument(
        "--owner",
        default="",
        metavar="USER",
        help="user that may download, delete and change settings",
    )
    group.add_argument(
        "--prefix", default="", help="path of the page behind a proxy, such as /explorer"
    )
    group.add_argument(
        "--share-images",
        action="store_true",
        help="show the images; states that the data use agreement covers all users",
    )
    group.add_argument(
        "--insecure", action="store_true", help="share without a login; pages say so"
    )


def _demo(options: argparse.Namespace) -> None:
    from laion_fmri.demo import write_demo
    from laion_fmri.progress import progress_bar

    with progress_bar(total=100, unit="%", bar_format="{l_bar}{bar}| {desc}") as bar:

        def progress(fraction: float, what: str) -> None:
            bar.set_description_str(what)
            bar.update(round(100 * fraction) - bar.n)

        write_demo(options.dir, profile=options.profile, seed=options.seed, progress=progress)
    print(f"The {options.profile} dataset is in {options.dir.absolute()}. To use it:")
    print(f"  laion-fmri config --bucket {options.dir.absolute().as_uri()}")


def _explore(options: argparse.Namespace) -> None:
    try:
        from laion_fmri.explorer.server.options import ServingOptions
        from laion_fmri.explorer.server.serve import explore
    except ImportError as error:
        raise MissingDependencyError(
            f"The explorer needs the package {error.name}. Install the extra: "
            'pip install "laion-fmri-explorer[explorer]".'
        ) from error
    explore(
        demo=options.demo,
        open_browser=not options.no_browser,
        options=ServingOptions(
            address=options.address,
            port=options.port,
            origins=tuple(options.allow_origin),
            password_file=options.password_file,
            oauth=options.oauth,
            users=tuple(options.allow_user),
            owner=options.owner,
            is_insecure=options.insecure,
            shares_images=options.share_images,
            prefix=options.prefix.rstrip("/"),
        ),
    )


def _user(options: argparse.Namespace) -> None:
    from laion_fmri.explorer.server.accounts import add_user, ask_for_password

    add_user(options.file, options.name, ask_for_password(options.name))
    print(f"{options.name} can log in. Only you can read {options.file}.")
