"""Keep projected gradients of training rows on disk, for further queries on the same model and data.

An attribution then costs a pass over its queries alone. Each model, projection and Fisher sample has a folder, by the
hash of weights, settings and tokens; in it one float16 file for each shard of rows, by the hash of its tokens, which is
memory-mapped. A shard that exists is complete, so a killed index continues, and one whose corpus grew keeps what it
has. Space: 2 bytes for each number of a gradient, `projection_dim` squared for each linear layer and row.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from diagnose.attribution.gradients.caught import BatchGradients, ProjectedGradients
from diagnose.attribution.gradients.layers import freeze, linear_layers
from diagnose.attribution.gradients.of_rows import CHUNK_ROWS, LiveGradients, RowGradients
from diagnose.attribution.gradients.projection import LayerProjection, in_columns
from diagnose.attribution.gradients.sample import FisherSample
from diagnose.attribution.influence import Influence
from diagnose.rows.batches import num_loss_tokens
from diagnose.rows.tokens import TokenRows
from evals.model_ref import CausalModel

_DRAWN = "drawn"

_Batches = Iterator[tuple[NDArray[np.int64], BatchGradients]]


class IndexedGradients:
    """Gradients from the index where it has them, else from the model; valid within `catch_gradients`."""

    def __init__(
        self, index: "GradientIndex", gradients: ProjectedGradients, sample: FisherSample, batch_tokens: int
    ) -> None:
        self._index, self._gradients = index, gradients
        self._sample, self._batch_tokens = sample, batch_tokens
        self._live: LiveGradients | None = None

    @property
    def drawn(self) -> Tensor:
        if not self._index.is_begun:
            self._index.begin(self._gradients.projections, self._from_model().drawn)
        return self._index.drawn(self._gradients.device)

    @property
    def num_tokens(self) -> int:
        """Tokens of the calibration batch, where it went through the model."""
        return 0 if self._live is None else self._live.num_tokens

    def of(self, rows: TokenRows, start: int) -> RowGradients:
        if self._index.has(rows):
            return RowGradients(self._index.read(rows, self._gradients.device, self._gradients.dtype), 0)
        live = self._from_model().of(rows, start)
        return RowGradients(self._index.kept(rows, live.batches, self._gradients.dim), live.num_tokens)

    def _from_model(self) -> LiveGradients:
        if self._live is None:
            self._live = LiveGradients(self._gradients, self._sample, self._batch_tokens)
        return self._live


class GradientIndex:
    """Index of one model, projection and sample."""

    def __init__(self, folder: Path, model: CausalModel, sample: FisherSample, settings: Influence, seed: int) -> None:
        self._last_blocks = settings.last_blocks
        dtype = next(model.parameters()).dtype
        identity = (settings.projection_dim, settings.temperature, settings.last_blocks, seed, dtype)
        digest = hashlib.sha256(repr(identity).encode())
        for name, values in sorted(model.state_dict().items()):
            digest.update(name.encode())
            digest.update(values.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
        digest.update(_tokens(sample.rows))
        digest.update(sample.seeds.tobytes())
        self.folder = folder / digest.hexdigest()[:16]

    @property
    def is_begun(self) -> bool:
        """Whether projections and the sample's gradients are stored."""
        return self._head.is_file()

    def projections(self, model: CausalModel) -> list[LayerProjection]:
        """Load the projections with which the index was begun; freezes the model."""
        layers = linear_layers(model, self._last_blocks)
        freeze(model)
        device, kept = next(model.parameters()).device, load_file(self._head)
        sides: list[tuple[Tensor, Tensor]] = []
        for layer in layers:
            own = kept.get(f"{layer.name}.in")
            sides.append((sides[-1][0] if own is None else own.to(device), kept[f"{layer.name}.out"].to(device)))
        return in_columns(layers, sides)

    def drawn(self, device: torch.device) -> Tensor:
        drawn: Tensor = load_file(self._head)[_DRAWN]
        return drawn.to(device)

    def begin(self, projections: Sequence[LayerProjection], drawn: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {_DRAWN: drawn}
        of_last = None
        for projection in projections:
            if projection.input_side is not of_last:  # else it has that of the layer before
                of_last = tensors[f"{projection.layer.name}.in"] = projection.input_side
            tensors[f"{projection.layer.name}.out"] = projection.output_side
        temporary = self._head.with_suffix(".tmp")
        save_file({name: values.contiguous().cpu() for name, values in tensors.items()}, temporary)
        temporary.replace(self._head)

    def has(self, rows: TokenRows) -> bool:
        return self._file(rows, "npz").is_file()

    def read(self, rows: TokenRows, device: torch.device, dtype: torch.dtype) -> _Batches:
        with np.load(self._file(rows, "npz")) as file:
            places, scale = file["places"], file["scale"]
            losses, hidden, is_finite = file["losses"], file["hidden"], file["is_finite"]
        grads = np.load(self._file(rows, "npy"), mmap_mode="r")
        for first in range(0, len(places), CHUNK_ROWS):
            chunk = slice(first, first + CHUNK_ROWS)
            whole = grads[chunk].astype(np.float32) * scale[chunk, None]
            yield (
                places[chunk],
                BatchGradients(
                    grads=torch.from_numpy(whole).to(device, dtype),
                    losses=torch.from_numpy(losses[chunk]).to(device),
                    hidden=torch.from_numpy(hidden[chunk]).to(device, dtype),
                    is_finite=torch.from_numpy(is_finite[chunk]).to(device),
                ),
            )

    def kept(self, rows: TokenRows, batches: _Batches, dim: int) -> _Batches:
        """Pass on the batches of the rows and store them; what belongs beside the gradients is written last."""
        num_rows = int((num_loss_tokens(rows) > 0).sum())
        if num_rows == 0:  # an empty file cannot be mapped, and there is nothing to keep
            return
        temporary = self._file(rows, "tmp")
        grads = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=(num_rows, dim))
        beside: list[tuple[NDArray[Any], ...]] = []
        done = 0
        for places, batch in batches:
            # Gradients of a sure and of an unsure row differ by more than float16 can tell.
            scale = batch.grads.abs().amax(1).float().clamp_min(torch.finfo(torch.float32).tiny)
            grads[done : done + len(places)] = (batch.grads / scale[:, None]).half().cpu().numpy()
            done += len(places)
            others = (scale, batch.losses, batch.hidden.float(), batch.is_finite)
            beside.append((places, *(values.cpu().numpy() for values in others)))
            yield places, batch
        assert done == num_rows, "every row with loss comes once"
        grads.flush()
        temporary.replace(self._file(rows, "npy"))
        with self._file(rows, "tmp").open("wb") as file:
            places, scales, losses, hidden, is_finite = (np.concatenate(values) for values in zip(*beside, strict=True))
            np.savez(file, places=places, scale=scales, losses=losses, hidden=hidden, is_finite=is_finite)
            file.flush()
            os.fsync(file.fileno())
        self._file(rows, "tmp").replace(self._file(rows, "npz"))

    @property
    def _head(self) -> Path:
        return self.folder / "projections.safetensors"

    def _file(self, rows: TokenRows, suffix: str) -> Path:
        return self.folder / f"{hashlib.sha256(_tokens(rows)).hexdigest()[:16]}.{suffix}"


def _tokens(rows: TokenRows) -> bytes:
    return rows.ids.tobytes() + rows.has_loss.tobytes() + rows.offsets.tobytes()
