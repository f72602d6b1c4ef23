"""Files that run code when they are unpickled, in every place where somebody else's file is read: none ever ran."""

import base64
import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors import SafetensorError

from recoseg_hf.errors import CheckpointError, InputError, RecosegError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.hub.endpoint_handler import read_case
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import open_source, read_names
from recoseg_hf.imaging.volume import read_labels, read_volume
from recoseg_hf.inference.loading import load_pipeline
from recoseg_hf.inference.page.reading import write_page_again
from recoseg_hf.inference.resuming import standing_report
from recoseg_hf.learning.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from recoseg_hf.learning.options import TrainingOptions, parse_options
from recoseg_hf.learning.run_record import subjects_seen
from recoseg_hf.learning.slice_batches import open_slices
from tests import factories
from tests.hub import poison
from tests.learning.conftest import SETTINGS
from tests.tiny import tiny_pipeline
from tests.volumes import tiny_volume_pipeline

PICKLES = {"pickle": poison.poisoned_pickle, "torch": poison.poisoned_torch_file, "numpy": poison.poisoned_array}
pickled = pytest.mark.parametrize("kind", PICKLES)


@pytest.fixture
def sentinel(tmp_path):
    """The file that poison writes when it runs; at the end of the test it must not be there."""
    file = tmp_path / "it-ran"
    yield file
    assert not file.exists()


class TestThePoison:
    """Unless it does run when it is really unpickled, its silence elsewhere proves nothing."""

    @pytest.mark.parametrize(
        ("make", "unpickle"),
        [
            (poison.poisoned_pickle, lambda file: np.load(file, allow_pickle=True)),
            (poison.poisoned_array, lambda file: np.load(file, allow_pickle=True)),
            (poison.poisoned_torch_file, lambda file: torch.load(file, weights_only=False)),
        ],
    )
    def test_it_runs_when_it_is_unpickled(self, make, unpickle, tmp_path):
        ran, file = tmp_path / "ran", tmp_path / "x"
        file.write_bytes(make(ran))
        assert not ran.exists()
        unpickle(file)
        assert ran.exists()

    def test_yaml_runs_it_too(self, tmp_path):
        yaml.unsafe_load(poison.poisoned_yaml(tmp_path / "ran"))
        assert (tmp_path / "ran").exists()

    def test_so_does_code_that_is_imported(self, tmp_path):
        (code,) = set(poison.poisoned_code(tmp_path / "ran").values())
        exec(code.decode())
        assert (tmp_path / "ran").exists()


class TestModels:
    def test_pickles_alone_are_refused(self, tiny_model, tmp_path, sentinel):
        folder = shutil.copytree(tiny_model, tmp_path / "model")
        for file in folder.rglob("*.safetensors"):
            file.unlink()
        put(folder, poison.poisoned_weights(sentinel) | poison.poisoned_code(sentinel))
        with pytest.raises(InputError, match="it holds settings but no weights; expected safetensors"):
            load_pipeline(folder)

    @pytest.mark.parametrize("make", [tiny_pipeline, tiny_volume_pipeline])
    @pytest.mark.parametrize("said", [{}, {"use_safetensors": None}])
    def test_only_who_asks_for_pickles_gets_them(self, tmp_path, make, said):
        pipeline = make()
        pipeline.save_pretrained(tmp_path, safe_serialization=False)  # harmless ones, which would load
        assert not list(tmp_path.rglob("*.safetensors"))
        assert list(tmp_path.rglob("*.bin"))
        with pytest.raises(OSError, match=r"no file named diffusion_pytorch_model\.safetensors found"):
            type(pipeline).from_pretrained(tmp_path, **said)
        assert type(pipeline).from_pretrained(tmp_path, use_safetensors=False).segmenter is not None

    def test_beside_good_weights_they_are_left_alone(self, tiny_model, tmp_path, sentinel):
        folder = shutil.copytree(tiny_model, tmp_path / "model")
        beside = poison.poisoned_weights(sentinel) | poison.poisoned_code(sentinel)
        put(folder, {name: content for name, content in beside.items() if not name.startswith("scheduler/")})
        loaded = load_pipeline(folder, device="cpu")
        assert type(loaded).__module__ == "recoseg_hf.pipeline.pipeline_recoseg"

    @pickled
    def test_one_that_is_called_safetensors_is_damaged(self, tiny_model, tmp_path, sentinel, kind):
        folder = shutil.copytree(tiny_model, tmp_path / "model")
        (folder / "segmenter" / "diffusion_pytorch_model.safetensors").write_bytes(PICKLES[kind](sentinel))
        with pytest.raises(CheckpointError, match="the model does not load"):
            load_pipeline(folder, device="cpu")

    def test_a_scheduler_or_an_index_is_no_pickle(self, tiny_model, tmp_path, sentinel):
        for name in ("model_index.json", "scheduler/scheduler_config.json", "segmenter/config.json"):
            folder = shutil.copytree(tiny_model, tmp_path / name.replace("/", "-"))
            (folder / name).write_bytes(poison.poisoned_pickle(sentinel))
            with pytest.raises(RecosegError):
                load_pipeline(folder, device="cpu")


