"""Commands that show the settings, the contents of the bucket and the installation's state."""

from __future__ import annotations

import argparse
import json

_CHANGED = ("bucket", "endpoint_url", "access_url", "store_dir", "splits_url")


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add ``config``, ``info`` and ``doctor``."""
    config = commands.add_parser("config", help="show or change the settings")
    config.add_argument("--data-dir", help="folder of downloaded files (created if needed)")
    config.add_argument("--bucket", help="s3://name or file:///path/to/mirror")
    config.add_argument("--endpoint-url", help="an S3-compatible endpoint")
    config.add_argument("--access-url", help="the access service of the stimulus images")
    config.add_argument("--store-dir", help="folder of the stores of betas")
    config.add_argument("--splits-url", help="the folder of the published train/test splits")
    config.add_argument("--json", action="store_true", help="print JSON")
    config.set_defaults(command=_config)

    info = commands.add_parser("info", help="contents of the bucket, and how much is downloaded")
    info.add_argument("--subject", metavar="SUB", help="trees of one subject")
    info.add_argument("--files", action="store_true", help="list every file, tab-separated")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(command=_info)

    doctor = commands.add_parser("doctor", help="check the installation and the data")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(command=_doctor)


def _config(options: argparse.Namespace) -> None:
    from laion_fmri import config

    if options.data_dir:
        config.dataset_initialize(options.data_dir)
    changes = {name: getattr(options, name) for name in _CHANGED if getattr(options, name)}
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


def _doctor(options: argparse.Namespace) -> int:
    from laion_fmri.doctor import examine

    diagnosis = examine()
    print(json.dumps(diagnosis.as_dict(), indent=2) if options.json else diagnosis)
    return 0 if diagnosis.is_good else 1


def _info(options: argparse.Namespace) -> None:
    from laion_fmri import discovery

    if options.files:
        table = discovery.list_files(options.subject)
        if options.json:
            print(table.to_json(orient="records", indent=2))
        else:
            print(table.to_csv(sep="\t", index=False), end="")
    elif options.json:
        names = [options.subject] if options.subject else discovery.get_subjects()
        print(json.dumps({name: _facts(name) for name in names}, indent=2))
    elif options.subject:
        print(discovery.summarize(options.subject).to_string(index=False))
    else:
        discovery.describe()


def _facts(subject: str) -> dict:
    from laion_fmri import discovery

    return {
        "sessions": discovery.get_sessions(subject),
        "rois": discovery.get_rois(subject),
        "trees": discovery.summarize(subject).to_dict(orient="records"),
    }
