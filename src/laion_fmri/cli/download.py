"""Commands that download files and verify them."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laion_fmri import layout
from laion_fmri._errors import InvalidArgumentError
from laion_fmri.selection import FILTERS

if TYPE_CHECKING:
    from laion_fmri.bucket import Bucket
    from laion_fmri.config import Settings
    from laion_fmri.transfer.plan import TransferPlan

_RAW_FILTERS = ("ses", "task", "run", "echo", "part", "suffix", "extension")
_HELP = {
    "ses": "sessions; averages for the maps over sessions",
    "desc": "such as SingletrialBetas; its first letters are enough",
    "extension": "such as nii.gz",
}
_TREES = ("stimuli", "embeddings", "freesurfer", "anatomical", "localizers", "raw")


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``download``, the other downloads, and ``verify``."""
    download = commands.add_parser("download", help="download files of subjects")
    _add_subject(download)
    _add_filters(download, FILTERS)
    for tree in _TREES:
        download.add_argument(f"--include-{tree}", action="store_true")
    _add_transfer_flags(download)
    download.set_defaults(command=_download)

    raw = commands.add_parser("download-raw", help="download raw BIDS data of subjects")
    _add_subject(raw)
    _add_filters(raw, _RAW_FILTERS)
    _add_transfer_flags(raw)
    raw.set_defaults(command=_download_raw)

    files = commands.add_parser("download-files", help="download single files by key")
    files.add_argument("keys", nargs="*", metavar="KEY", help="as `laion-fmri info --files` lists")
    files.add_argument(
        "--keys-from", metavar="FILE", help="file with one key per line; - is standard input"
    )
    _add_transfer_flags(files)
    files.set_defaults(command=_download_files)

    stimuli = commands.add_parser(
        "download-stimuli", help="download the images, which need a data use agreement"
    )
    _add_transfer_flags(stimuli, licensed=False)
    stimuli.set_defaults(command=_download_stimuli)

    embeddings = commands.add_parser(
        "download-embeddings", help="download embeddings of the images"
    )
    models = f"all, or of {', '.join(layout.EMBEDDING_MODELS)}"
    embeddings.add_argument("--model", nargs="+", metavar="MODEL", help=models)
    _add_transfer_flags(embeddings)
    embeddings.set_defaults(command=_download_embeddings)

    for name, what, keys in (
        ("segmentations", "object masks", (layout.SEGMENTATIONS, layout.SEGMENTATIONS_METADATA)),
        ("captions", "captions", (layout.CAPTIONS,)),
    ):
        command = commands.add_parser(f"download-{name}", help=f"download {what} of the images")
        _add_transfer_flags(command)
        command.set_defaults(command=_download_named, keys=keys)

    splits = commands.add_parser("download-splits", help="download the published train/test splits")
    splits.add_argument("--pool", nargs="+", metavar="POOL", help="only of these pools")
    splits.add_argument(
        "--from",
        dest="from_dir",
        type=Path,
        metavar="DIR",
        help="copy and verify them from a folder with POOL/NAME.json",
    )
    splits.add_argument(
        "--edition", choices=("v1", "v2"), help="v2 has files that were published later"
    )
    splits.add_argument("--dry-run", action="store_true", help="only show what would be downloaded")
    splits.add_argument("--quiet", action="store_true", help="no progress bar")
    splits.add_argument("--json", action="store_true", help="print JSON")
    splits.set_defaults(command=_download_splits)

    verify = commands.add_parser("verify", help="compare local files with the bucket")
    verify.add_argument("--subject", nargs="+", metavar="SUB", help="only of these subjects")
    verify.add_argument("--repair", action="store_true", help="download wrong files again")
    verify.add_argument("--n-jobs", type=int, default=1, help=_N_JOBS)
    verify.add_argument("--quiet", action="store_true", help="no progress bar")
    verify.add_argument("--json", action="store_true", help="print JSON")
    verify.set_defaults(command=_verify)


def print_json(result: Any) -> None:
    """Print a plan or a report as JSON."""
    print(json.dumps(result.as_dict(), indent=2))


_N_JOBS = "parallel downloads, each with up to eight connections"


def _add_subject(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--subject", nargs="+", required=True, metavar="SUB", help="sub-03, 03, or all"
    )


def _add_filters(command: argparse.ArgumentParser, filters: tuple[str, ...]) -> None:
    for entity in filters:
        command.add_argument(f"--{entity}", nargs="+", metavar="VALUE", help=_HELP.get(entity))


