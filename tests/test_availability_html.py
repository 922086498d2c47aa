from __future__ import annotations

from dataclasses import replace

from laion_fmri.availability import dataset_availability
from laion_fmri.availability_html import dataset_html, rois_html, sessions_html
from laion_fmri.bucket.directory import DirectoryBucket

HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_dataset_names_its_subjects_sessions_rois_and_files(tiny_bucket):
    dataset = dataset_availability(DirectoryBucket(tiny_bucket), None)
    html = dataset_html(dataset)
    names = [subject.name for subject in dataset.subjects]
    names += [roi for category in dataset.categories for roi in dataset.rois(category)]
    names += [*dataset.sessions, *(file.title for file in dataset.stimuli)]
    assert [name for name in names if name not in html] == []
    assert html.count("<style>") == 3 and html.count("<table") >= 3


def test_a_cell_says_what_it_is_of(tiny_bucket):
    dataset = dataset_availability(DirectoryBucket(tiny_bucket), None)
    html = sessions_html(dataset)
    (subject, *_), session = dataset.subjects, dataset.sessions[0]
    said = f"{subject.name}, {session}: {subject.session_availability(session)}"
    assert f'aria-label="{said}"' in html
    columns = len(dataset.sessions) + 1  # with the averages
    assert html.count('role="img"') == len(dataset.subjects) * columns


def test_names_are_text(tiny_bucket):
    dataset = dataset_availability(DirectoryBucket(tiny_bucket), None)
    hostile = replace(dataset.subjects[0], name=HOSTILE)
    html = dataset_html(replace(dataset, subjects=(hostile, *dataset.subjects[1:])))
    assert HOSTILE not in html and "&lt;img" in html
    assert HOSTILE not in rois_html(replace(dataset, subjects=(hostile,)))
