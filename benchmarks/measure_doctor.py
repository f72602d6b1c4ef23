"""How often `recoseg doctor` names a fault that was put into a real case, and how often it suspects a clean one.

    python benchmarks/measure_doctor.py features --data BRATS --cache FOLDER [--part 0/2]
    python benchmarks/measure_doctor.py limits --data BRATS --cache FOLDER
    python benchmarks/measure_doctor.py rates --data BRATS --cache FOLDER --output benchmarks/results/doctor.json

`features` measures every case with every fault once; the files of the cache hold numbers, no voxels, and a second run
measures what is missing. `limits` chooses the limits on the training subjects and writes them where the command reads
them. `rates` counts, and `python -m benchmarks.fill_reliability` writes the table of docs/reliability.md. `features`
took about half an hour of one core.
"""

import argparse
import json
import zlib
from dataclasses import replace
from pathlib import Path

import doctor_faults as faults
import numpy as np
from doctor_rates import count_rates, fitted

from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.inference.doctor.limits import LIMITS_FILE
from recoseg_hf.inference.doctor.measuring import Measures, extent_mm, measure_contrast, measure_pairs
from recoseg_hf.inference.doctor.scans import Scans, brain_box, in_blocks, make_scans, reduce_case, reduce_scan
from recoseg_hf.pipeline.conventions import MODALITIES

Found = dict[str, tuple[Measures, str]]
"""By fault: the measures, and the scan or the two scans at fault."""


def main() -> None:
    """Measure, fit or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["features", "limits", "rates"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--part", default="0/1", help="of the cases, as in 0/2 and 1/2 for two processes")
    parser.add_argument("--stages", default=",".join(STAGES), help="of the faults, in this order")
    parser.add_argument("--output", type=Path, help="of `rates`, or of `limits` in place of the command's own file")
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())
    train, held_out = sorted(splits["train"]), sorted(splits["validation"])
    if options.what == "features":
        part, parts = map(int, options.part.split("/"))
        for stage in options.stages.split(","):
            for subject in (held_out + train)[part::parts]:
                cache_features(options.data / subject, options.cache / f"{subject}.json", stage)
        return
    there = [subject for subject in train + held_out if (options.cache / f"{subject}.json").is_file()]
    known = {subject: read_features(options.cache / f"{subject}.json") for subject in there}
    train, held_out = ([subject for subject in part if subject in known] for part in (train, held_out))
    if options.what == "limits":
        limits = fitted(known, train)
        note = {"subjects": len(train), "data": "training subjects of BraTS", "command": "measure_doctor.py limits"}
        write_json(options.output or LIMITS_FILE, {"fitted_on": note, "limits": vars(limits)})
        print(json.dumps(vars(limits), indent=2))
        return
    result = count_rates(known, train, held_out) | {"limits": vars(fitted(known, train))}
    write_json(options.output, result)
    print(json.dumps(result["clean"], indent=2))


def read_features(file: Path) -> Found:
    """What `cache_features` wrote: by fault, the measures and the scan at fault."""
    content = json.loads(file.read_text())
    return {name: (Measures.from_json(one["measures"]), one["at_fault"]) for name, one in content.items()}


def cache_features(folder: Path, file: Path, stage: str) -> None:
    """Measure a case, clean and with the faults of a stage; by fault, the measures and the scan that is at fault."""
    found = read_features(file) if file.is_file() else {}
    if all(name in found for put in STAGES[stage] for name in faults.NAMES[put.__name__]) and "clean" in found:
        return
    case = Case.from_folder(folder, segmentation=False)
    volumes = {name: to_canonical(volume) for name, volume in case.volumes().items() if name in MODALITIES}
    scans = reduce_case(volumes)
    if "clean" not in found:
        own_sizes = sizes(volumes, case.flair.data.size)
        found["clean"] = Measures(**own_sizes, pairs=measure_pairs(scans), **measure_contrast(scans)), ""
    for put in STAGES[stage]:
        found |= put(found["clean"][0], volumes, scans, folder.name)
    write_json(file, {name: {"measures": m.to_json(), "at_fault": at_fault} for name, (m, at_fault) in found.items()})
    print(stage, file.stem, flush=True)


def misplaced(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """One scan shifted or turned; only how it lies to the others is measured anew."""
    found = {}
    box = brain_box(np.logical_or.reduce([volume.data != 0 for volume in volumes.values()]))
    for name, (move, how_far) in faults.MISPLACEMENTS.items():
        rng = generator(subject, name)
        modality = faults.drawn(volumes, rng)
        moved = faults.misplaced(in_blocks(volumes[modality].data[box]), move(how_far, rng))
        changed = make_scans(scans.images | {modality: moved}, scans.textures)
        found[name] = replace(clean, pairs=clean.pairs | measure_pairs(changed, modality)), modality
    return found


def mirrored(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """One scan with left and right exchanged: the file as it is, or before it was registered and stripped."""
    found = {}
    box = brain_box(np.logical_or.reduce([volume.data != 0 for volume in volumes.values()]))
    for name in ("flipped file", "flipped before registration"):
        modality = faults.drawn(volumes, generator(subject, name))
        image = scans.images[modality]
        if name == "flipped file":
            flipped = reduce_scan(in_blocks(volumes[modality].data[::-1][box]))
        else:
            flipped = np.where(image != 0, image, np.median(image[image != 0]))[::-1]
            flipped = np.where(image != 0, flipped, 0)
        changed = make_scans(scans.images | {modality: flipped}, scans.textures)
        found[name] = replace(clean, pairs=clean.pairs | measure_pairs(changed, modality)), modality
    return found


def swapped(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """Two scans under one another's name; how they lie to one another stays."""
    found = {}
    for one, other in faults.SWAPS:
        name_of = {name: name for name in MODALITIES} | {one: other, other: one}
        pairs = {
            tuple(sorted((name_of[name] for name in names), key=MODALITIES.index)): pair
            for names, pair in clean.pairs.items()
        }
        renamed = [
            {name: part[name_of[name]] for name in MODALITIES} for part in (scans.images, scans.even, scans.textures)
        ]
        contrast = measure_contrast(Scans(*renamed, scans.brain))
        found[f"swapped {one} and {other}"] = replace(clean, pairs=pairs, **contrast), f"{one}-{other}"
    return found


