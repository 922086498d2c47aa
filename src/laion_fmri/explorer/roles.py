"""Who may do and see what, on a server that several people use. No widgets.

The owner is the person whose machine, agreement and data directory it is; everybody else is
a viewer, who may look. On one's own machine the person in front of the page is the owner.
"""

from __future__ import annotations

from dataclasses import dataclass

from laion_fmri._errors import NotAllowedError

IMAGES_HIDDEN = (
    "The stimulus images are under a data use agreement that forbids passing them on, so this "
    "server shows them only to the person who accepted it. Everything else works without them."
)
NO_LOGIN = (
    "This server was started without a login: everybody who can reach its address sees this page."
)


@dataclass(frozen=True)
class Visitor:
    """The person at a page.

    Attributes
    ----------
    may_act : bool
        Whether they may change what is the owner's: download, delete, set the data directory,
        log in to the access service, make splits, keep selections.
    sees_images : bool
        Whether the stimulus images are shown to them.
    owner : str
        Who may act; empty where nobody was named.
    banner : str
        What stands on every page they open; empty for nothing.
    user : str
        The name they logged in with; empty without a login.
    """

    may_act: bool = True
    sees_images: bool = True
    owner: str = ""
    banner: str = ""
    user: str = ""

    def why_not(self, what: str) -> str:
        """A sentence that says that something is not theirs to do.

        Parameters
        ----------
        what : str
            It, as the subject of the sentence: ``"Downloading"``.
        """
        if self.owner:
            return f"{what} is up to the owner of this server ({self.owner})."
        return f"{what} is up to the owner of this server, and none was named when it was started."

    def require_owner(self, what: str) -> None:
        """Refuse what only the owner may do.

        Raises
        ------
        NotAllowedError
        """
        if not self.may_act:
            raise NotAllowedError(self.why_not(what))

    def require_images(self) -> None:
        """Refuse to read an image for somebody who may not see it.

        Raises
        ------
        NotAllowedError
        """
        if not self.sees_images:
            raise NotAllowedError(IMAGES_HIDDEN)


OWNER = Visitor()
"""The person at a page of their own machine."""


@dataclass(frozen=True)
class Policy:
    """How a server was started, as far as it decides who is who.

    Attributes
    ----------
    is_shared : bool
        Whether others than the person at this machine can reach it.
    has_login : bool
    owner : str
        The user who may act and who accepted the agreement of the images.
    shares_images : bool
        Whether it was stated that all users are covered by the agreement.
    """

    is_shared: bool = False
    has_login: bool = False
    owner: str = ""
    shares_images: bool = False

    def visitor(self, user: str | None) -> Visitor:
        """Who a user is; without a login there is none."""
        if not self.is_shared and not self.has_login:
            return OWNER
        banner = "" if self.has_login else NO_LOGIN
        is_owner = self.has_login and bool(self.owner) and user == self.owner
        return Visitor(
            may_act=is_owner,
            sees_images=is_owner or self.shares_images,
            owner=self.owner,
            banner=banner,
            user=(user or "") if self.has_login else "",
        )
