"""The examples in the documentation of responses."""

from __future__ import annotations

import doctest

import pytest

import laion_fmri.group
import laion_fmri.responses
import laion_fmri.subject.responses
from laion_fmri import load_subject, load_subjects, trials


@pytest.mark.parametrize(
    "module", [laion_fmri.responses, laion_fmri.subject.responses, trials], ids=lambda m: m.__name__
)
def test_the_examples_of_a_subject_run(module, tiny_home):
    sub = load_subject("sub-01", tiny_home.data_dir)
    result = doctest.testmod(module, extraglobs={"sub": sub})
    assert result.attempted and not result.failed


def test_the_example_of_a_group_runs(tiny_home, monkeypatch):
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(tiny_home.data_dir))
    finder = doctest.DocTestFinder()
    (example,) = finder.find(
        laion_fmri.group.Group.get_responses, globs={"load_subjects": load_subjects}
    )
    runner = doctest.DocTestRunner()
    runner.run(example)
    assert runner.summarize(verbose=False).failed == 0 < len(example.examples)
