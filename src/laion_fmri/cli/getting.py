"""Commands that fetch files, and check them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError, LicenseNotAcceptedError
from laion_fmri.selection import FILTERS

_RAW_FILTERS = ("ses", "task", "run", "echo", "part", "suffix", "extension")
_HELP = {
    "ses": "sessions, and averages for the maps over sessions",
    "desc": "such as SingletrialBetas, or its beginning",
    "extension": "such as nii.gz",
}
_STIMULUS_COMMANDS = (
    ("download-embeddings", "fetch embeddings of the images", "download_embeddings"),
    ("download-segmentations", "fetch object masks of the images", "download_segmentations"),
    ("download-captions", "fetch captions of the images", "download_captions"),
)


def add_commands(commands: argparse._SubParsersAction) -> None:
    """``download``, its sisters, and ``verify``."""
    download = commands.add_parser("download", help="fetch subjects' files from the bucket")
    _add_subject(download)
    _add_filters(download, FILTERS)
    for tree in ("stimuli", "freesurfer", "anatomical", "raw"):
        download.add_argument(f"--include-{tree}", action="store_true")
    _add_transfer_flags(download)
    download.set_defaults(command=_download)

    raw = commands.add_parser("download-raw", help="fetch subjects' raw BIDS data")
    _add_subject(raw)
    _add_filters(raw, _RAW_FILTERS)
    _add_transfer_flags(raw)
    raw.set_defaults(command=_download_raw)

    files = commands.add_parser("download-files", help="fetch single files by their keys")
    files.add_argument("keys", nargs="*", metavar="KEY", help="as `laion-fmri info --files` lists")
    files.add_argument("--keys-from", metavar="FILE", help="one key a line; - reads standard input")
    _add_transfer_flags(files)
    files.set_defaults(command=_download_files)

    stimuli = commands.add_parser(
        "download-stimuli", help="fetch the images, which are under a data use agreement"
    )
    _add_transfer_flags(stimuli, licensed=False)
    stimuli.set_defaults(command=_download_stimuli)

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

    splits = commands.add_parser("download-splits", help="fetch the published train/test splits")
    splits.add_argument("--pool", nargs="+", metavar="POOL", help="only of these pools")
    splits.add_argument(
        "--from",
        dest="from_dir",
        type=Path,
        metavar="DIR",
        help="copy them from a folder that has them (POOL/NAME.json), each verified",
    )
    splits.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    splits.add_argument("--quiet", action="store_true", help="no progress bar")
    splits.add_argument("--json", action="store_true", help="print JSON")
    splits.set_defaults(command=_download_splits)

    verify = commands.add_parser("verify", help="compare what is local with the bucket")
    verify.add_argument("--subject", nargs="+", metavar="SUB", help="only of these subjects")
    verify.add_argument("--repair", action="store_true", help="fetch what is not right again")
    verify.add_argument("--n-jobs", type=int, default=1, help=_N_JOBS)
    verify.add_argument("--quiet", action="store_true", help="no progress bar")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(command=_verify)


def print_json(result: Any) -> None:
    """A plan or a report, for programs."""
    print(json.dumps(result.as_dict(), indent=2))


_N_JOBS = "each stands for up to eight connections"


def _add_subject(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--subject", nargs="+", required=True, metavar="SUB", help="sub-03, 03, or all"
    )


def _add_filters(command: argparse.ArgumentParser, filters: tuple[str, ...]) -> None:
    for entity in filters:
        command.add_argument(f"--{entity}", nargs="+", metavar="VALUE", help=_HELP.get(entity))


def _add_transfer_flags(command: argparse.ArgumentParser, licensed: bool = True) -> None:
    command.add_argument("--n-jobs", type=int, default=1, help=_N_JOBS)
    command.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--json", action="store_true", help="print JSON")
    if licensed:
        command.add_argument(
            "--accept-license", action="store_true", help="accept CC0 1.0, once per data directory"
        )


def _transfer_options(options: argparse.Namespace) -> dict[str, Any]:
    given = {"n_jobs": options.n_jobs, "dry_run": options.dry_run, "progress": not options.quiet}
    if hasattr(options, "accept_license"):
        given["accept_license"] = _license_accepted(options)
    return given


def _license_accepted(options: argparse.Namespace) -> bool:
    """Whether the licence is accepted; asked for where somebody can answer."""
    from laion_fmri import access

    if options.accept_license:
        return True
    if options.dry_run or access.is_license_accepted() or not sys.stdin.isatty():
        return False
    print(access.LICENSE_TEXT)
    if input(f"Accept {access.LICENSE} for this data directory? [y/N] ").strip().lower() in (
        "y",
        "yes",
    ):
        return True
    raise LicenseNotAcceptedError("The licence was not accepted; nothing was fetched.")


def _subject(options: argparse.Namespace) -> str | list[str]:
    return options.subject[0] if options.subject == ["all"] else options.subject


def _tell(result: Any, options: argparse.Namespace) -> None:
    if options.json:
        print_json(result)
    else:
        print(result)


def _download(options: argparse.Namespace) -> None:
    from laion_fmri.download import download

    result = download(
        _subject(options),
        **{entity: getattr(options, entity) for entity in FILTERS},
        include_stimuli=options.include_stimuli,
        include_freesurfer=options.include_freesurfer,
        include_anatomical=options.include_anatomical,
        include_raw=options.include_raw,
        **_transfer_options(options),
    )
    _tell(result, options)


def _download_raw(options: argparse.Namespace) -> None:
    from laion_fmri.download import download_raw

    filters = {entity: getattr(options, entity) for entity in _RAW_FILTERS}
    _tell(download_raw(_subject(options), **filters, **_transfer_options(options)), options)


def _download_files(options: argparse.Namespace) -> None:
    from laion_fmri.download import download_files

    keys = list(options.keys)
    if options.keys_from:
        keys += _lines(options.keys_from)
    _tell(download_files(keys, **_transfer_options(options)), options)


def _lines(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{name} cannot be read ({error}).") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _download_stimuli(options: argparse.Namespace) -> None:
    from laion_fmri.download import download_stimuli

    _tell(download_stimuli(**_transfer_options(options)), options)


def _download_stimulus_files(options: argparse.Namespace) -> None:
    from laion_fmri import download

    arguments = _transfer_options(options)
    if getattr(options, "model", None):
        arguments["models"] = options.model
    _tell(getattr(download, options.verb)(**arguments), options)


def _download_splits(options: argparse.Namespace) -> None:
    from laion_fmri.splits import copy_splits, download_splits

    if options.from_dir is None:
        options_of_all = {"dry_run": options.dry_run, "progress": not options.quiet}
        _tell(download_splits(options.pool, **options_of_all), options)
        return
    done = copy_splits(options.from_dir)
    print(
        f"{len(done.copied)} copied, {len(done.already_here)} already here, "
        f"{len(done.missing)} not in {options.from_dir}"
    )


def _verify(options: argparse.Namespace) -> int:
    from laion_fmri.verification import verify

    report = verify(
        options.subject,
        repair=options.repair,
        n_jobs=options.n_jobs,
        progress=not options.quiet,
    )
    _tell(report, options)
    if options.repair and not report.is_good and not options.json:
        print(f"Repaired: {len(report.repair_plan.files)} files.")
    return 0 if report.is_good or options.repair else 1
