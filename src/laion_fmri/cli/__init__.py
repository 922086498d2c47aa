"""The command line: one-line errors; exit status 0, 1 for a failure, 2 for wrong usage."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

from laion_fmri._errors import LaionFmriError, TransferError
from laion_fmri._version import __version__
from laion_fmri.cli import access, console, download, features, serve, settings, store

INTERRUPTED = 130  # exit status after Ctrl-C


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    console.prepare()
    status = 0
    try:
        try:
            status = _run(argv)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if isinstance(error, LaionFmriError) or error.filename is not None:
            raise
        console.give_up(sys.stdout)
        if not console.is_closed(error):
            console.say(f"laion-fmri: the output cannot be written ({error.strerror or error}).")
            status = 1
    finally:
        console.give_up_lost_messages()
    return status


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _one_line_warning
            return options.command(options) or 0
    except LaionFmriError as error:
        if options.debug:
            raise
        console.say(f"laion-fmri: {error}")
        if isinstance(error, TransferError) and error.report and getattr(options, "json", False):
            with suppress(BrokenPipeError):  # keep the exit status of failed files
                download.print_json(error.report)
        return 1
    except OSError as error:
        if options.debug or error.filename is None:
            raise
        console.say(f"laion-fmri: {error.filename} cannot be used ({error.strerror or error}).")
        return 1
    except KeyboardInterrupt:
        console.say("laion-fmri: stopped. Downloaded files stay; run it again to continue.")
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="laion-fmri", description="Discover, download, load and explore LAION-fMRI."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")
    for group in (settings, download, access, store, features, serve):
        group.add_commands(commands)
    return parser


def _one_line_warning(message, category, filename, lineno, file=None, line=None) -> None:
    console.say(f"laion-fmri: {message}")
