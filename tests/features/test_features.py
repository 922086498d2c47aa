"""Features: read from every form, checked, and stored so that they work as embeddings do."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import laion_fmri
from laion_fmri import cli, load_subject
from laion_fmri._errors import (
    DamagedFileError,
    InvalidArgumentError,
    StimuliNotDownloadedError,
    UnknownNameError,
)
from laion_fmri.explorer.splits.data import local_models
from laion_fmri.features import (
    Features,
    as_features,
    feature_sets,
    list_features,
    register_features,
    remove_features,
)
from laion_fmri.splits.space import EmbeddingSpace
from laion_fmri.stimuli.embeddings import Embeddings
from laion_fmri.stimuli.metadata import read_metadata

NAMES = [f"image_{i}.jpg" for i in range(6)]
VALUES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def write(path, values=VALUES, names=NAMES):
    """Write features in the format that the suffix says."""
    match path.suffix:
        case ".npy":
            np.save(path, values)
            path.with_suffix(".txt").write_text("\n".join(names))
        case ".npz":
            np.savez(path, image_name=np.array(names), layer4=values)
        case ".h5":
            with h5py.File(path, "w") as file:
                file["group/features"] = values
                file["image_ids"] = np.array(names, dtype=h5py.string_dtype())
        case ".csv" | ".tsv" | ".parquet":
            table = pd.DataFrame(values, columns=[f"f{i}" for i in range(values.shape[1])])
            table.insert(1, "image_name", names)
            if path.suffix == ".parquet":
                table.to_parquet(path)
            else:
                table.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".csv", ".tsv", ".parquet"])
def test_every_kind_of_file_gives_the_same_features(tmp_path, suffix):
    found = as_features(write(tmp_path / f"mine{suffix}"))
    assert found.name == "mine" and found.images == tuple(NAMES)
    assert found.values == pytest.approx(VALUES)
    assert as_features(str(tmp_path / f"mine{suffix}")).images == found.images


def test_tables_are_read_by_their_index_or_a_column():
    table = pd.DataFrame(VALUES, index=NAMES)
    assert np.array_equal(as_features(table).values, VALUES)
    assert as_features(table.rename_axis("image").reset_index(), name="mine").name == "mine"
    with pytest.raises(InvalidArgumentError, match="image_name"):
        as_features(pd.DataFrame(VALUES))
    with pytest.raises(InvalidArgumentError, match="holds no numbers"):
        as_features(table.assign(colour="red"))


@given(
    arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)),
        elements=st.floats(-10, 10, width=16),
    )
)
@pytest.mark.filterwarnings("ignore:.*same for all images")
def test_an_array_keeps_its_values_and_precision(values):
    names = [f"{i}.jpg" for i in range(len(values))]
    found = Features.of(values, names)
    assert found.values.dtype == values.dtype
    assert np.array_equal(found.values, values.reshape(len(values), -1))
    again = pickle.loads(pickle.dumps(found))
    assert again.images == found.images and np.array_equal(again.values, found.values)
    assert np.array_equal(found.rows(names[::-1]), found.values[::-1])
    assert found.select(names[:1]).values.tolist() == found.values[:1].tolist()


@pytest.mark.parametrize(
    ("values", "names", "match"),
    [
        (VALUES, NAMES[:-1], "6 rows and 5 image names"),
        (VALUES, [*NAMES[:-1], NAMES[0]], "several rows of image_0.jpg"),
        (np.where(VALUES[2, 1] == VALUES, np.nan, VALUES), NAMES, "NaN.*image_2.jpg"),
        (VALUES * np.array([[1], [1], [np.inf], [1], [1], [1]]), NAMES, "infinite.*image_2.jpg"),
        (VALUES[:, :0], NAMES, "at least one column"),
        (VALUES.astype(str), NAMES, "real numbers"),
        (VALUES + 1j, NAMES, "real numbers"),
        (VALUES, [*NAMES[:-1], 7], "image name"),
    ],
)
def test_bad_features_are_refused_with_what_and_which(values, names, match):
    with pytest.raises(InvalidArgumentError, match=match):
        Features.of(values, names)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: Features.of([[1.0, 2.0], [3.0]], NAMES[:2], "mine"),
            "'mine' do not make an array",
        ),
        (lambda: Features("mine", tuple(NAMES), VALUES.tolist()), r"'mine'.*Features.of"),
        (lambda: Features("mine", tuple(NAMES), VALUES.astype(int)), "floating-point"),
        (lambda: Features.of(VALUES[:0], [], "mine"), "'mine' have no image"),
        (lambda: Features.of(VALUES, NAMES).select([]), "no image"),
    ],
)
def test_what_makes_no_features_is_refused(make, match):
    with pytest.raises(InvalidArgumentError, match=match):
        make()


@pytest.mark.parametrize(
    "layer",
    [slice(2, 5), slice(4, 4), slice(3, 2), slice(-2, None), slice(0, 4, 2), slice("a"), [0, 1], 3],
)
def test_layers_are_columns_that_exist(layer):
    with pytest.raises(InvalidArgumentError, match=r"layer 'low'.*4 columns"):
        Features.of(VALUES, NAMES, layers={"low": layer})


def test_layers_share_no_column():
    found = Features.of(VALUES, NAMES, layers={"low": slice(3), "high": slice(3, None)})
    assert found.layers == {"low": slice(0, 3), "high": slice(3, 4)}
    with pytest.raises(InvalidArgumentError, match=r"'low' and 'high'.*in common"):
        Features.of(VALUES, NAMES, layers={"low": slice(0, 3), "high": slice(2, 4)})
    with pytest.raises(InvalidArgumentError, match="no mapping"):
        Features.of(VALUES, NAMES, layers=[slice(0, 3)])


def test_a_constant_column_is_said():
    with pytest.warns(UserWarning, match="2 of 6 columns"):
        Features.of(np.hstack([VALUES, np.ones((6, 2))]), NAMES)


def test_lacking_images_are_said():
    found = Features.of(VALUES, NAMES, "mine")
    with pytest.raises(InvalidArgumentError, match=r"'mine' lack 1 of 3 images: other.jpg"):
        found.rows([*NAMES[:2], "other.jpg"])
    with pytest.raises(InvalidArgumentError, match=r"None of the 2 images.*'image_0.jpg'"):
        found.rows(["x", "y"])
    assert found.lacking(["x", NAMES[0], "x"]) == ["x"] and NAMES[0] in found


def test_several_features_are_layers_or_models(tmp_path):
    one, other = Features.of(VALUES, NAMES, "one"), Features.of(VALUES[1:] * 2, NAMES[1:], "other")
    with pytest.warns(UserWarning, match="5 images in common, of up to 6"):
        joined = as_features([one, other])
    assert joined.images == tuple(NAMES[1:]) and joined.name == "one + other"
    assert joined.layers == {"one": slice(0, 4), "other": slice(4, 8)}
    assert np.array_equal(joined.layer("other").values, VALUES[1:] * 2)
    assert list(feature_sets({"a": one, "b": [one, Features.of(VALUES, NAMES, "x")]})) == ["a", "b"]
    assert list(feature_sets([one, other])) == ["one", "other"]
    assert list(feature_sets(part for part in (one, other))) == ["one", "other"]
    with pytest.warns(UserWarning, match="in common"):
        assert as_features(part for part in (one, other)).layers == joined.layers
    with pytest.raises(InvalidArgumentError, match="at least one"):
        as_features(iter(()))
    with pytest.raises(InvalidArgumentError, match="same name"):
        feature_sets([one, one])
    with pytest.raises(InvalidArgumentError, match="at least one"):
        feature_sets([])
    with pytest.raises(InvalidArgumentError, match="in common"):
        Features.joined({"a": one, "b": Features.of(VALUES, [n + "x" for n in NAMES])})
    with pytest.raises(UnknownNameError, match="layer"):
        joined.layer("tow")
    np.savez(tmp_path / "net.npz", images=NAMES, conv1=VALUES.reshape(6, 2, 2), fc=VALUES[:, :2])
    assert as_features(tmp_path / "net.npz").layers == {"conv1": slice(0, 4), "fc": slice(4, 6)}


def test_bad_files_are_refused(tmp_path):
    np.save(tmp_path / "alone.npy", VALUES)
    with pytest.raises(InvalidArgumentError, match=r"alone.txt"):
        as_features(tmp_path / "alone.npy")
    assert len(as_features(tmp_path / "alone.npy", images=NAMES)) == 6
    np.savez(tmp_path / "nameless.npz", layer=VALUES)
    with pytest.raises(InvalidArgumentError, match="image_name"):
        as_features(tmp_path / "nameless.npz")
    for suffix in (".npy", ".npz", ".h5", ".parquet"):
        (tmp_path / f"broken{suffix}").write_bytes(b"no features")
        with pytest.raises(DamagedFileError, match="broken"):
            as_features(tmp_path / f"broken{suffix}", images=NAMES if suffix == ".npy" else None)
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(InvalidArgumentError, match="no known kind"):
        as_features(tmp_path / "notes.md")
    with pytest.raises(InvalidArgumentError, match="There is no file"):
        as_features(tmp_path / "missing.npz")
    with pytest.raises(InvalidArgumentError, match=r"Features.of"):
        as_features(VALUES)
    with pytest.raises(InvalidArgumentError, match="holds no features"):
        as_features(3)


@pytest.fixture
def lying(tmp_path):
    """Write files whose header says more than they hold, and files that numpy cannot read."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (6, 10**13)}
    )
    lie = header.getvalue() + VALUES.tobytes()
    (tmp_path / "huge.npy").write_bytes(lie)
    np.save(tmp_path / "short.npy", np.zeros((6, 100)))
    whole = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(whole[:-100])
    np.save(tmp_path / "objects.npy", np.array([[1, "a"]] * 6, dtype=object))
    np.savez(tmp_path / "objects.npz", image_name=np.array(NAMES, dtype=object), x=VALUES)
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as file:
        file.writestr("image_name.npy", lie)
    (tmp_path / "no_zip.npz").write_bytes(b"PK\x03\x04" + b"no zip" * 9)
    (tmp_path / "array.npz").write_bytes(whole)
    return tmp_path


