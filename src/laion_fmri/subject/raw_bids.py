"""Raw BIDS data of one subject: events, BOLD series and single-band references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, overload

from laion_fmri import layout, raw_data
from laion_fmri.arguments import as_items
from laion_fmri.subject_files import LocalSubject, OneSession, SeveralSessions, T

if TYPE_CHECKING:
    import pandas as pd


class RawDataAccessors(LocalSubject):
    """The accessors of `Subject` for raw BIDS data."""

    def has_raw(
        self,
        session: OneSession | SeveralSessions = None,
        run: layout.Filter = None,
        echo: layout.Filter = None,
        part: layout.Filter = None,
    ) -> bool:
        """Whether raw BOLD series of these sessions and entities are downloaded.

        Parameters
        ----------
        session : str, int, list of them or None
            None for any session.
        run, echo : int, str, list of them or None
            Such as ``1`` or ``"01"``.
        part : {"mag", "phase"}, optional
        """
        if session is None:
            session = raw_data.sessions(self._files)
        found = [
            raw_data.find(
                self._files, layout.session_id(ses), raw_data.BOLD, run=run, echo=echo, part=part
            )
            for ses in as_items(session)
        ]
        return bool(found) and all(found)

    @overload
    def get_events(  # type: ignore[overload-overlap]
        self, session: OneSession, run: layout.Filter = ...
    ) -> pd.DataFrame: ...

    @overload
    def get_events(
        self, session: SeveralSessions, run: layout.Filter = ...
    ) -> dict[str, pd.DataFrame]: ...

    def get_events(
        self, session: OneSession | SeveralSessions, run: layout.Filter = None
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Read the events of a session's raw data, with runs concatenated.

        Parameters
        ----------
        session : str, int, list of them or None
            A list returns a dict keyed by session; None a dict of all sessions with raw data.
        run : int, str or list of them, optional
            Runs to read; all by default.

        Returns
        -------
        DataFrame or dict of DataFrame
            The columns of the files (onset and duration in seconds, …), then run and task.

        Raises
        ------
        DataNotDownloadedError
            When no such file is downloaded.
        """
        return self._by_raw_session(
            session, lambda ses: raw_data.read_events(self._files, ses, run)
        )

    @overload
    def get_raw_bold(  # type: ignore[overload-overlap]
        self,
        session: OneSession,
        run: layout.Filter = ...,
        echo: layout.Filter = ...,
        part: layout.Filter = ...,
    ) -> list[Path]: ...

    @overload
    def get_raw_bold(
        self,
        session: SeveralSessions,
        run: layout.Filter = ...,
        echo: layout.Filter = ...,
        part: layout.Filter = ...,
    ) -> dict[str, list[Path]]: ...

    def get_raw_bold(
        self,
        session: OneSession | SeveralSessions,
        run: layout.Filter = None,
        echo: layout.Filter = None,
        part: layout.Filter = None,
    ) -> list[Path] | dict[str, list[Path]]:
        """Return the paths of a session's raw BOLD series, in order.

        Parameters
        ----------
        session : str, int, list of them or None
            As in `get_events`.
        run, echo, part
            Entities, as in `has_raw`.

        Returns
        -------
        list of Path or dict of list of Path

        Raises
        ------
        DataNotDownloadedError
            When no such file is downloaded.
        """
        return self._raw_paths(session, raw_data.BOLD, run=run, echo=echo, part=part)

    @overload
    def get_sbref(  # type: ignore[overload-overlap]
        self,
        session: OneSession,
        run: layout.Filter = ...,
        echo: layout.Filter = ...,
        part: layout.Filter = ...,
    ) -> list[Path]: ...

    @overload
    def get_sbref(
        self,
        session: SeveralSessions,
        run: layout.Filter = ...,
        echo: layout.Filter = ...,
        part: layout.Filter = ...,
    ) -> dict[str, list[Path]]: ...

    def get_sbref(
        self,
        session: OneSession | SeveralSessions,
        run: layout.Filter = None,
        echo: layout.Filter = None,
        part: layout.Filter = None,
    ) -> list[Path] | dict[str, list[Path]]:
        """Return the paths of a session's single-band references; see `get_raw_bold`."""
        return self._raw_paths(session, raw_data.SBREF, run=run, echo=echo, part=part)

    def _by_raw_session(
        self, session: OneSession | SeveralSessions, read: Callable[[str], T]
    ) -> T | dict[str, T]:
        listed = raw_data.sessions(self._files) if session is None else session
        return self._by_session(listed, read)

    def _raw_paths(
        self, session: OneSession | SeveralSessions, suffix: str, **entities: layout.Filter
    ) -> list[Path] | dict[str, list[Path]]:
        return self._by_raw_session(
            session, lambda ses: raw_data.require(self._files, ses, suffix, **entities)
        )
