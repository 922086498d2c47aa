"""The visitor of a page, and their rights on a server with several users.

The owner is the person to whom machine, agreement and data directory belong. Others are viewers
with read-only access. On a server without settings of its own (``panel serve``), visitors from
this machine are owners and all others are viewers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import panel as pn

from laion_fmri._errors import NotAllowedError
from laion_fmri.explorer.runtime.host_check import (
    is_from_this_machine,
    only_local,
    origins_of_process,
    request_of_page,
)

OWNER_VARIABLE = "LAION_FMRI_OWNER"
SHARE_VARIABLE = "LAION_FMRI_SHARE_IMAGES"

DOWNLOADING = "Downloading"
CHECKING = "Checking local files"
AGREEING = "Access to the images"
CHOOSING_FOLDER = "Choosing the data folder"
CHANGING_SETTINGS = "Changing the settings"

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
        Whether they may do what is reserved for the owner: download, delete, set the data
        directory, log in to the access service, make splits, save selections.
    sees_images : bool
        Whether they may see the stimulus images.
    owner : str
        The user who may act; empty when no owner is set.
    banner : str
        A message at the top of every page they open; may be empty.
    user : str
        Their login name; empty without a login.
    """

    may_act: bool = True
    sees_images: bool = True
    owner: str = ""
    banner: str = ""
    user: str = ""

    def within(self, other: Visitor) -> Visitor:
        """Return the same person, limited to the rights of another visitor."""
        return replace(
            self,
            may_act=self.may_act and other.may_act,
            sees_images=self.sees_images and other.sees_images,
            owner=self.owner or other.owner,
        )

    def why_not(self, what: str) -> str:
        """Return a sentence that explains that an action is reserved for the owner.

        Parameters
        ----------
        what : str
            The action, as the subject of the sentence: ``"Downloading"``.
        """
        if self.owner:
            return f"{what} is reserved for the owner of this server ({self.owner})."
        return f"{what} is reserved for the owner of this server, which has none."

    def require_owner(self, what: str) -> None:
        """Refuse an action that is reserved for the owner.

        Raises
        ------
        NotAllowedError
        """
        if not self.may_act:
            raise NotAllowedError(self.why_not(what))

    def require_images(self) -> None:
        """Refuse to read an image for a visitor who may not see it.

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
    """The server options that determine the rights of users.

    Attributes
    ----------
    is_shared : bool
        Whether anyone other than the person at this machine can reach the server.
    has_login : bool
    owner : str
        The user who may act and who accepted the agreement of the images.
    shares_images : bool
        Whether it was declared that all users are covered by the agreement.
    """

    is_shared: bool = False
    has_login: bool = False
    owner: str = ""
    shares_images: bool = False

    def visitor(self, user: str | None) -> Visitor:
        """Return the visitor for a user; None without a login."""
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


def visitor_of_page() -> Visitor:
    """Return the visitor of the page being created; the owner outside a server.

    ``LAION_FMRI_OWNER`` names the user of Panel's login who is the owner. Without it, the owner
    is the user of the server's own machine, unless the server accepts pages from
    elsewhere. ``LAION_FMRI_SHARE_IMAGES=1`` declares that all users are covered by the agreement.
    """
    request = request_of_page()
    if request is None:
        return OWNER
    owner = os.environ.get(OWNER_VARIABLE, "")
    user = pn.state.user
    is_local = is_from_this_machine(request) and only_local(origins_of_process())
    policy = Policy(
        is_shared=bool(owner) or not is_local,
        has_login=user is not None,
        owner=owner,
        shares_images=os.environ.get(SHARE_VARIABLE) == "1",
    )
    return OWNER if not policy.is_shared else policy.visitor(user)
