"""What a viewer's data refuse, whatever asks them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import laion_fmri.explorer
from laion_fmri._errors import NotAllowedError
from laion_fmri.explorer.authorization import image_access_of, queue_of, verification_of
from laion_fmri.explorer.brain.preferred_images import preferred_gallery
from laion_fmri.explorer.data import ExplorerData
from laion_fmri.explorer.discover.tab import DiscoverTab
from laion_fmri.explorer.download.tab import DownloadTab
from laion_fmri.explorer.runtime.error_messages import Absent
from laion_fmri.explorer.runtime.visitor import IMAGES_HIDDEN, OWNER, Visitor
from laion_fmri.explorer.splits.inspector import SplitInspector
from laion_fmri.explorer.state import ExplorerState
from laion_fmri.explorer.trials.data import TrialSource
from laion_fmri.explorer.trials.image_view import ImageView
from laion_fmri.explorer.trials.marked_trials import MarkedTrials
from laion_fmri.explorer.widgets.image_grid import image_tiles
from laion_fmri.splits import identical_images, load_split
from laion_fmri.stimuli.contact_sheet import contact_sheet
from laion_fmri.transfer.plan import TransferPlan

VIEWER = Visitor(may_act=False, sees_images=False, owner="olga")


@pytest.fixture
def whole(tiny_home) -> ExplorerData:
    return ExplorerData(tiny_home.settings)


@pytest.fixture
def data(whole) -> ExplorerData:
    return whole.for_visitor(VIEWER)


# --- images ---------------------------------------------------------------------------------


def test_no_way_of_the_library_leads_a_viewer_to_an_image(data: ExplorerData):
    images, sub = data.stimuli().images, data.subject("sub-01")
    name = str(sub.get_trial_info("ses-01")["label"].iloc[0])
    split = load_split("random_0", data_dir=data.data_dir)
    for ask in (
        lambda: images[name],
        lambda: images.get(name),
        lambda: images.array([name]),
        lambda: list(images),
        images.names,
        lambda: name in images,
        lambda: sub.images.get(0),
        lambda: sub.images[0],
        lambda: sub.images.array("ses-01"),
        lambda: next(sub.images.all()),
        lambda: contact_sheet(images, [(name, "")]),
        lambda: identical_images(split, images=images),
        lambda: data.stimuli().images.thumbnail(name),
        lambda: data.thumbnails([name]),
    ):
        with pytest.raises(NotAllowedError, match="agreement"):
            ask()
    assert sub.captions.list(0) and len(data.stimuli().metadata)


def test_what_an_owner_filled_caches_with_does_not_come_out(whole, data):
    source = TrialSource(whole, "sub-01")
    names = source.trials().images[:4]
    assert all(tile.picture for tile in image_tiles(whole, names))
    assert not isinstance(source.parts(0).picture, Absent)
    seen = TrialSource(data, "sub-01")
    assert [tile.picture for tile in image_tiles(data, names)] == [b""] * 4
    assert all(tile.words for tile in image_tiles(data, names))
    picture = seen.parts(0).picture
    assert isinstance(picture, Absent) and picture.reason == IMAGES_HIDDEN
    assert not seen.has_images() and not data.has_images()
    assert not isinstance(source.parts(0).picture, Absent)  # the owner still has them


def test_views_say_calmly_that_images_are_hidden(data):
    source = TrialSource(data, "sub-01")
    view = ImageView()
    view.set_parts(source.parts(0), source.trials().table.iloc[0])
    assert view.picture["text"] == IMAGES_HIDDEN and "data" not in view.picture
    assert view.masks or view.note


def test_what_drives_a_place_is_told_in_captions(data):
    sub = data.subject("sub-01")
    voxels = np.zeros(sub.get_n_voxels(), dtype=bool)
    voxels[:20] = True
    found = preferred_gallery(data, sub, voxels, min_repeats=1)
    assert found.highest and not any(tile.picture for tile in found.highest + found.lowest)
    assert "not shown on this server" in found.note


def test_only_the_data_of_a_page_open_stimuli():
    """The gate is in one place: nothing else of the explorer opens stimuli or subjects."""
    folder = Path(laion_fmri.explorer.__file__).parent
    gate = {"data.py"}
    openers = {"Stimuli", "load_stimuli", "Images", "load_subject", "Subject", "TrialImages"}
    found = {}
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        if name in gate:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute))
        }
        if called & openers:
            found[name] = called & openers
    # Whose subject a view by itself is of; the data that it then asks are the page's.
    assert set(found) <= {"trials/data.py", "brain/roi_picker.py"}, found


# --- actions --------------------------------------------------------------------------------


def test_a_viewer_changes_nothing_of_the_server(whole, data, tmp_path):
    queue, verification, access = queue_of(data), verification_of(data), image_access_of(data)
    source = TrialSource(data, "sub-01")
    table = source.trials().table
    plan = TransferPlan((), tmp_path)
    for act in (
        lambda: data.change_settings({"data_dir": str(tmp_path / "elsewhere")}),
        lambda: data.settings_with({"bucket": "s3://elsewhere"}),
        lambda: queue.submit(plan, "x"),
        lambda: queue.pause(1),
        lambda: queue.resume(1),
        lambda: queue.cancel(1),
        queue.clear_history,
        lambda: verification.start(data.settings, data.bucket),
        verification.stop,
        verification.take_repair,
        lambda: access.login("5f1d7c1e-90c3-4c53-9d7b-2b6f0a4e77d1"),
        access.logout,
        access.check,
        access.terms,
        lambda: source.selections.save("sub-01", "mine", [1, 2], table),
        lambda: source.selections.delete("sub-01", "mine"),
    ):
        with pytest.raises(NotAllowedError, match="olga"):
            act()
    assert not access.standing().is_known
    assert data.settings is whole.settings and not (tmp_path / "elsewhere").exists()
    assert queue.jobs() == queue_of(whole).jobs() and not queue.is_owner


def test_an_owner_gets_the_real_thing(whole):
    assert whole.for_visitor(OWNER) is whole
    assert queue_of(whole) is not None and queue_of(whole).is_owner
    seen = whole.for_visitor(Visitor(may_act=False, sees_images=True))
    assert seen.has_images() and TrialSource(seen, "sub-01").parts(0).n_bytes > 5000


def test_rights_do_not_grow_by_asking_twice(data):
    again = data.for_visitor(OWNER)
    with pytest.raises(NotAllowedError):
        again.change_settings({"bucket": ""})


def test_tabs_show_a_viewer_what_they_may_and_say_the_rest(data, monkeypatch):
    discover = DiscoverTab(ExplorerState(tab="Discover"), data)
    discover.open()
    settings = discover.settings
    assert not settings.change.visible
    settings.fields["bucket"].value = "s3://elsewhere"
    settings.submit.clicks += 1
    assert "olga" in settings.message.object

    download = DownloadTab(ExplorerState(tab="Download", subject="sub-01"), data)
    download.open()
    assert download.plan_section.run.disabled and not download.access.status.layout.visible
    assert not download.check.layout.visible
    assert "olga" in download.jobs.messages[0][0].object
    download.licence.yes.clicks += 1
    assert "olga" in download.messages[0][0].object


def test_a_viewer_makes_no_split(data):
    inspector = SplitInspector(data=data)
    assert not inspector.controls.make_button.visible
    inspector.maker.name_input.value_input = "mine"
    inspector.maker.method.value = "random"
    inspector.maker.make()
    assert "olga" in inspector.maker.messages[0][0].object
    assert not list((data.data_dir / "splits").glob("own/**/mine.json"))


def test_a_viewer_keeps_no_selection_but_uses_those_that_are_kept(data):
    from laion_fmri.explorer.runtime.background import Gate, Latest

    marks = MarkedTrials(lambda: None, lambda busy: Latest(busy, Gate()))
    source = TrialSource(data, "sub-01")
    marks.set_trials(source, source.trials())
    marks.marked = [1, 2]
    assert not marks.save.visible and not marks.name_field.visible and not marks.delete.visible
    assert marks.sheet.disabled and not marks.tsv.disabled
    marks.name_field.value = "mine"
    marks.save.clicks += 1
    assert "olga" in marks.messages[0][0].object and not marks.saved
