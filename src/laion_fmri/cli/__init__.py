"""The command line: one-line errors, exit status 0, 1 for a failure, 2 for wrong usage."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from laion_fmri._errors import LaionFmriError, TransferError
from laion_fmri._version import __version__
from laion_fmri.cli import agreement, getting, serving, settings, storing

INTERRUPTED = 130  # as shells say that Ctrl-C ended a command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _one_line_warning
            return options.command(options) or 0
    except LaionFmriError as error:
        if options.debug:
            raise
        if isinstance(error, TransferError) and error.report and getattr(options, "json", False):
            getting.print_json(error.report)
        print(f"laion-fmri: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "laion-fmri: stopped. What was fetched is kept; run it again to go on.", file=sys.stderr
        )
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Every command with its flags."""
    parser = argparse.ArgumentParser(
        prog="laion-fmri", description="Discover, download, load and explore LAION-fMRI."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in (settings, getting, agreement, storing, serving):
        group.add_commands(commands)
    return parser


def _one_line_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"laion-fmri: {message}", file=sys.stderr)
