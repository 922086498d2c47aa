"""Commands for the local store of betas."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from laion_fmri.layout import MASK_SOURCES
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

    build = actions.add_parser("build", help="build the stores of a subject's sessions")
    _add_which(build)
    build.add_argument(
        "--force", action="store_true", help="also rebuild stores that are up to date"
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

    drop = actions.add_parser("drop", help="remove the stores of a subject")
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
    from laion_fmri.progress import progress_bar
    from laion_fmri.store.betas_store import build_store, estimate_store_bytes

    sub = load_subject(options.subject)
    source = options.mask_source or MASK_SOURCES[0]
    sessions = options.ses or sub.get_sessions()
    sizes = {s: estimate_store_bytes(sub.name, s, source, sub.data_dir) for s in sessions}
    print(
        f"{count_of(len(sizes), 'store')} of {sub.name} ({source} mask), "
        f"{format_bytes(sum(sizes.values()))} when built."
    )
    if options.dry_run:
        return
    for session in sessions:
        with progress_bar(total=100, desc=session, unit="%", disable=options.quiet) as bar:

            def advance(fraction: float, bar=bar) -> None:
                bar.update(round(100 * fraction) - bar.n)

            build_store(sub.name, session, source, sub.data_dir, options.force, advance)


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
        f"{count_of(s.n_trials, 'trial')} x {count_of(s.n_voxels, 'voxel')}  "
        f"{'fresh' if s.is_fresh else s.reason}"
        for s in stores
    ]
