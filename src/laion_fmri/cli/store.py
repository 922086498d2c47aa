"""Commands for the local store of betas."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from laion_fmri._errors import InvalidArgumentError
from laion_fmri.layout import AVERAGES, MASK_SOURCES
from laion_fmri.transfer.plan import count_of, format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laion_fmri.store.betas_store import StoreInfo


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``store`` with ``build``, ``list``, ``verify`` and ``drop``."""
    store = commands.add_parser(
        "store", help="fast local copies of betas: build, list, verify, drop"
    )
    actions = store.add_subparsers(metavar="ACTION", required=True)

    build = actions.add_parser(
        "build", help="build a subject's stores: of sessions, or of averages"
    )
    _add_which(build)
    build.add_argument(
        "--force", action="store_true", help="also rebuild stores that are up to date"
    )
    build.add_argument(
        "--averages",
        action="store_true",
        help="build the mean response to each image over all local sessions instead",
    )
    build.add_argument(
        "--jobs", type=int, metavar="N", help="sessions read at the same time (default: 1)"
    )
    build.add_argument("--dry-run", action="store_true", help="only show the size")
    build.add_argument("--quiet", action="store_true", help="no progress bar")
    build.set_defaults(command=_build)

    listed = actions.add_parser("list", help="list stores with their size and state")
    listed.add_argument("--subject", metavar="SUB")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(command=_list)

    verify = actions.add_parser("verify", help="verify checksums")
    verify.add_argument("--subject", metavar="SUB")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.add_argument("--quiet", action="store_true", help="no progress bar")
    verify.set_defaults(command=_verify)

    drop = actions.add_parser(
        "drop", help="remove the stores of a subject (--ses averages: only those of averages)"
    )
    _add_which(drop)
    drop.set_defaults(command=_drop)


def _add_which(action: argparse.ArgumentParser) -> None:
    action.add_argument("--subject", required=True, metavar="SUB")
    action.add_argument("--ses", nargs="+", metavar="SES", help="default: every local session")
    action.add_argument(
        "--mask-source", choices=MASK_SOURCES, help="brain mask (default of build: anatomical)"
    )


def _build(options: argparse.Namespace) -> None:
    from laion_fmri import load_subject
    from laion_fmri.averages import build_averages, estimate_averages_bytes
    from laion_fmri.progress import progress_bar
    from laion_fmri.store.betas_store import build_stores, estimate_store_bytes

    sub = load_subject(options.subject)
    source = options.mask_source or MASK_SOURCES[0]
    sessions = options.ses or sub.get_sessions()
    if options.averages and options.ses:
        raise InvalidArgumentError("Averages are of all local sessions. Leave out --ses.")
    if options.averages:
        what, size = "Averages", estimate_averages_bytes(sub.name, source, sub.data_dir)
    else:
        what = count_of(len(sessions), "store")
        size = sum(estimate_store_bytes(sub.name, s, source, sub.data_dir) for s in sessions)
    print(f"{what} of {sub.name} ({source} mask), {format_bytes(size)} when built.")
    if options.dry_run:
        return
    with progress_bar(total=100, desc=sub.name, unit="%", disable=options.quiet) as bar:

        def advance(fraction: float) -> None:
            bar.update(round(100 * fraction) - bar.n)

        common = source, sub.data_dir, options.force, advance
        if options.averages:
            build_averages(sub.name, *common, options.jobs)
        else:
            build_stores(sub.name, sessions, *common, 1 if options.jobs is None else options.jobs)


def _list(options: argparse.Namespace) -> None:
    from laion_fmri.store.betas_store import list_stores

    _show(list_stores(subject=options.subject), options.json)


def _verify(options: argparse.Namespace) -> int:
    from laion_fmri.progress import progress_bar
    from laion_fmri.store.betas_store import verify_stores

    with progress_bar(unit="%", disable=options.quiet or options.json) as bar:

        def advance(store: StoreInfo, fraction: float) -> None:
            bar.set_description(f"{store.subject} {store.session}", refresh=False)
            bar.total = 100
            bar.n = round(100 * fraction)
            bar.refresh()

        stores = verify_stores(subject=options.subject, progress=advance)
    _show(stores, options.json)
    return 0 if all(store.is_fresh for store in stores) else 1


def _show(stores: Iterable[StoreInfo], as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(s) | {"path": str(s.path)} for s in stores], indent=2))
    else:
        print("\n".join(_lines(stores)) or "There is no store.")


def _drop(options: argparse.Namespace) -> None:
    from laion_fmri.store.betas_store import drop_store

    dropped = [
        store
        for session in options.ses or [None]
        for store in drop_store(options.subject, session, options.mask_source)
    ]
    freed = format_bytes(sum(store.n_bytes for store in dropped))
    print(f"{count_of(len(dropped), 'store')} removed ({freed}).")


def _lines(stores: Iterable[StoreInfo]) -> list[str]:
    return [
        f"{s.subject:<8}{s.session:<10}{s.mask_source:<12}{format_bytes(s.n_bytes):>8}  "
        f"{_rows(s)} x {count_of(s.n_voxels, 'voxel')}  "
        f"{'fresh' if s.is_fresh else s.reason}"
        for s in stores
    ]


def _rows(store: StoreInfo) -> str:
    if store.session == AVERAGES:
        return count_of(store.n_images, "image")
    return count_of(store.n_trials, "trial")
