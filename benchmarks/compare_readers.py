"""Give the same damaged cases to three ways of reading, and record who notices what.

    python -m benchmarks.compare_readers [--output benchmarks/results/readers.json]
    python -m benchmarks.fill_reliability      # writes the table of docs/reliability.md

The damages are those of `tests/inputs/damages.py`. The ways: `nibabel`, a plain script (load, get_fdata, stack);
`monai`, LoadImaged, EnsureChannelFirstd, Orientationd and ConcatItemsd over a file each; `monai_list`, the same over
one list of files, which LoadImaged joins; `recoseg_hf`, `check_case`.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402

import recoseg_hf  # noqa: E402
from recoseg_hf.errors import Problems  # noqa: E402
from recoseg_hf.files import write_json  # noqa: E402
from recoseg_hf.imaging.check import check_case  # noqa: E402
from recoseg_hf.imaging.layout import modalities_in  # noqa: E402
from recoseg_hf.imaging.reading import read_volumes  # noqa: E402
from recoseg_hf.imaging.volume import to_canonical  # noqa: E402
from tests import factories  # noqa: E402
from tests.inputs.damages import DAMAGES, Damage  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "readers.json"
SCANS = factories.MODALITIES
# Found by names in a folder, which the others leave to the caller (39 is 1 for whoever names files), or by nobody.
LEFT_OUT = ("path_missing", "modality_twice", "other_names", "swapped")
# What a message has to speak of to have named the cause; generous, in anybody's words.
CAUSES = {
    "empty_file": "empty",
    "truncated_gz": "ended before|truncat|incomplete|broken|corrupt",
    "flipped_byte": "crc|checksum|broken|corrupt",
    "wrong_crc": "crc|checksum|broken|corrupt",
    "truncated_nii": r"ends after|truncat|expected \d+ bytes|could the file be damaged",
    "plain_named_gz": "compress|gzip",
    "gz_named_nii": "compress|gzip",
    "dicom_file": "dicom",
    "lfs_pointer": "lfs",
    "html_page": "web page|html",
    "header_bomb": "voxels|allocate|memory",
    "gzip_bomb": "after its voxels|too large|memory",
    "two_d": "2d|dimension",
    "four_d": "4d|dimension|shape",
    "five_d": "5d|dimension|shape",
    "size_zero": "no voxels|zero|empty|shape",
    "single_slice": "single slice",
    "colour": "rgb|colour|color|structured|dtype",
    "complex_values": "complex",
    "intercept_of_nan": "intercept|inter",
    "zero_affine": "affine|spacing|zoom|singular",
    "affine_of_nan": "affine|nan",
    "no_orientation": "orientation|sform|qform|affine",
    "two_orientations": "sform|qform",
    "sheared": "shear|orthogonal|right angle",
    "metres": "spacing|zoom|pixdim",
    "shifted_origin": "affine|origin|mm from",
    "other_shape": "shape|size|dimension",
    "modality_missing": "no such file|does not exist|no file|not found",
    "same_scan_twice": "same|those of",
    "with_skull": "skull|zero",
    "thick_slices": "spacing|voxels are",
    "one_nan": "nan",
    "all_zero": "every voxel|constant|zero",
    "labels_of_two_schemes": "labels 3 and 4",
    "unknown_label": "unknown label",
    "interpolated_labels": "between labels|integer",
    "labels_on_another_grid": "affine|shape|mm from",
}


def of_nibabel(files: Mapping[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """What scripts do: no transform, files as they come."""
    scans = np.stack([nib.load(files[name]).get_fdata() for name in SCANS])
    return scans, nib.load(files["seg"]).get_fdata()


def of_monai(files: Mapping[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """What users of MONAI do: its dictionary transforms with their defaults."""
    from monai.transforms import Compose, ConcatItemsd, EnsureChannelFirstd, LoadImaged, Orientationd

    keys = [*SCANS, "seg"]
    transforms = [
        LoadImaged(keys),
        EnsureChannelFirstd(keys),
        Orientationd(keys, axcodes="RAS"),
        ConcatItemsd([*SCANS], name="image", dim=0),
    ]
    found = Compose(transforms)({name: str(file) for name, file in files.items()})
    return np.asarray(found["image"]), np.asarray(found["seg"])[0]


def of_monai_list(files: Mapping[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """The other way of MONAI's tutorials: the four files as one list, which its reader joins itself."""
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd

    keys = ["image", "seg"]
    transforms = [LoadImaged(keys), EnsureChannelFirstd(keys), Orientationd(keys, axcodes="RAS")]
    found = Compose(transforms)({"image": [str(files[name]) for name in SCANS], "seg": str(files["seg"])})
    return np.asarray(found["image"]), np.asarray(found["seg"])[0]