LYING = [
    "huge.npy",
    "short.npy",
    "objects.npy",
    "objects.npz",
    "huge.npz",
    "no_zip.npz",
    "array.npz",
]


@pytest.mark.parametrize("name", LYING)
def test_files_that_lie_are_damaged(lying, name):
    with pytest.raises(DamagedFileError, match=name) as caught:
        as_features(lying / name, images=NAMES if name.endswith(".npy") else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", LYING)
def test_the_command_says_so_in_one_line(home, lying, name, capsys):
    (lying / "names.txt").write_text("\n".join(NAMES))
    images = ["--images", str(lying / "names.txt")] if name.endswith(".npy") else []
    assert cli.main(["features", "add", str(lying / name), "--name", "mine", *images]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and name in said and "Traceback" not in said


def test_what_names_its_images_takes_no_others():
    own, table = Features.of(VALUES, NAMES), pd.DataFrame(VALUES, index=NAMES)
    for features in (own, table, {"a": VALUES, "b": own}):
        with pytest.raises(InvalidArgumentError, match=r"names its images itself.*images="):
            as_features(features, images=NAMES[::-1])
    assert np.array_equal(as_features(VALUES.tolist(), images=NAMES).values, VALUES)
    assert np.array_equal(as_features(iter(VALUES), images=NAMES).values, VALUES)
    layers = as_features({"low": VALUES, "high": VALUES[:, :2]}, images=iter(NAMES))
    assert layers.images == tuple(NAMES)
    assert layers.layers == {"low": slice(0, 4), "high": slice(4, 6)}
    with pytest.raises(InvalidArgumentError, match="real numbers"):
        as_features([own], images=NAMES[:1])


def test_names_of_models_are_found_or_suggested(data_dir):
    clip = as_features("CLIP", data_dir)
    with Embeddings("CLIP", data_dir) as embeddings:
        assert np.array_equal(clip.values, embeddings["CLIP"]) and clip.values.dtype == np.float16
        assert list(clip.images) == embeddings.names("CLIP")
    with pytest.raises(UnknownNameError, match="CLIP"):
        as_features("CLPI", data_dir)


# --- registered features ------------------------------------------------------------------


@pytest.fixture
def home(tiny_home, tmp_path, monkeypatch):
    """A data directory with metadata and embeddings, and no features of one's own."""
    root = tmp_path / "data"
    root.mkdir()
    for part in ("stimuli", "derivatives"):
        (root / part).symlink_to(tiny_home.data_dir / part)
    monkeypatch.setenv("LAION_FMRI_DATA_DIR", str(root))
    return root


@pytest.fixture
def images(home):
    return read_metadata(home)["image_name"].tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_registered_features_work_as_embeddings_do(home, images, dtype):
    values = np.random.default_rng(1).normal(size=(len(images), 7)).astype(dtype)
    info = laion_fmri.register_features("my-resnet", values, images)
    assert (info.n_images, info.n_features, info.dtype) == (len(images), 7, np.dtype(dtype).name)
    assert info.n_lacking == 0 and info.lacking == ""
    found = as_features("my-resnet")
    assert found.values.dtype == dtype and np.array_equal(found.values, values)
    embeddings = laion_fmri.load_embeddings("my-resnet")
    assert np.array_equal(embeddings.get("my-resnet", images[3]), values[3])
    sub = load_subject("sub-01")
    trial = sub.metadata.index[5]
    row = images.index(sub.metadata["image_name"][trial])
    assert np.array_equal(sub.embeddings.get("my-resnet", trial), values[row])
    assert EmbeddingSpace("my-resnet").vectors.shape == values.shape


def test_registered_features_are_in_the_menus(home, images):
    from laion_fmri.explorer.data import ExplorerData

    register_features("my-resnet", VALUES, images[:6])
    published = ["CLIP", "DINOv2", "PEcore", "SigLIP2"]
    assert Embeddings("all").models == [*published, "my-resnet"]
    assert len(Embeddings("all").image_ids) == len(images)
    data = ExplorerData(laion_fmri.config.load_settings())
    assert local_models(data)[-1] == "my-resnet"


def test_a_gap_is_said_by_whose_images_are_lacking(home, images):
    metadata = read_metadata(home)
    shared = metadata.loc[metadata["unique_or_shared"] == "shared", "image_name"].tolist()
    info = register_features("shared", np.eye(len(shared)), shared)
    assert info.n_lacking == len(images) - len(shared)
    n_own = int((metadata["participant"] == "sub-01").sum())
    assert f"{n_own:,} of {n_own:,} of sub-01 alone" in info.lacking
    assert "shared" not in info.lacking
    sub = load_subject("sub-01")
    with pytest.raises(laion_fmri.InconsistentDataError, match="register_features"):
        sub.embeddings.all("shared", "ses-01")


def test_layers_are_kept_and_files_replaced_only_when_asked(home, images):
    one = Features.of(VALUES, images[:6], "one")
    register_features("net", {"low": one, "high": one})
    assert as_features("net").layers == {"low": slice(0, 4), "high": slice(4, 8)}
    assert list_features()[0].layers == ("low", "high")
    with pytest.raises(InvalidArgumentError, match="replace=True"):
        register_features("net", one)
    embeddings = laion_fmri.load_embeddings("net")
    assert embeddings["net"].shape == (6, 8)
    register_features("net", one, replace=True)
    assert embeddings["net"].shape == (6, 4)
    remove_features("net")
    assert list_features() == []
    with pytest.raises(UnknownNameError, match="registered"):
        remove_features("net")
    with pytest.raises(UnknownNameError):
        as_features("net")


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".net", "x" * 65, "CLIP", "clip", "all", "All", 3]
)
def test_bad_and_taken_names_are_refused(home, images, name):
    with pytest.raises(InvalidArgumentError, match=r"name"):
        register_features(name, VALUES, images[:6])