def mis_scaled(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """A header with another spacing; the command looks at the scans in the size of a brain."""
    found = {}
    for name, factors in faults.UNITS.items():
        filled = {modality: value * float(np.prod(factors)) for modality, value in clean.filled_ml.items()}
        extent = tuple(size * factor for size, factor in zip(clean.extent_mm, factors, strict=True))
        found[name] = replace(clean, filled_ml=filled, extent_mm=extent), ""
    return found


def unstripped(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """A simulated head around the brain: in all files, in one, and in air that is noise; its sizes alone are new."""
    wide = cropped(volumes, margin=24)
    head, voxels = faults.with_head(wide, MODALITIES), volumes["flair"].data.size
    all_files, one_file = sizes(head, voxels), sizes({**wide, "t1": head["t1"]}, voxels)
    noise = {
        "filled_ml": dict.fromkeys(MODALITIES, voxels / 1000),
        "background": dict.fromkeys(MODALITIES, 0.0),
        "extent_mm": tuple(float(size) for size in volumes["flair"].shape),
    }
    return {
        "head in all files": (replace(clean, **all_files), ""),
        "head in one file": (replace(clean, **one_file), "t1"),
        "head in air that is not zero": (replace(clean, **noise), ""),
    }


def unlike(clean: Measures, volumes: faults.Volumes, scans: Scans, subject: str) -> Found:
    """Scans as the model has not seen them; only their contrast and texture are measured anew."""
    close, rng = cropped(volumes, margin=3), generator(subject, "unlike")
    inverted, modality = faults.inverted(close, rng)
    changed = {
        "noise": (faults.noisy(close, rng), ""),
        "8 mm slices": (faults.thick_slices(close), ""),
        "8 mm slices, interpolated": (faults.interpolated_slices(close), ""),
        "inverted contrast": (inverted, modality),
    }
    return {name: (replace(clean, **measure_contrast(reduce_case(to))), at) for name, (to, at) in changed.items()}


def generator(subject: str, fault: str) -> np.random.Generator:
    """Random numbers of a case and a fault, the same each time."""
    return np.random.default_rng([zlib.crc32(subject.encode()), zlib.crc32(fault.encode())])


def cropped(volumes: faults.Volumes, margin: int) -> faults.Volumes:
    """To the brain, with a margin in voxels, as much on the right as on the left of the field of view's middle."""
    filled = np.logical_or.reduce([volume.data != 0 for volume in volumes.values()])
    box = []
    for axis, size in enumerate(filled.shape):
        there = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        room = max(min(there[0], size - 1 - there[-1]) - margin, 0)
        box.append(slice(room, size - room))
    affine = volumes["flair"].affine
    return {name: Volume(volume.data[tuple(box)].copy(), affine) for name, volume in volumes.items()}


def sizes(volumes: faults.Volumes, voxels: int) -> dict:
    """The part of the measures that is about what is not zero."""
    filled = {name: np.count_nonzero(volume.data) for name, volume in volumes.items()}
    return {
        "filled_ml": {name: count / 1000 for name, count in filled.items()},
        "background": {name: 1 - count / voxels for name, count in filled.items()},
        "extent_mm": extent_mm(volumes),
    }


STAGES = {"quick": (swapped, mis_scaled), "mirrored": (mirrored,), "misplaced": (misplaced,),
          "strange": (unstripped, unlike)}  # fmt: skip


if __name__ == "__main__":
    main()