def of_recoseg(files: Mapping[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """The project: `check_case` for what is said, the reading beneath it for the voxels."""
    checked = check_case(files)
    for doubt in checked.doubts:
        if "it covers" not in doubt.found:  # tiny volumes are no whole brain
            warnings.warn(str(doubt), stacklevel=1)
    if checked.problems:
        raise checked.problems[0]
    volumes = read_volumes(files, Problems())
    data = {name: to_canonical(volume, volume.voxel_spacing[0]).data for name, volume in volumes.items()}
    return np.stack([data[name] for name in SCANS]), data["seg"]


READERS: dict[str, Callable[[Mapping[str, Path]], tuple[np.ndarray, np.ndarray]]] = {
    "nibabel": of_nibabel, "monai": of_monai, "monai_list": of_monai_list, "recoseg_hf": of_recoseg,
}  # fmt: skip


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a case, found or, of a missing one, where it would be."""
    found = modalities_in(folder)
    return {name: found.get(name, [folder / f"{folder.name}_{name}.nii.gz"])[0] for name in (*SCANS, "seg")}


def is_right(damage: Damage, image: np.ndarray, seg: np.ndarray, folder: Path) -> bool:
    """Say whether arrays are those of the case that was damaged without harm, in RAS or as they lie in the files."""
    whole, labels = np.stack([factories.intensities(seed=seed) for seed in range(4)]), factories.labels()
    files = files_of(folder)
    if damage.name in ("empty_edge_slices", "negative_and_outlier", "odd_size", "swapped"):
        # Plain files by construction: what is stored is what is right.
        whole = np.stack([np.asarray(nib.load(files[name]).dataobj) for name in SCANS])
        labels = np.asarray(nib.load(files["seg"]).dataobj)
    stored = np.transpose(whole[:, :, ::-1, ::-1], (0, 2, 3, 1)), np.transpose(labels[:, ::-1, ::-1], (1, 2, 0))
    straight = whole, labels
    candidates = [straight, stored] if damage.name == "other_axes" else [straight]
    return any(np.array_equal(image, a) and np.array_equal(seg, b) for a, b in candidates)


class Heard(logging.Handler):
    """Keeps what libraries log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def messages(error: BaseException | None) -> list[str]:
    """An error's message and those of the errors that led to it, as a traceback shows them."""
    found = []
    while error is not None:
        found.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return found


def attempt(reader: str, damage: Damage) -> dict[str, str]:
    """Damage a case of its own, have it read, and judge what came of it."""
    with tempfile.TemporaryDirectory() as root:
        folder = factories.save_case(Path(root), "sub-01")
        damage.do(folder)
        files = files_of(folder)
        heard, error, arrays = Heard(), None, None
        logging.getLogger().addHandler(heard)
        logging.getLogger("nibabel.global").addHandler(heard)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                arrays = READERS[reader](files)
        except Exception as caught:
            error = caught
        finally:
            logging.getLogger().removeHandler(heard)
            logging.getLogger("nibabel.global").removeHandler(heard)
        said = messages(error) or [*heard.lines, *(str(one.message) for one in warned)]
        outcome = judge(damage, error, arrays, "\n".join(said), folder)
        return {"outcome": outcome, "message": shown(said, root) if outcome in ("named", "error", "refused") else ""}


def judge(damage: Damage, error: Exception | None, arrays: Any, said: str, folder: Path) -> str:
    """Return `named` (told, with file and cause), `error` (one of these lacks), `refused` (though usable), `right` or
    `silent`."""
    if damage.right == "read":
        return "refused" if error else "right" if is_right(damage, *arrays, folder) else "silent"
    names_file = any(file.name in said for file in files_of(folder).values())
    names_cause = re.search(CAUSES[damage.name], said.replace(folder.name, ""), re.IGNORECASE)
    if names_file and names_cause:
        return "named"
    if error:
        return "refused" if damage.right == "warn" else "error"
    return "silent"


def shown(said: list[str], root: str) -> str:
    """What was said, without the folder of this run, cut to a length for a table."""
    text = " <- ".join(" ".join(one.split()) for one in said).replace(f"{root}/", "")
    text = re.sub(r" object at 0x[0-9a-f]+", "", text)
    return text if len(text) <= 300 else f"{text[:300]}..."


def compare() -> dict[str, Any]:
    """Try everything."""
    import monai

    rows = []
    for damage in sorted(DAMAGES.values(), key=lambda damage: damage.number):
        if damage.name not in LEFT_OUT:
            found = {reader: attempt(reader, damage) for reader in READERS}
            rows.append({"number": damage.number, "name": damage.name, "right": damage.right, **found})
            print(damage.number, damage.name, *(found[reader]["outcome"] for reader in READERS), flush=True)
    counts = {
        right: {reader: Counter(row[reader]["outcome"] for row in rows if row["right"] == right) for reader in READERS}
        for right in ("refuse", "warn", "read")
    }
    versions = {"nibabel": nib.__version__, "monai": monai.__version__, "recoseg_hf": recoseg_hf.__version__}
    return {"versions": versions, "numpy": np.__version__, "counts": counts, "rows": rows}


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULT)
    write_json(parser.parse_args().output, compare())


if __name__ == "__main__":
    main()
