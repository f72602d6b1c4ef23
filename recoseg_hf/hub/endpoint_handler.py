"""Inference Endpoint of a ReCoSeg model: scans of one case in, mask, labels and volumes out.

Hugging Face's Inference Endpoints load the file `handler.py` of a model repository and call its `EndpointHandler`. It
needs no installed recoseg_hf: `endpoint/` beside it holds the part of the package that it uses, in the version that
the model was exported with. What it raises for bad input the service returns as `{"error": message}` with status 400.

Not a medical device. Send no scan that names a patient to a service that may not hold it.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SCANS = ("flair", "t1", "t2", "t1ce")
VOLUMES = ("mask", "labels", "t1ce", "residual", "probability", "uncertainty")
SETTINGS = {
    "num_inference_steps": int,
    "mask_threshold": float,
    "seed": int,
    "num_samples": int,
    "residual_source": str,
}
RANGES = {"num_inference_steps": (1, 1000), "num_samples": (1, 16), "seed": (0, 2**63 - 1), "mask_threshold": (0, 1)}
NOTICE = "Research use only. Not a medical device: no result may guide a diagnosis or a treatment."


class EndpointHandler:
    """Answers requests with one model, which is loaded once.

    Args:
        path: the downloaded repository.
    """

    def __init__(self, path: str = "") -> None:
        folder = Path(path or Path(__file__).parent).resolve()
        code = str(folder / "endpoint")
        if code not in sys.path:
            sys.path.insert(0, code)
        from recoseg_hf.inference import load_pipeline

        self.pipeline = load_pipeline(folder)
        self.pipeline.set_progress_bar_config(disable=True)
        self.alone = threading.Lock()  # a scheduler counts its steps: two requests at once would count together

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Segment one case.

        Args:
            data: `inputs` and, if wanted, `parameters`.

                `inputs`: `flair`, `t1`, `t2` and, if there is one, `t1ce`, skull-stripped and co-registered, each a
                NIfTI file (`.nii` or `.nii.gz`) in base64; or each nested lists of numbers, (I, J, K), with the
                `affine` (4, 4) from voxel to mm in RAS+ beside them; without an affine, RAS with voxels of 1 mm.

                `parameters`: `num_inference_steps`, `mask_threshold`, `seed`, `num_samples`, `residual_source`
                (`measured`, `ensemble` or `none`), and `return`, a list of what comes back out of mask, labels, t1ce
                (synthetic), residual, probability, uncertainty; by default mask and labels.

        Returns:
            JSON values: `volumes`, NIfTI files (`.nii.gz`, on the grid of FLAIR) in base64 by name; `volumes_ml`, the
            whole tumour's volume and, of a model with labels, the core's and the enhancing tumour's; `label_values`;
            `settings`, `model`, `warnings`, `notice`.

        Raises:
            ValueError: the input cannot be used; the message names the field.
            RuntimeError: the service's own disk fails; the message names no place of it.
        """
        inputs, settings, wanted = read_request(data)
        try:
            with tempfile.TemporaryDirectory(prefix="recoseg-endpoint-") as scratch:
                return self._answer(inputs, settings, wanted, Path(scratch))
        except OSError as error:  # its own text may name a place of this machine
            reason = error.strerror or type(error).__name__
            raise RuntimeError(f"the service could not read or write its own files ({reason}).") from None

    def _answer(
        self, inputs: Mapping[str, Any], settings: Mapping[str, Any], wanted: list[str], scratch: Path
    ) -> dict[str, Any]:
        from recoseg_hf.errors import RecosegError
        from recoseg_hf.inference import predict_case

        try:
            case = read_case(inputs, scratch)
            with self.alone:
                prediction = predict_case(self.pipeline, case, **settings)
            return as_answer(prediction, wanted, scratch)
        except RecosegError as error:
            raise ValueError(plain_message(error, scratch)) from None


