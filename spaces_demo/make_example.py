"""Make the example that the Space shows: a simulated case, in whole numbers up to 255, small enough to ship.

python spaces_demo/make_example.py spaces_demo/example
"""

import argparse
import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

from recoseg_hf import Volume, simulate_case

SEED = 0


def eight_bits(scan: Volume) -> np.ndarray:
    """Map intensities to 1 to 255 inside the brain; the brightest 0.05 % (vessels) share the highest."""
    inside = scan.data > 0
    scaled = np.rint(scan.data * (255 / np.percentile(scan.data[inside], 99.95)))
    return np.where(inside, scaled.clip(1, 255), 0).astype(np.uint8)


def write(file: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write NIfTI, packed as tightly as gzip can: it is packed once and fetched often."""
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    file.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    case = simulate_case(SEED)
    for name, volume in case.volumes().items():
        data = volume.data if name == "seg" else eight_bits(volume)
        write(folder / f"{case.subject}_{name}.nii.gz", data, volume.affine)


if __name__ == "__main__":
    main()