class TestTraining:
    """Checkpoints, records, options and prepared data."""

    SLOTS = ("optimizer.bin", "scheduler.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl", "pytorch_model.bin")

    @pytest.fixture
    def checkpoint(self, tmp_path):
        weights = {"net": {"w": torch.ones(2)}}
        optimizer = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
        return save_checkpoint(tmp_path / "run", TrainingState(1, weights, optimizer), keep=1)

    def seal(self, checkpoint):
        """Whoever can put a file there can write its hash too."""
        files = (file for file in sorted(checkpoint.iterdir()) if file.name != "manifest.json")
        write_json(checkpoint / "manifest.json", {file.name: sha256_file(file) for file in files})

    def test_what_accelerate_would_unpickle_is_left_alone(self, checkpoint, sentinel):
        put(checkpoint, dict.fromkeys(self.SLOTS, poison.poisoned_pickle(sentinel)))
        self.seal(checkpoint)
        assert load_checkpoint(checkpoint).weights["net"]["w"].tolist() == [1, 1]

    @pickled
    @pytest.mark.parametrize("name", ["net.safetensors", "optimizer.safetensors", "state.json"])
    def test_a_pickle_in_the_place_of_a_part_is_refused(self, checkpoint, sentinel, name, kind):
        (checkpoint / name).write_bytes(PICKLES[kind](sentinel))
        self.seal(checkpoint)
        with pytest.raises((CheckpointError, SafetensorError, ValueError)):
            load_checkpoint(checkpoint)

    def test_the_record_of_a_run(self, tmp_path, sentinel):
        (tmp_path / "training_record.json").write_bytes(poison.poisoned_pickle(sentinel))
        with pytest.raises(InputError, match=r"training_record\.json: it is no JSON"):
            subjects_seen(tmp_path)

    def test_options_with_python_in_them(self, tmp_path, sentinel):
        (tmp_path / "options.yaml").write_text(poison.poisoned_yaml(sentinel))
        with pytest.raises(yaml.YAMLError, match="could not determine a constructor for the tag"):
            parse_options(TrainingOptions, [str(tmp_path / "options.yaml")])

    @pickled
    def test_prepared_slices_and_cached_residuals(self, prepared, tmp_path, sentinel, kind):
        data = shutil.copytree(prepared, tmp_path / "slices")
        poisoned = PICKLES[kind](sentinel)
        put(
            data,
            {f"{place}{name}": poisoned for place in ("", "train/") for name in ("cache.pkl", "indices.pt", "x.npy")},
        )
        assert set(open_slices(data, tmp_path / "run", SETTINGS)) == {"train", "validation"}
        next((data / "train").glob("*.arrow")).write_bytes(poisoned)
        with pytest.raises(Exception, match=r"(?i)arrow|not a|invalid|metadata"):
            open_slices(data, tmp_path / "run", SETTINGS)


class TestScans:
    """Volumes, data sets, requests and earlier results."""

    @pickled
    @pytest.mark.parametrize("read", [read_volume, read_labels])
    @pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
    def test_a_volume(self, tmp_path, sentinel, kind, read, name):
        file = factories.write_bytes(tmp_path / name, PICKLES[kind](sentinel))
        with pytest.raises(InputError, match=r"x\.nii"):
            read(file)

    def test_rows_of_a_data_set(self, tmp_path, sentinel):
        from datasets import Dataset

        row = {name: poison.poisoned_pickle(sentinel) for name in ("flair", "t1", "t2")}
        (tmp_path / "data").mkdir()
        Dataset.from_list([{"subject": "a1", **row}]).to_parquet(tmp_path / "data" / "train.parquet")
        put(tmp_path / "data", {"train.pkl": poison.poisoned_pickle(sentinel)})
        (entry,) = open_source(tmp_path / "data").parts(None)["train"].entries
        with pytest.raises(InputError, match=r"\(a1\), column flair: it does not begin with a NIfTI header"):
            entry.read()
        put(tmp_path / "data", {"data.py": f"open({str(sentinel)!r}, 'w')".encode()})
        with pytest.raises(InputError, match=r"it cannot be loaded \(Dataset scripts are no longer supported"):
            open_source(tmp_path / "data")

    def test_a_data_sets_card_that_names_pickles(self, tmp_path, sentinel):
        (tmp_path / "train.pkl").write_bytes(poison.poisoned_pickle(sentinel))
        card = (
            "---\nconfigs:\n- config_name: default\n  data_files: train.pkl\n  x: !!python/object/apply:builtins.open"
        )
        (tmp_path / "README.md").write_text(f"{card} [{str(sentinel)!r}, w]\n---\n")
        with pytest.raises(InputError, match="it cannot be loaded"):
            open_source(tmp_path)

    def test_a_split(self, tmp_path, sentinel):
        (tmp_path / "splits.json").write_bytes(poison.poisoned_pickle(sentinel))
        with pytest.raises(InputError, match=r"splits\.json: it is no JSON"):
            read_names(tmp_path / "splits.json")

    @pickled
    def test_a_request_to_the_endpoint(self, tmp_path, sentinel, kind):
        text = base64.b64encode(PICKLES[kind](sentinel)).decode()
        with pytest.raises(InputError):
            read_case({"flair": text, "t1": text, "t2": text}, tmp_path)

    def test_an_earlier_result(self, tmp_path, sentinel):
        for name in ("_report.json", "_mask.nii.gz", "_report.html"):
            (tmp_path / f"a1{name}").write_bytes(poison.poisoned_pickle(sentinel))
        assert standing_report("a1", tmp_path, {}, {}, {}) is None
        with pytest.raises(InputError, match="no JSON"):
            write_page_again(tmp_path)

    def test_a_case_with_pickles_beside_its_scans(self, tmp_path, sentinel):
        folder = factories.save_case(tmp_path, "a1")
        put(folder, {f"a1_flair.{kind}": make(sentinel) for kind, make in PICKLES.items()})
        assert Case.from_folder(folder).subject == "a1"


def put(folder, files):
    """Write files into a folder that is there."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_json_with_a_pickle_in_a_text_stays_text(tmp_path, sentinel):
    text = base64.b64encode(poison.poisoned_pickle(sentinel)).decode()
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["a1"], "note": text}))
    assert read_names(tmp_path / "splits.json") == {"train": ["a1"]}