def read_request(data: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Take a request apart: scans by name, settings, and what is to come back.

    Raises:
        ValueError: naming the field that cannot be used.
    """
    inputs = data.get("inputs") if isinstance(data, Mapping) else None
    if not isinstance(inputs, Mapping):
        raise ValueError("inputs: expected an object with flair, t1, t2 and, if there is one, t1ce.")
    if unknown := sorted(set(map(str, inputs)) - {*SCANS, "affine"}):
        raise ValueError(f"inputs: {', '.join(unknown)} is not known; expected {', '.join(SCANS)} and affine.")
    if missing := [name for name in SCANS[:3] if inputs.get(name) is None]:
        raise ValueError(f"inputs: {', '.join(missing)} is missing; expected flair, t1 and t2 at least.")
    parameters = data.get("parameters")
    parameters = {} if parameters is None else parameters
    if not isinstance(parameters, Mapping):
        raise ValueError('parameters: expected an object, such as {"seed": 0}.')
    given = {str(name): value for name, value in parameters.items() if value is not None}
    wanted = given.pop("return", ["mask", "labels"])
    if not isinstance(wanted, list) or not set(map(str, wanted)) <= set(VOLUMES):
        raise ValueError(f"parameters.return: {json.dumps(wanted)}; expected a list out of {', '.join(VOLUMES)}.")
    return dict(inputs), {name: _setting(name, value) for name, value in given.items()}, wanted


def _setting(name: str, value: Any) -> Any:
    if name not in SETTINGS:
        raise ValueError(f"parameters.{name} is not known; expected {', '.join(SETTINGS)} or return.")
    kind = SETTINGS[name]
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not fits:
        raise ValueError(f"parameters.{name}: {json.dumps(value)}; expected {kind.__name__}.")
    low, high = RANGES.get(name, (value, value))
    if not low <= value <= high:
        raise ValueError(f"parameters.{name}: {value}; expected {low} to {high}.")
    return kind(value)


def read_case(inputs: Mapping[str, Any], scratch: Path) -> Any:
    """Make a case of NIfTI files in base64, or of arrays; files get neutral names."""
    from recoseg_hf.imaging.case import Case

    given = {name: inputs[name] for name in SCANS if inputs.get(name) is not None}
    kinds = {isinstance(value, str) for value in given.values()}
    if kinds == {True}:
        if "affine" in inputs:
            raise ValueError("inputs.affine: NIfTI files have their own; expected it beside arrays only.")
        return Case.from_files(**{name: _file(name, text, scratch) for name, text in given.items()}, subject="case")
    if kinds == {False}:
        return _case_of_arrays(given, inputs.get("affine"))
    raise ValueError("inputs: some scans are text and some are arrays; expected all of one kind.")


def _file(name: str, text: str, scratch: Path) -> Path:
    try:
        encoded = text.partition(",")[2] if text.startswith("data:") else text
        content = base64.b64decode("".join(encoded.split()), validate=True)  # some tools wrap lines
    except (binascii.Error, ValueError):
        raise ValueError(f"inputs.{name}: it is no base64; expected a NIfTI file in base64.") from None
    file = scratch / f"{name}.nii"  # .nii or .nii.gz: told apart by content
    file.write_bytes(content)
    return file


def _case_of_arrays(given: Mapping[str, Any], affine: Any) -> Any:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.imaging.volume import Volume
    from recoseg_hf.imaging.voxels import check_intensities

    matrix = np.eye(4) if affine is None else _array("affine", affine, (4, 4))
    if not np.isfinite(matrix).all() or list(matrix[3]) != [0, 0, 0, 1]:
        raise ValueError("inputs.affine: it maps no voxel to a place; expected 4 x 4, the last row 0 0 0 1.")
    volumes = {}
    for name, value in given.items():
        _check_as_a_file(name, value, matrix)
        data = np.asfortranarray(_array(name, value, (None, None, None)), dtype=np.float32)
        check_intensities(name, data)
        volumes[name] = Volume(data, matrix)
    return Case(subject="case", **volumes)


def _check_as_a_file(name: str, value: Any, affine: np.ndarray) -> None:
    """Hold an array to what a file's header is held to, before memory is taken for it."""
    from recoseg_hf.errors import InputError
    from recoseg_hf.imaging.headers import Geometry, check_geometry

    sizes = []
    while isinstance(value, list) and value:
        sizes.append(len(value))
        value = value[0]
    if len(sizes) != 3:
        return  # `_array` says what is wrong with its shape
    try:
        check_geometry(name, Geometry.of_array(tuple(sizes), affine))
    except InputError as error:
        field = "affine" if "affine" in error.found else name
        raise ValueError(f"inputs.{field}: {error.found}; expected {error.expected}.") from None


def _array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"inputs.{name}: expected nested lists of numbers, all rows of one length.") from None
    wanted = " x ".join(str(size or "any") for size in shape)
    if array.ndim != len(shape) or any(size not in (None, found) for size, found in zip(shape, array.shape)):  # noqa: B905
        raise ValueError(f"inputs.{name}: its shape is {array.shape}; expected {wanted}.")
    if not array.size:
        raise ValueError(f"inputs.{name}: its shape is {array.shape}; expected at least one voxel.")
    return array


def as_answer(prediction: Any, wanted: list[str], scratch: Path) -> dict[str, Any]:
    """Bring a prediction into JSON values."""
    from recoseg_hf.imaging.volume import write_volume

    volumes = {}
    for name in dict.fromkeys(wanted):
        volume = getattr(prediction, name)
        if volume is not None:
            write_volume(scratch / "result.nii.gz", volume)
            volumes[name] = base64.b64encode((scratch / "result.nii.gz").read_bytes()).decode("ascii")
    report = prediction.report
    endings = {"tumour_volume_ml": "whole_tumour", "tumour_core_volume_ml": "tumour_core"}
    endings |= {"enhancing_tumour_volume_ml": "enhancing_tumour"}
    return {
        "volumes": volumes,
        "volumes_ml": {short: report["results"][name] for name, short in endings.items() if name in report["results"]},
        "label_values": {"1": "tumour core", "2": "oedema", "4": "enhancing tumour"} if prediction.labels else None,
        "settings": report["settings"],
        "model": report["model"],
        "warnings": report["warnings"],
        "notice": NOTICE,
    }


def plain_message(error: Exception, scratch: Path) -> str:
    """An error of the library in the words of a request: fields in place of files; of several problems one a line."""
    return "\n".join(_in_fields(line, scratch) for line in str(error).splitlines())


def _in_fields(text: str, scratch: Path) -> str:
    text = text.replace(f"{scratch}/", "inputs.")
    for name in SCANS:
        text = text.replace(f"{name}.nii", name)
    text = text.removeprefix("case case: ").replace("case case", "inputs")  # settings stand for themselves
    return f"inputs.{text}" if text.startswith(tuple(f"{name}:" for name in SCANS)) else text
