"""The explorer's access to the library: cached, thread-safe, without widgets.

All pages of a server share one `ExplorerData`. Cached results are invalidated when the files
they depend on change, so that a download is visible immediately.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TypeVar

from laion_fmri import discovery, layout
from laion_fmri._errors import ConfigError, DataDirNotSetError, LaionFmriError
from laion_fmri.availability import overview_objects
from laion_fmri.bucket import Bucket, open_bucket
from laion_fmri.bucket.listing_cache import now, save_listing
from laion_fmri.config import ENVIRONMENT, Settings, load_settings, save_changes
from laion_fmri.demo.home import is_demo_dataset
from laion_fmri.explorer.runtime.background_job import Listeners
from laion_fmri.explorer.runtime.bucket_listing import BucketListing
from laion_fmri.explorer.runtime.cache import Cache
from laion_fmri.explorer.runtime.visitor import (
    CHANGING_SETTINGS,
    IMAGES_HIDDEN,
    OWNER,
    Visitor,
    visitor_of_page,
)
from laion_fmri.stimuli.hub import LocalStimuli
from laion_fmri.subject import Subject, load_subject, local_subjects

T = TypeVar("T")

_CACHE_BYTES = 1 << 30


class _Server:
    """Data shared by all visitors of a server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.listeners = Listeners()
        self.listing: BucketListing | None = None
        self.is_overview_saved = False
        self.cache = Cache(_CACHE_BYTES)
        self.lock = threading.Lock()


