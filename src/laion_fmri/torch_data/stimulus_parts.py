"""What items have of their images: pixels and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from laion_fmri._errors import InconsistentDataError, InvalidArgumentError
from laion_fmri.arguments import is_single
from laion_fmri.names import as_names
from laion_fmri.stimuli.embeddings import Embeddings
from laion_fmri.stimuli.hub import LocalStimuli

if TYPE_CHECKING:
    from PIL.Image import Image

WithoutEmbedding = Literal["raise", "leave_out"]
WITHOUT_EMBEDDING: tuple[WithoutEmbedding, ...] = ("raise", "leave_out")


class ItemEmbeddings:
    """The embeddings of some images by one or several models.

    Parameters
    ----------
    data_dir : Path
    models : str or list of str
        Published embeddings or registered features.
    names : sequence of str
        Images; those that a model lacks are left out.

    Attributes
    ----------
    lacking : dict of str to str
        The images that a model lacks, with the first such model.
    """

    def __init__(self, data_dir: Path, models: str | Iterable[str], names: Sequence[str]) -> None:
        listed = list(dict.fromkeys(as_names(models, "model")))
        if not listed:
            raise InvalidArgumentError("No embedding was asked for. Name at least one.")
        self._is_single = is_single(models)
        self.lacking: dict[str, str] = {}
        self._values: dict[str, torch.Tensor] = {}
        rows: dict[str, tuple[list[str], NDArray[np.floating]]] = {}
        with Embeddings(listed, data_dir) as embeddings:
            for model in listed:
                absent = set(embeddings.lacking(model, names))
                present = [name for name in names if name not in absent]
                values = embeddings.rows(model, present)
                is_nan = np.any(np.isnan(values), axis=1)
                absent.update(name for name, nan in zip(present, is_nan, strict=True) if nan)
                for name in names:
                    if name in absent:
                        self.lacking.setdefault(name, model)
                rows[model] = present, values
        complete = [name for name in names if name not in self.lacking]
        self._row = {name: row for row, name in enumerate(complete)}
        for model, (present, values) in rows.items():
            keep = [name not in self.lacking for name in present]
            # A tensor, because workers share the memory of tensors.
            self._values[model] = torch.from_numpy(values[keep])

    def get(self, name: str) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return the float32 embedding of an image, or one by each model."""
        row = self._row[name]
        found = {
            model: torch.from_numpy(values[row].numpy().astype(np.float32))
            for model, values in self._values.items()
        }
        return next(iter(found.values())) if self._is_single else found


class StimulusParts:
    """The image and the embeddings of an item.

    Parameters
    ----------
    data_dir : Path
    subject : str
        For messages.
    names : iterable of str
        The images of all items.
    image : bool
        Include pixels.
    transform : callable, optional
    embeddings : ItemEmbeddings, optional
    """

    def __init__(
        self,
        data_dir: Path,
        subject: str,
        names: Iterable[str],
        image: bool,
        transform: Callable[[Image], Any] | None,
        embeddings: ItemEmbeddings | None,
    ) -> None:
        self._stimuli = LocalStimuli(data_dir) if image else None
        self._transform, self._embeddings = transform, embeddings
        if self._stimuli is not None:
            images = self._stimuli.images
            unknown = [name for name in dict.fromkeys(names) if name not in images]
            if unknown:
                raise InconsistentDataError(
                    f"{len(unknown)} images shown to {subject} are not among the stimuli (first: "
                    f"{unknown[0]}). Download them again with laion_fmri.download_stimuli()."
                )

    def get(self, name: str) -> dict[str, Any]:
        """Return ``image`` and ``embeddings``, as far as they were asked for."""
        parts: dict[str, Any] = {}
        if self._stimuli is not None:
            parts["image"] = self._picture(self._stimuli, name)
        if self._embeddings is not None:
            parts["embeddings"] = self._embeddings.get(name)
        return parts

    def _picture(self, stimuli: LocalStimuli, name: str) -> Any:
        picture = stimuli.images.get(name)
        if self._transform is not None:
            return self._transform(picture)
        # numpy reorders the axes, because torch would start threads, after which the same operation
        # deadlocks in a forked process.
        channels = np.ascontiguousarray(np.moveaxis(np.asarray(picture), -1, 0))
        return torch.from_numpy(np.divide(channels, 255, dtype=np.float32))
