"""What the page says of a check of local files."""

from __future__ import annotations

from laion_fmri.explorer.download.verification_section import check_html
from laion_fmri.explorer.runtime.verification_job import CheckSnapshot, CheckState

SILENT = "The access service <https://a.example.org> does not answer."


def test_files_that_could_not_be_checked_are_not_called_good():
    unchecked = {"stimuli/a.h5": SILENT, "stimuli/b.csv": SILENT}
    shown = check_html(CheckSnapshot(CheckState.DONE, n_done=9, n_files=9, unchecked=unchecked))
    assert "2 files could not be checked." in shown
    assert shown.count("&lt;https://a.example.org&gt;") == 1
    assert "all match the bucket" not in shown
    assert "all match the bucket" in check_html(CheckSnapshot(CheckState.DONE, n_done=9, n_files=9))


def test_a_file_that_was_replaced_is_outdated():
    wrong = {"outdated": ["stimuli/a.h5"]}
    shown = check_html(CheckSnapshot(CheckState.DONE, n_done=1, n_files=1, wrong=wrong))
    assert "<b>Outdated</b> (1): a newer file is published" in shown
