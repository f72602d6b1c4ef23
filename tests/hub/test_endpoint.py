"""`handler.py` as the service calls it: a fresh process somewhere else, the repository downloaded, JSON in and out."""

import base64
import json

import numpy as np
import pytest

from recoseg_hf.hub.endpoint_handler import read_case
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, read_volume, write_volume
from recoseg_hf.inference import load_pipeline, predict_case
from tests.hub.clients import run_client
from tests.hub.poison import files_of
from tests.inference.cases import make_case

SERVICE = """
import importlib.util, json, resource, sys
from pathlib import Path
from huggingface_hub import snapshot_download

repository = snapshot_download("org/tiny", local_dir=Path("repository").resolve())
sys.path.insert(0, repository)
spec = importlib.util.spec_from_file_location("handler.EndpointHandler", Path(repository, "handler.py"))
module = importlib.util.module_from_spec(spec)
sys.modules["handler.EndpointHandler"] = module
spec.loader.exec_module(module)
handler = module.EndpointHandler(repository)
answers = {}
for name, request in json.loads(Path("requests.json").read_text()).items():
    try:
        answers[name] = handler(request)
    except Exception as error:
        answers[name] = {"error": str(error), "kind": type(error).__name__}
from concurrent.futures import ThreadPoolExecutor
whole = json.loads(Path("requests.json").read_text())["files"]
several = [whole | {"parameters": {"num_inference_steps": steps}} for steps in (2, 9)] * 2
one_by_one = [handler(request)["volumes"] for request in several[:2]] * 2
with ThreadPoolExecutor(4) as pool:
    answers["at once"] = [answer["volumes"] for answer in pool.map(handler, several)] == one_by_one
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
try:
    answers["no room"] = handler(whole)
except Exception as error:
    answers["no room"] = {"error": str(error), "kind": type(error).__name__}
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
answers["foreign"] = [
    name for name, module in sys.modules.items()
    if name.startswith("recoseg_hf") and not module.__file__.startswith(repository)
]
answers["ours"] = "recoseg_hf.inference.prediction" in sys.modules
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    """A small case, written and read."""
    folder = tmp_path_factory.mktemp("case")
    for name, scan in make_case().volumes().items():
        write_volume(folder / f"Ann_Smith_{name}.nii.gz", scan)
    return Case.from_folder(folder, subject="case")


@pytest.fixture(scope="module")
def answers(loopback_hub, exported, case, tmp_path_factory):
    """What the service answered to each request."""
    loopback_hub.put("org/tiny", files_of(exported))
    files = {
        name: base64.b64encode(case.sources[name].read_bytes()).decode() for name in ("flair", "t1", "t2", "t1ce")
    }
    arrays = {name: getattr(case, name).data.tolist() for name in files}
    three = {name: text for name, text in files.items() if name != "t1ce"}
    ragged = [[[1.0, 2.0], [3.0]]]
    requests = {
        "files": {"inputs": files, "parameters": {"seed": 3, "return": ["mask", "labels", "t1ce", "probability"]}},
        "arrays": {"inputs": arrays | {"affine": case.flair.affine.tolist()}, "parameters": {"seed": 3}},
        "no t1ce": {"inputs": three, "parameters": {"residual_source": "none", "return": ["mask", "residual"]}},
        "nothing": {},
        "list": {"inputs": [1, 2]},
        "no t2": {"inputs": {name: text for name, text in files.items() if name != "t2"}},
        "other name": {"inputs": files | {"dwi": files["t2"]}},
        "no base64": {"inputs": files | {"t1": "scan?.nii"}},
        "no nifti": {"inputs": files | {"t1": base64.b64encode(b"hello").decode()}},
        "twice": {"inputs": files | {"t1": files["t2"]}},
        "mixed": {"inputs": files | {"t1": arrays["t1"]}},
        "ragged": {"inputs": arrays | {"t1": ragged}},
        "flat": {"inputs": arrays | {"t1": [1.0, 2.0]}},
        "singular": {"inputs": arrays | {"affine": np.zeros((4, 4)).tolist()}},
        "other grid": {"inputs": arrays | {"t1": case.t1.data[1:].tolist()}},
        "constant": {"inputs": arrays | {"t1": np.ones(case.t1.shape).tolist()}},
        "other setting": {"inputs": files, "parameters": {"steps": 3}},
        "text for number": {"inputs": files, "parameters": {"seed": "3"}},
        "too many steps": {"inputs": files, "parameters": {"num_inference_steps": 10**9}},
        "seed": {"inputs": files, "parameters": {"seed": 2**64}},
        "huge number": {"inputs": arrays | {"t1": [[[10**400]]]}},
        "no settings": {"inputs": files, "parameters": []},
        "far voxels": {"inputs": arrays | {"affine": np.diag([1e9, 1e9, 1e9, 1]).tolist()}},
        "no voxels": {"inputs": arrays | {"t1": [[[]]]}},
        "threshold": {"inputs": files, "parameters": {"mask_threshold": 7}},
        "measured without": {"inputs": three, "parameters": {"residual_source": "measured"}},
        "other result": {"inputs": files, "parameters": {"return": ["weights"]}},
    }
    folder = tmp_path_factory.mktemp("service")
    (folder / "requests.json").write_text(json.dumps(requests))
    return run_client(SERVICE, loopback_hub.environment(folder), folder, package=None)


def volume(answer, name, folder) -> Volume:
    file = folder / f"{name}.nii.gz"
    file.write_bytes(base64.b64decode(answer["volumes"][name]))
    return read_volume(file)


def test_it_runs_on_the_code_of_the_repository_alone(answers):
    assert answers["foreign"] == []
    assert answers["ours"]


def test_the_answer_is_the_packages_own(answers, exported, case, tmp_path):
    pipeline = load_pipeline(exported)
    pipeline.set_progress_bar_config(disable=True)
    expected = predict_case(pipeline, case, seed=3)
    answer = answers["files"]
    assert set(answer["volumes"]) == {"mask", "t1ce", "probability"}  # this model has no labels
    found = volume(answer, "probability", tmp_path)
    assert np.allclose(found.data, expected.probability.data, atol=1e-5)
    assert np.allclose(found.affine, case.flair.affine)
    assert answer["volumes_ml"] == {"whole_tumour": expected.report["results"]["tumour_volume_ml"]}
    assert answer["settings"]["seed"] == 3
    assert answer["label_values"] is None
    assert answer["model"]["weights_sha256"] == expected.report["model"]["weights_sha256"]
    assert "Not a medical device" in answer["notice"]


def test_arrays_give_what_files_give(answers):
    assert answers["arrays"]["volumes"]["mask"] == answers["files"]["volumes"]["mask"]
    assert answers["arrays"]["volumes_ml"] == answers["files"]["volumes_ml"]


def test_requests_at_once_get_their_own_results(answers):
    assert answers["at once"]


def test_without_t1ce_it_says_what_the_residual_was(answers):
    answer = answers["no t1ce"]
    assert answer["settings"]["residual_source"] == "none"
    assert set(answer["volumes"]) == {"mask"}
    assert answer["warnings"]


@pytest.mark.parametrize(
    ("request_name", "message"),
    [
        ("nothing", "inputs: expected an object with flair, t1, t2"),
        ("list", "inputs: expected an object with flair, t1, t2"),
        ("no t2", "inputs: t2 is missing; expected flair, t1 and t2 at least."),
        ("other name", "inputs: dwi is not known; expected flair, t1, t2, t1ce and affine."),
        ("no base64", "inputs.t1: it is no base64; expected a NIfTI file in base64."),
        ("no nifti", "inputs.t1: "),
        ("twice", "inputs.t2: its voxels are those of t1"),
        ("mixed", "inputs: some scans are text and some are arrays"),
        ("ragged", "inputs.t1: expected nested lists of numbers, all rows of one length."),
        ("flat", "inputs.t1: its shape is (2,); expected any x any x any."),
        ("singular", "inputs.affine: it maps no voxel to a place"),
        ("far voxels", "inputs.affine: its affine gives a voxel spacing of 1e+09 x 1e+09 x 1e+09 mm"),
        ("no settings", 'parameters: expected an object, such as {"seed": 0}.'),
        ("other grid", "inputs.t1: its shape is"),
        ("constant", "inputs.t1: "),
        ("other setting", "parameters.steps is not known; expected num_inference_steps, "),
        ("text for number", 'parameters.seed: "3"; expected int.'),
        ("too many steps", "parameters.num_inference_steps: 1000000000; expected 1 to 1000."),
        ("seed", "parameters.seed: 18446744073709551616; expected 0 to 9223372036854775807."),
        ("huge number", "inputs.t1: expected nested lists of numbers"),
        ("no voxels", "inputs.t1: its shape is (1, 1, 0); expected at least one voxel."),
        ("threshold", "parameters.mask_threshold: 7; expected 0 to 1."),
        ("measured without", "no T1ce was given and this model needs it"),
        ("other result", 'parameters.return: ["weights"]; expected a list out of mask, labels'),
    ],
)
def test_bad_input_gets_a_plain_error_that_names_the_field(answers, request_name, message):
    answer = answers[request_name]
    assert answer["error"].startswith(message)
    assert answer["kind"] == "ValueError"
    assert "/" not in answer["error"], "a place of the server"


def test_a_full_disk_is_told_without_a_place(answers):
    expected = "the service could not read or write its own files (File too large)."
    assert answers["no room"] == {"error": expected, "kind": "RuntimeError"}


def test_base64_may_be_wrapped_and_be_a_data_address(tmp_path):
    case, scans = make_case(), {}
    for name in ("flair", "t1", "t2"):
        write_volume(tmp_path / "scan.nii.gz", getattr(case, name))
        scans[name] = base64.encodebytes((tmp_path / "scan.nii.gz").read_bytes()).decode()
    assert "\n" in scans["flair"].strip()
    scans["t1"] = "data:application/gzip;base64," + scans["t1"]
    read = read_case(scans, tmp_path)
    assert np.array_equal(read.t1.data, case.t1.data)
    assert read.t1ce is None


def test_an_array_is_held_to_the_voxels_of_a_file_before_it_is_one(monkeypatch):
    from recoseg_hf.imaging import headers

    monkeypatch.setattr(headers, "MAX_VOXELS", 26)
    scans = {name: [[[0.0] * 3] * 3] * 3 for name in ("flair", "t1", "t2")}
    with pytest.raises(ValueError, match=r"^inputs\.flair: its header declares 27 voxels .*; expected at most 26"):
        read_case(scans, None)
