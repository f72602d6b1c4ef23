"""Volumes out of the prepared slice data set, and random patches of them, for the 3D baselines."""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch.utils.data import Dataset, default_collate

from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.volume_grid import thick_slices
from recoseg_hf.pipeline.conventions import CONDITIONS
from recoseg_hf.pipeline.residual import calibrate_residual, named_planes, residual_map


class VolumeDataset(Dataset):
    """One split, one item per subject: its slices that hold brain, put together to ones `slice_spacing` mm high.

    Items are float32 tensors (D, C, S, S), D thick slices from the lowest: `conditions` (FLAIR, T1, T2), `guides` (the
    other channels, in the order of `guides`) and `regions` (WT, TC, ET). D is that of the longest volume, and a
    patch's at least, so that volumes make a batch; a shorter one repeats its last slice past its own `depth`.

    Args:
        slices: all slices of each subject, without neighbours.
        channels: that the segmenter sees.
        residual_clip: upper limit of R, for a residual channel.
        slice_spacing: in whole mm; the slices of the data set are 1 mm apart.
        patch_size: in voxels.
    """

    def __init__(
        self, slices: SliceDataset, channels: Sequence[str], residual_clip: float, slice_spacing: int, patch_size: int
    ):
        self.slices, self.residual_clip, self.spacing = slices, residual_clip, slice_spacing
        self.guides = tuple(name for name in channels if name not in CONDITIONS)
        self._items = {name: list(items) for name, items in groupby(range(len(slices)), key=slices.subject)}
        self._names = list(self._items)
        self.depth = max([patch_size, *(-(-len(items) // slice_spacing) for items in self._items.values())])

    @property
    def rows(self) -> Sequence[int]:
        """The rows of the table that the volumes are made of."""
        return self.slices.rows

    def __len__(self) -> int:
        return len(self._names)

    def subject(self, index: int) -> str:
        """The subject that an item is."""
        return self._names[index]

    def chosen_subjects(self) -> list[str]:
        """The subjects that there are, in order."""
        return list(self._names)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        slices = default_collate([self.slices[item] for item in self._items[self._names[index]]])
        thick = {
            "conditions": thick_slices(slices["conditions"][:, 0], self.spacing),
            "guides": thick_slices(self._guides_of(slices), self.spacing),
            "regions": thick_slices(slices["regions"], self.spacing),
        }
        depth = len(thick["regions"])
        padded = {name: _lengthened(values, self.depth) for name, values in thick.items()}
        return padded | {"depth": torch.tensor(depth)}

    def _guides_of(self, slices: dict[str, torch.Tensor]) -> torch.Tensor:
        """The channels beside the conditions, (N, G, S, S), as the pipeline makes them of a whole volume."""
        t1, t1ce, brain = slices["t1"][:, 0], slices["t1ce"][:, 0], slices["brain"][:, 0] > 0.5
        synthetic = slices["synthetic_t1ce"][:, 0] if "synthetic_t1ce" in slices else None
        residual = None
        if synthetic is not None:
            residual = calibrate_residual(residual_map(t1ce, synthetic, brain), self.residual_clip)
        planes = named_planes(slices["conditions"][:, 0], t1, brain, t1ce, synthetic, residual)
        return torch.cat([planes[name] for name in self.guides] or [t1[:, :0]], dim=1)


def _lengthened(thick: torch.Tensor, depth: int) -> torch.Tensor:
    return torch.cat([thick, thick[-1:].expand(depth - len(thick), *thick.shape[1:])])


def patch_corners(
    tumour: torch.Tensor,
    depths: torch.Tensor,
    patch_size: int,
    tumour_share: float,
    randomness: SampleRandomness,
) -> torch.Tensor:
    """Draw where the patch of each volume begins.

    Args:
        tumour: (B, D, S, S), above one half where there is tumour.
        depths: int64 (B,), how much of D is the volume's own.
        patch_size: in voxels, at most D and S.
        tumour_share: how often the patch has a voxel of tumour in its middle, as far as the volume allows; else it
            lies anywhere. In a volume without tumour it always does.
        randomness: gives four numbers for each.

    Returns:
        int64 (B, 3), the first voxel of each patch; the patch lies within the volume.
    """
    draws, corners = randomness.uniform(4), []
    for mask, depth, draw in zip(tumour > 0.5, depths.tolist(), draws, strict=True):
        room = torch.tensor([max(depth, patch_size), *mask.shape[1:]]) - patch_size
        places = mask[:depth].nonzero().cpu() if draw[0] < tumour_share else ()
        if len(places):
            middle = places[int(draw[1] * len(places))]
            corners.append((middle - patch_size // 2).clamp(min=0).minimum(room))
        else:
            corners.append((draw[1:] * (room + 1)).long().minimum(room))
    return torch.stack(corners)


def cut_patches(volumes: torch.Tensor, corners: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut a cube out of each volume (B, D, C, S, S): (B, C, P, P, P), as a 3D net takes it.

    Args:
        volumes: any values.
        corners: int64 (B, 3), from `patch_corners`.
        patch_size: P.
    """
    cubes = []
    for volume, corner in zip(volumes, corners.tolist(), strict=True):
        low, row, column = (slice(start, start + patch_size) for start in corner)
        cubes.append(volume[low, :, row, column])
    return torch.stack(cubes).movedim(2, 1)