class ExplorerData:
    """Queries of the views to the library.

    Parameters
    ----------
    settings : Settings, optional
        By default the configured settings.
    visitor : Visitor
        The person at the page: images are hidden from those who may not see them, and only the
        owner changes settings.
    """

    def __init__(self, settings: Settings | None = None, visitor: Visitor = OWNER) -> None:
        self.visitor = visitor
        self._server = _Server(settings or load_settings())

    def for_visitor(self, visitor: Visitor) -> ExplorerData:
        """Return the same data for another visitor, limited to the rights of this one."""
        if visitor == self.visitor:
            return self
        data = copy(self)
        data.visitor = visitor.within(self.visitor)
        return data

    # --- locations ----------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings of the server."""
        return self._server.settings

    @property
    def data_dir(self) -> Path:
        """The data directory; raises `DataDirNotSetError` if there is none."""
        return self.settings.require_data_dir()

    def bucket(self) -> Bucket:
        """The bucket; raises the library's error if it cannot be used."""
        return self._server.cache.get(("bucket",), lambda: open_bucket(self.settings))

    def listing(self) -> BucketListing:
        """The job that lists the whole bucket; the first access starts it."""
        server = self._server
        with server.lock:
            if server.listing is None:
                server.listing = BucketListing(server.settings).start()
            return server.listing

    @property
    def has_listing(self) -> bool:
        """Whether the listing of the whole bucket has started."""
        return self._server.listing is not None

    def refresh_listing(self) -> None:
        """Discard the listings of the bucket, so that the next view lists it again."""
        discovery.refresh()
        with self._server.lock:
            self._server.listing, self._server.is_overview_saved = None, False
        self._server.cache.discard(("bucket",))

    def save_overview(self) -> None:
        """Save the listings of the overview, once, for when the bucket cannot be reached."""
        settings = self.settings
        data_dir = settings.usable_data_dir
        with self._server.lock:
            if self._server.is_overview_saved or data_dir is None:
                return
            self._server.is_overview_saved = True
        save_listing(data_dir, settings, overview_objects(self.bucket()), "overview", now())

    @property
    def is_demo(self) -> bool:
        """Whether the bucket or the data directory contains the synthetic demo dataset."""
        folders = [self.settings.data_dir]
        with contextlib.suppress(LaionFmriError):  # a bucket that cannot be opened
            folders.append(getattr(self.bucket(), "root", None))
        return any(folder is not None and is_demo_dataset(folder) for folder in folders)

    # --- settings -----------------------------------------------------------------------

    def settings_with(self, changes: Mapping[str, str]) -> Settings:
        """Return the settings after a change; an empty value selects the default.

        Raises
        ------
        ConfigError
            If a setting comes from the environment, or a value cannot be used.
        NotAllowedError
            If the visitor is not the owner.
        """
        self.visitor.require_owner(CHANGING_SETTINGS)
        for name in changes:
            if self.settings.is_fixed(name):
                raise ConfigError(
                    f"{ENVIRONMENT[name]} is set in the server's environment and takes precedence. "
                    "Unset it and restart the server to change this setting."
                )
        return self.settings.changed(changes)

    def change_settings(self, changes: Mapping[str, str]) -> None:
        """Change the settings on every page of the server.

        The cache is cleared and subscribers are called. Running downloads continue into the
        data directory they were started for.

        Parameters
        ----------
        changes : mapping of str to str
            ``data_dir``, ``bucket``, ``endpoint_url``, ``access_url``; an empty value selects
            the default. A data directory that does not exist is created.

        Raises
        ------
        ConfigError
            If a setting cannot be changed (see `settings_with`), the data directory cannot be
            created or the config file cannot be written.
        NotAllowedError
            If the visitor is not the owner.
        """
        settings = self.settings_with(changes)
        save_changes(settings, changes)
        discovery.refresh()
        server = self._server
        with server.lock:
            server.settings = settings
            server.cache.clear()
            server.listing, server.is_overview_saved = None, False
        server.listeners.tell()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener`, in any thread, when the settings change.

        Returns
        -------
        callable
            Ends the subscription.
        """
        return self._server.listeners.add(listener)

    # --- subjects and stimuli -----------------------------------------------------------

    def local_subjects(self) -> list[str]:
        """List subjects with downloaded files; empty if there is no data directory."""
        try:
            return local_subjects(self.data_dir)
        except DataDirNotSetError:
            return []

    def subject(self, name: str) -> Subject:
        """Return a downloaded subject; a new object when the stimuli on disk change."""

        def load() -> Subject:
            return load_subject(name, self.data_dir).with_stimuli(self.stimuli())

        return self.remember(("subject", name), load, self.stimulus_files())

    def stimuli(self) -> LocalStimuli:
        """Return the stimuli of the dataset; a new object when they change on disk."""
        refusal = "" if self.visitor.sees_images else IMAGES_HIDDEN
        return self.remember(
            ("stimuli",), lambda: LocalStimuli(self.data_dir, refusal), self.stimulus_files()
        )

    def has_images(self) -> bool:
        """Whether the images are downloaded and the visitor may see them."""
        try:
            path = layout.local_path(self.data_dir, layout.STIMULI_IMAGES)
        except DataDirNotSetError:  # also if it was deleted
            return False
        return self.visitor.sees_images and path.exists()

    def stimulus_files(self) -> list[Path]:
        """The downloaded files of the stimuli."""
        return sorted((self.data_dir / layout.STIMULI_TREE).glob("*.*"))

    # --- cached results --------------------------------------------------------------------

    def remember(self, key: Hashable, make: Callable[[], T], files: Iterable[Path] = ()) -> T:
        """Return the result of `make`, cached by `key` until one of its files changes.

        Visitors with and without access to the images have separate caches; see `Cache.get`.
        """
        return self._server.cache.get((key, self.visitor.sees_images), make, files)

    def thumbnails(self, names: Sequence[str]) -> list[bytes]:
        """Return small JPEGs of images; empty bytes for an image that cannot be decoded.

        Raises
        ------
        LaionFmriError
            If the images are not downloaded, or the visitor may not see them.
        """
        images = self.stimuli().images
        files = [layout.local_path(self.data_dir, layout.STIMULI_IMAGES)]
        return [
            self.remember(("thumbnail", name), partial(images.thumbnail, name), files)
            for name in names
        ]


def data_of_page(settings: Settings | None = None) -> ExplorerData:
    """Return the data of a standalone view, with the rights of its page's visitor.

    Parameters
    ----------
    settings : Settings, optional
        By default the configured settings.
    """
    return ExplorerData(settings, visitor_of_page())
