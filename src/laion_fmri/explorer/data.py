"""The explorer's handle on the library: cached, safe in threads, no widgets.

One `ExplorerData` serves every page of a server. Results are remembered by a key that
includes the state of the files they came from, so that a download shows at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from laion_fmri import discovery, layout
from laion_fmri._errors import ConfigError, DataDirNotSetError
from laion_fmri.bucket import Bucket, open_bucket
from laion_fmri.config import ENVIRONMENT, Settings, load_settings, write_config
from laion_fmri.explorer.bucket_listing import BucketListing, usable_data_dir
from laion_fmri.explorer.catalog import overview_objects
from laion_fmri.explorer.kept_listing import keep_listing, now
from laion_fmri.explorer.listeners import Listeners
from laion_fmri.explorer.roles import OWNER, Visitor
from laion_fmri.stimuli.hub import Stimuli
from laion_fmri.subject import Subject, load_subject, local_subjects

T = TypeVar("T")

SETTINGS = tuple(ENVIRONMENT)
"""What can be changed on the page."""

DEFAULTS = {name: getattr(Settings(), name) for name in SETTINGS}
"""What a setting is when nobody sets it."""

_REMEMBERED = 256  # results, the least recently used go first


class ExplorerData:
    """Answers for the views.

    Parameters
    ----------
    settings : Settings, optional
        By default what is configured.

    Attributes
    ----------
    visitor : Visitor
        Whom the answers are for; the owner, unless it comes from `for_visitor`.
    """

    visitor: Visitor = OWNER

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._age = 0  # how often the settings were changed
        self._listeners = Listeners()
        self._listing: BucketListing | None = None
        self._overview_is_kept = False
        self._results: OrderedDict[Hashable, object] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def for_visitor(self, visitor: Visitor) -> ExplorerData:
        """The same data as a visitor may have them."""
        from laion_fmri.explorer.visitor_data import VisitorData

        return self if visitor == self.visitor else VisitorData(self, visitor)

    # --- where things are ---------------------------------------------------------------

    @property
    def data_dir(self) -> Path:
        """The data directory; raises `DataDirNotSetError` where there is none."""
        return self.settings.require_data_dir()

    def bucket(self) -> Bucket:
        """The bucket; raises what the library raises when it cannot be used."""
        return self.remember(("bucket",), lambda: open_bucket(self.settings))

    def listing(self) -> BucketListing:
        """The listing of the whole bucket, begun by whoever asks first."""
        with self._guard:
            if self._listing is None:
                self._listing = BucketListing(self.settings)
            return self._listing

    def list_again(self) -> None:
        """Forget what the bucket listed; the next question is put to it again."""
        discovery.refresh()
        with self._guard:
            self._listing, self._overview_is_kept = None, False
            self._results.pop(self._full_key(("bucket",)), None)

    def keep_overview(self) -> None:
        """Keep what the overview listed, once, for when the bucket does not answer."""
        settings = self.settings
        data_dir = usable_data_dir(settings)
        with self._guard:
            if self._overview_is_kept or data_dir is None:
                return
            self._overview_is_kept = True
        keep_listing(data_dir, settings, overview_objects(self.bucket()), "overview", now())

    # --- settings -----------------------------------------------------------------------

    def set_by_environment(self, name: str) -> bool:
        """Whether a setting comes from the environment, which a page cannot change."""
        return self.settings.sources.get(name) == "environment"

    @property
    def keeps_settings(self) -> bool:
        """Whether changes go to the config file, rather than last as long as the server.

        A server that was started on the demo, or on settings of its own, leaves the
        config file alone.
        """
        return all(self.settings.sources.get(name, "argument") != "argument" for name in SETTINGS)

    def settings_with(self, changes: Mapping[str, str]) -> Settings:
        """The settings as they would be; an empty value is the default.

        Raises
        ------
        ConfigError
            When a setting comes from the environment, or a value cannot be used.
        """
        for name in changes:
            if self.set_by_environment(name):
                raise ConfigError(
                    f"{ENVIRONMENT[name]} is set in the server's environment and wins over what "
                    "is chosen here. Unset it and start the server again to change it."
                )
        source = "config file" if self.keeps_settings else "argument"
        values: dict[str, Any] = {name: value or DEFAULTS[name] for name, value in changes.items()}
        if values.get("data_dir"):
            values["data_dir"] = load_settings(data_dir=values["data_dir"]).data_dir
        came_from = {name: source if value else "default" for name, value in changes.items()}
        sources = {**self.settings.sources, **came_from}
        return replace(self.settings, **values, sources=sources)

    def change_settings(self, changes: Mapping[str, str]) -> None:
        """Work with other settings from now on, on every page of the server.

        Everything remembered is forgotten, and subscribers are told. Downloads that are
        under way go on into the data directory they were asked for.

        Parameters
        ----------
        changes : mapping of str to str
            ``data_dir``, ``bucket``, ``endpoint_url``, ``access_url``; an empty value is
            the default. A data directory is made when it is not there.

        Raises
        ------
        ConfigError
            When nothing can be changed (see `settings_with`), the data directory cannot be
            made or the config file cannot be written.
        """
        settings = self.settings_with(changes)
        if changes.get("data_dir") and settings.data_dir is not None:
            try:
                settings.data_dir.mkdir(parents=True, exist_ok=True)
            except (OSError, ValueError) as error:  # a ValueError is a NUL in the name
                raise ConfigError(
                    f"{settings.data_dir} cannot be made ({getattr(error, 'strerror', error)}). "
                    "Choose another folder."
                ) from error
        if self.keeps_settings:
            write_config(**{n: getattr(settings, n) if v else None for n, v in changes.items()})
        discovery.refresh()
        with self._guard:
            self.settings = settings
            self._age += 1
            self._results.clear()
            self._locks.clear()
            self._listing, self._overview_is_kept = None, False
        self._listeners.tell()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called, in any thread, when the settings change.

        Returns
        -------
        callable
            Ends the subscription.
        """
        return self._listeners.add(listener)

    # --- subjects and stimuli -----------------------------------------------------------

    def local_subjects(self) -> list[str]:
        """Subjects that have files here; empty where there is no data directory."""
        try:
            return local_subjects(self.data_dir)
        except DataDirNotSetError:
            return []

    def subject(self, name: str) -> Subject:
        """A handle on a local subject; another one when the stimuli on disk change."""
        return self.remember(
            ("subject", name), lambda: load_subject(name, self.data_dir), self.stimulus_files()
        )

    def stimuli(self) -> Stimuli:
        """The stimuli of the dataset; another handle when they change on disk."""
        return self.remember(("stimuli",), lambda: Stimuli(self.data_dir), self.stimulus_files())

    def has_images(self) -> bool:
        """Whether the images are local and shown to the visitor."""
        path = layout.local_path(self.data_dir, layout.STIMULI_IMAGES)
        return self.visitor.sees_images and path.exists()

    def stimulus_files(self) -> list[Path]:
        """The local files of the stimuli, which handles keep what they read of."""
        return sorted((self.data_dir / layout.STIMULI_TREE).glob("*.*"))

    # --- remembering --------------------------------------------------------------------

    def remember(self, key: Hashable, make: Callable[[], T], files: Iterable[Path] = ()) -> T:
        """The result of `make`, made once for each `key` and state of `files`.

        Two threads that ask for the same thing wait for one result; an error is not
        remembered. `files` are those the result depends on.
        """
        full = self._full_key(key, files)
        with self._guard:
            lock = self._locks.setdefault(full, threading.Lock())
        with lock:
            with self._guard:
                if full in self._results:
                    self._results.move_to_end(full)
                    return self._results[full]  # type: ignore[return-value]
            result = make()
            with self._guard:
                if full[0] != self._age:  # made by settings that are gone
                    return result
                self._results[full] = result
                while len(self._results) > _REMEMBERED:
                    oldest, _ = self._results.popitem(last=False)
                    self._locks.pop(oldest, None)
            return result

    def _full_key(self, key: Hashable, files: Iterable[Path] = ()) -> tuple[Hashable, ...]:
        return (self._age, key, tuple(_signature(path) for path in files))


def data_of_page(settings: Settings | None = None) -> ExplorerData:
    """Data for a view by itself: as whoever is at the page may have them.

    Parameters
    ----------
    settings : Settings, optional
        By default what is configured.
    """
    from laion_fmri.explorer.session_role import visitor_here

    return ExplorerData(settings).for_visitor(visitor_here())


def _signature(path: Path) -> tuple[str, int, int] | tuple[str]:
    try:
        stat = path.stat()
    except OSError:
        return (str(path),)
    return (str(path), stat.st_mtime_ns, stat.st_size)