def test_a_name_differs_in_more_than_case(home, images):
    register_features("my-Net", VALUES, images[:6])
    for replace in (False, True):
        with pytest.raises(InvalidArgumentError, match=r"'my-net' differs.*'my-Net' only in"):
            register_features("my-net", VALUES, images[:6], replace=replace)
    assert [one.name for one in list_features()] == ["my-Net"]


def test_nothing_is_registered_that_names_its_images_twice_or_not_at_all(home, images):
    table = pd.DataFrame(VALUES, index=images[:6])
    with pytest.raises(InvalidArgumentError, match="names its images itself"):
        register_features("mine", table, images[6:12])
    with pytest.raises(InvalidArgumentError, match=r"CLIP.*Leave images= out"):
        register_features("mine", "CLIP", images)
    with pytest.raises(InvalidArgumentError, match="no image"):
        register_features("mine", VALUES[:0], [])
    assert list_features() == []


def test_images_of_other_names_are_refused(home, images):
    wrong = [*images[:5], images[5].removesuffix(".jpg")]
    with pytest.raises(InvalidArgumentError, match=r"1 of the 6 images.*Did you mean"):
        register_features("mine", VALUES, wrong)
    assert list_features() == []


def test_what_is_not_downloaded_is_said_so(home):
    (home / "stimuli").unlink()
    with pytest.raises(StimuliNotDownloadedError, match="download_embeddings"):
        as_features("CLIP")


def test_the_command_adds_lists_and_removes(home, images, tmp_path, capsys):
    write(tmp_path / "resnet.npz", names=images[:6])
    assert cli.main(["features", "add", str(tmp_path / "resnet.npz"), "--name", "my-resnet"]) == 0
    assert f"{len(images) - 6:,} images of the dataset" in capsys.readouterr().out
    assert cli.main(["features", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "my-resnet" and row["n_images"] == 6
    assert cli.main(["features", "list"]) == 0
    assert "my-resnet" in capsys.readouterr().out
    np.save(tmp_path / "plain.npy", VALUES)
    (tmp_path / "names.txt").write_text("\n".join(images[:6]) + "\n")
    arguments = ["features", "add", str(tmp_path / "plain.npy")]
    assert cli.main(arguments) == 1
    assert cli.main([*arguments, "--images", str(tmp_path / "names.txt")]) == 0
    assert cli.main(["features", "remove", "plain"]) == 0
    assert [one.name for one in list_features()] == ["my-resnet"]