def _add_transfer_flags(command: argparse.ArgumentParser, licensed: bool = True) -> None:
    command.add_argument("--n-jobs", type=int, default=1, help=_N_JOBS)
    command.add_argument(
        "--dry-run", action="store_true", help="only show what would be downloaded"
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--json", action="store_true", help="print JSON")
    if licensed:
        command.add_argument(
            "--accept-license", action="store_true", help="accept CC0 1.0, once per data directory"
        )


def _subject(options: argparse.Namespace) -> str | list[str]:
    return options.subject[0] if options.subject == ["all"] else options.subject


def _print(result: Any, options: argparse.Namespace) -> None:
    if options.json:
        print_json(result)
    else:
        print(result)


def _run(plan: TransferPlan, options: argparse.Namespace) -> None:
    """Download the files of a plan and report, or only print the plan."""
    from laion_fmri.download import fetch

    if not options.dry_run:
        how = (options.n_jobs, not options.quiet, options.accept_license)
        _print(fetch(plan, *how), options)
    else:
        _print(plan, options)


def _settings_and_bucket() -> tuple[Settings, Bucket]:
    from laion_fmri.bucket import open_bucket
    from laion_fmri.config import load_settings

    settings = load_settings()
    return settings, open_bucket(settings)


def _download(options: argparse.Namespace) -> None:
    from laion_fmri.download import fetch_with_stimuli, plan_download

    settings, bucket = _settings_and_bucket()
    trees = {f"include_{tree}": getattr(options, f"include_{tree}") for tree in _TREES}
    filters = {entity: getattr(options, entity) for entity in FILTERS}
    with_stimuli = trees.pop("include_stimuli") and not options.dry_run
    plan = plan_download(
        _subject(options),
        settings=settings,
        bucket=bucket,
        include_stimuli=options.include_stimuli and options.dry_run,
        **trees,
        **filters,
    )
    if with_stimuli:
        how = (options.n_jobs, not options.quiet, options.accept_license)
        _print(fetch_with_stimuli(plan, settings, bucket, *how), options)
    else:
        _run(plan, options)


def _download_raw(options: argparse.Namespace) -> None:
    from laion_fmri.download import plan_raw

    settings, bucket = _settings_and_bucket()
    filters = {entity: getattr(options, entity) for entity in _RAW_FILTERS}
    plan = plan_raw(_subject(options), settings=settings, bucket=bucket, **filters)
    _run(plan, options)


def _download_files(options: argparse.Namespace) -> None:
    from laion_fmri.download import plan_files

    keys = list(options.keys)
    if options.keys_from:
        keys += _lines(options.keys_from)
    _run(plan_files(keys, *_settings_and_bucket()), options)


def _lines(name: str) -> list[str]:
    try:
        if name == "-":
            text = sys.stdin.read() if sys.stdin is not None else ""
        else:
            text = _decoded(Path(name).read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{name} cannot be read ({error}).") from error
    return [line.strip() for line in text.lstrip("\ufeff").splitlines() if line.strip()]


def _decoded(content: bytes) -> str:
    """Decode UTF-8, or the UTF-16 of a file that PowerShell writes."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _download_stimuli(options: argparse.Namespace) -> None:
    from laion_fmri.download import fetch_stimuli, plan_stimuli

    plan = plan_stimuli(*_settings_and_bucket())
    if not options.dry_run:
        _print(fetch_stimuli(plan, options.n_jobs, not options.quiet), options)
    else:
        _print(plan, options)


def _download_embeddings(options: argparse.Namespace) -> None:
    from laion_fmri.download import plan_embeddings

    _run(plan_embeddings(options.model, *_settings_and_bucket()), options)


def _download_named(options: argparse.Namespace) -> None:
    from laion_fmri.download import plan_named

    _run(plan_named(options.keys, *_settings_and_bucket()), options)


def _download_splits(options: argparse.Namespace) -> None:
    from laion_fmri.splits import copy_splits, download_splits

    if options.from_dir is not None:
        _print(copy_splits(options.from_dir, edition=options.edition), options)
        return
    options_of_all = {"dry_run": options.dry_run, "progress": not options.quiet}
    _print(download_splits(options.pool, edition=options.edition, **options_of_all), options)


def _verify(options: argparse.Namespace) -> int:
    from laion_fmri.verification import verify

    report = verify(
        options.subject,
        repair=options.repair,
        n_jobs=options.n_jobs,
        progress=not options.quiet,
    )
    _print(report, options)
    if options.repair and not report.is_good and not options.json:
        print(f"{len(report.repair_plan.files)} files were repaired.")
    return 0 if report.is_complete and (report.is_good or options.repair) else 1
