from __future__ import annotations

import doctest
import shutil

import pytest

from laion_fmri import availability, file_preview, file_table, layout
from laion_fmri.availability import (
    Availability,
    DatasetAvailability,
    Share,
    dataset_availability,
    local_availability,
)
from laion_fmri.bucket.directory import DirectoryBucket
from laion_fmri.config import write_config
from laion_fmri.subject import load_subject
from laion_fmri.transfer.plan import make_plan


def copy(bucket: DirectoryBucket, data_dir, wanted) -> None:
    for file in make_plan([o for o in bucket.objects() if wanted(o.key)], data_dir, bucket).files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bucket.root / file.key, file.path)


@pytest.fixture(scope="module")
def bucket(tiny_bucket):
    return DirectoryBucket(tiny_bucket)


def entry(catalog: DatasetAvailability, name: str):
    return next(e for e in catalog.subjects if e.name == name)


def stimulus(catalog: DatasetAvailability, key: str):
    return next(e for e in catalog.stimuli if e.key == key)


def test_without_a_data_directory_everything_is_listed_and_nothing_is_here(bucket):
    catalog = dataset_availability(bucket, None)
    assert [e.name for e in catalog.subjects] == [f"sub-0{n}" for n in (1, 3, 5, 6, 7)]
    assert {e.total.bytes_downloaded for e in catalog.subjects} == {0}
    assert {e.availability for e in catalog.stimuli} == {Availability.NOT_DOWNLOADED}
    subject = entry(catalog, "sub-01")
    assert list(subject.sessions) == ["ses-01", "ses-02"]
    assert subject.session_availability("ses-01") is Availability.NOT_DOWNLOADED
    assert subject.session_availability("averages") is Availability.NOT_DOWNLOADED


def test_held_out_sessions_are_told_apart_and_not_counted(bucket):
    catalog = dataset_availability(bucket, None)
    subject = entry(catalog, "sub-01")
    assert subject.held_out == ("ses-31", "ses-32", "ses-33", "ses-34")
    assert subject.session_availability("ses-31") is Availability.HELD_OUT
    assert not set(subject.held_out) & set(subject.sessions)
    assert catalog.sessions[-1] == "ses-34"
    tree = f"{layout.BETAS_TREE}/sub-01/"
    served = [o for o in bucket.objects(tree) if not layout.is_held_out(o.key)]
    others = [t for t in layout.DERIVATIVE_TREES if t != layout.BETAS_TREE]
    served += [o for t in others for o in bucket.objects(f"{t}/sub-01/")]
    assert subject.total.n_bytes == sum(o.size for o in served)


def test_what_is_here_is_seen(bucket, tmp_path):
    copy(bucket, tmp_path, lambda k: "/sub-01/ses-01/" in k and layout.BETAS_TREE in k)
    copy(
        bucket,
        tmp_path,
        lambda k: k.endswith("sub-01_ses-02_task-images_desc-SingletrialBetas_trials.tsv"),
    )
    copy(bucket, tmp_path, lambda k: "rois/sub-01/face" in k or k == layout.CAPTIONS)
    catalog = dataset_availability(bucket, tmp_path)
    subject = entry(catalog, "sub-01")
    assert subject.session_availability("ses-01") is Availability.DOWNLOADED
    assert subject.session_availability("ses-02") is Availability.INCOMPLETE
    assert subject.n_sessions_downloaded == 1
    assert (
        subject.roi_availability("face", "FFA1") is Availability.DOWNLOADED
    )  # FFA-1 in the bucket
    assert subject.roi_availability("place", "PPA") is Availability.NOT_DOWNLOADED
    assert stimulus(catalog, layout.CAPTIONS).availability is Availability.DOWNLOADED
    assert 0 < subject.total.fraction < 1


def test_a_subject_that_lacks_an_roi(bucket):
    catalog = dataset_availability(bucket, None)
    lacking = {
        (e.name, roi)
        for category in catalog.categories
        for roi in catalog.rois(category)
        for e in catalog.subjects
        if e.roi_availability(category, roi) is Availability.ABSENT
    }
    assert lacking
    for name, roi in lacking:
        assert not any(
            layout.roi_of(o.key)[1] == roi for o in bucket.objects(f"{layout.ROIS_TREE}/{name}/")
        )
    assert {(name, roi) for name, rois in catalog.lacking().items() for roi in rois} == lacking
    assert catalog.categories == layout.ROI_CATEGORIES


def test_the_images_need_the_agreement(bucket):
    gated = [e.key for e in dataset_availability(bucket, None).stimuli if e.needs_agreement]
    assert gated == [layout.STIMULI_IMAGES]


def test_images_that_the_bucket_does_not_list_may_be_here(tmp_path):
    mirror, data_dir = tmp_path / "mirror", tmp_path / "data"
    mirror.mkdir()
    assert (
        stimulus(
            dataset_availability(DirectoryBucket(mirror), data_dir), layout.STIMULI_IMAGES
        ).size
        is None
    )
    path = data_dir / layout.STIMULI_IMAGES
    path.parent.mkdir(parents=True)
    path.write_bytes(b"images")
    images = stimulus(
        dataset_availability(DirectoryBucket(mirror), data_dir), layout.STIMULI_IMAGES
    )
    assert (images.size, images.availability) == (None, Availability.DOWNLOADED)


def test_without_the_bucket_the_data_directory_is_catalogued(bucket, tmp_path):
    copy(bucket, tmp_path, lambda k: "/sub-03/" in k and "ses-3" not in k and k.startswith("deriv"))
    catalog = local_availability(tmp_path)
    (subject,) = catalog.subjects
    assert subject.name == "sub-03"
    assert subject.total.availability is Availability.DOWNLOADED
    assert subject.n_rois == entry(dataset_availability(bucket, tmp_path), "sub-03").n_rois


def test_keys_that_are_no_safe_names_are_left_out(tmp_path):
    root = tmp_path / "mirror"
    for name in ("good", "bad\\name"):
        path = root / layout.ROIS_TREE / "sub-01" / "face" / f"sub-01_label-{name}_mask.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (subject,) = dataset_availability(DirectoryBucket(root), tmp_path).subjects
    assert subject.total.n_files == 1


def test_shares_of_nothing_and_of_empty_files():
    assert Share().availability is Availability.ABSENT
    assert Share().fraction == 0
    assert Share(2, 1, 0, 0).fraction == 0.5
    assert Share(2, 1, 0, 0).availability is Availability.INCOMPLETE


@pytest.mark.parametrize("module", [availability, file_preview, file_table])
def test_the_examples_run(module, bucket, data_dir):
    write_config(bucket=bucket.uri, data_dir=data_dir)
    result = doctest.testmod(module, extraglobs={"sub": load_subject("sub-01", data_dir)})
    assert result.attempted and not result.failed
