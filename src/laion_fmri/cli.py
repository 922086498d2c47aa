"""The command line: one-line errors, exit status 0, 1 for a failure, 2 for wrong usage."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from laion_fmri import layout
from laion_fmri._errors import LaionFmriError, MissingDependencyError
from laion_fmri._version import __version__
from laion_fmri.selection import FILTERS

DEFAULT_PORT = 5006


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        return options.command(options) or 0
    except LaionFmriError as error:
        if options.debug:
            raise
        print(f"laion-fmri: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "laion-fmri: stopped. What was fetched is kept; run it again to go on.", file=sys.stderr
        )
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Every command with its flags."""
    parser = argparse.ArgumentParser(
        prog="laion-fmri", description="Discover, download, load and explore LAION-fMRI."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    config = commands.add_parser("config", help="show or change the settings")
    config.add_argument("--data-dir", help="where files are kept (made if need be)")
    config.add_argument("--bucket", help="s3://name or file:///path/of/a/mirror")
    config.add_argument("--endpoint-url", help="an S3-compatible endpoint")
    config.add_argument("--json", action="store_true", help="print JSON")
    config.set_defaults(command=_config)

    info = commands.add_parser("info", help="what the bucket holds")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(command=_info)

    _add_download(commands)
    for name, help_text, verb in _STIMULUS_COMMANDS:
        command = commands.add_parser(name, help=help_text)
        if name == "download-embeddings":
            command.add_argument(
                "--model",
                nargs="+",
                metavar="MODEL",
                help=f"of {', '.join(layout.EMBEDDING_MODELS)}",
            )
        _add_transfer_flags(command)
        command.set_defaults(command=_download_stimulus_files, verb=verb)

    splits = commands.add_parser("download-splits", help="take published train/test splits")
    splits.add_argument(
        "--from",
        dest="from_dir",
        type=Path,
        metavar="DIR",
        required=True,
        help="a folder with the published files (POOL/NAME.json), each verified",
    )
    splits.set_defaults(command=_download_splits)

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
    return parser


def _add_download(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("download", help="fetch subjects' files from the bucket")
    command.add_argument(
        "--subject", nargs="+", required=True, metavar="SUB", help="sub-03, 03, or all"
    )
    for entity in FILTERS:
        help_text = "sessions, and averages for maps over sessions" if entity == "ses" else None
        command.add_argument(f"--{entity}", nargs="+", metavar="VALUE", help=help_text)
    for tree in ("stimuli", "freesurfer", "anatomical", "raw"):
        command.add_argument(f"--include-{tree}", action="store_true")
    command.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    command.add_argument("--json", action="store_true", help="print the plan as JSON (--dry-run)")
    _add_transfer_flags(command)
    command.set_defaults(command=_download)


def _add_transfer_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--n-jobs", type=int, default=1, help="files fetched at the same time")
    command.add_argument("--accept-license", action="store_true", help="accept CC0 1.0, once")


_STIMULUS_COMMANDS = (
    ("download-stimuli", "fetch the images from a bucket that serves them", "download_stimuli"),
    ("download-embeddings", "fetch embeddings of the images", "download_embeddings"),
    ("download-segmentations", "fetch object masks of the images", "download_segmentations"),
    ("download-captions", "fetch captions of the images", "download_captions"),
)


def _config(options: argparse.Namespace) -> None:
    from laion_fmri import config

    if options.data_dir:
        config.dataset_initialize(options.data_dir)
    changes = {k: getattr(options, k) for k in ("bucket", "endpoint_url") if getattr(options, k)}
    if changes:
        config.write_config(**changes)
    settings = config.load_settings()
    values = {name: getattr(settings, name) for name in settings.sources}
    if options.json:
        print(json.dumps({k: None if v is None else str(v) for k, v in values.items()}, indent=2))
        return
    for name, source in settings.sources.items():
        shown = values[name] if values[name] is not None else "not set"
        print(f"{name:<13} {shown}  ({source})")


def _info(options: argparse.Namespace) -> None:
    from laion_fmri import discovery

    if not options.json:
        discovery.describe()
        return
    subjects = {
        name: {"sessions": discovery.get_sessions(name), "rois": discovery.get_rois(name)}
        for name in discovery.get_subjects()
    }
    print(json.dumps(subjects, indent=2))


def _download(options: argparse.Namespace) -> None:
    from laion_fmri.download import download
    from laion_fmri.transfer.plan import TransferPlan

    subject = options.subject[0] if options.subject == ["all"] else options.subject
    result = download(
        subject,
        **{entity: getattr(options, entity) for entity in FILTERS},
        include_stimuli=options.include_stimuli,
        include_freesurfer=options.include_freesurfer,
        include_anatomical=options.include_anatomical,
        include_raw=options.include_raw,
        n_jobs=options.n_jobs,
        dry_run=options.dry_run,
        accept_license=options.accept_license,
    )
    if isinstance(result, TransferPlan) and options.json:
        rows = [{"key": f.key, "size": f.size, "status": str(f.status)} for f in result.files]
        print(json.dumps(rows, indent=2))
    else:
        print(result)


def _download_stimulus_files(options: argparse.Namespace) -> None:
    from laion_fmri import download

    arguments = {"n_jobs": options.n_jobs, "accept_license": options.accept_license}
    if getattr(options, "model", None):
        arguments["models"] = options.model
    print(getattr(download, options.verb)(**arguments))


def _download_splits(options: argparse.Namespace) -> None:
    from laion_fmri.splits import copy_splits

    done = copy_splits(options.from_dir)
    print(
        f"{len(done.copied)} copied, {len(done.already_here)} already here, "
        f"{len(done.missing)} not in {options.from_dir}"
    )


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
