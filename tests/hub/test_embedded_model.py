"""The embedded model's folder: half-precision safetensors, no local path, a card of measured numbers."""

import json
import shutil

import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.hub import published_contents, published_files, push_model, render_card, save_half
from recoseg_hf.hub.inspection import inspect_run
from recoseg_hf.inference import load_pipeline
from recoseg_hf.inference.report import describe_model
from recoseg_hf.inference.saving import save_pipeline
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL, ReCoSegPipeline


def test_saved_halves_load_as_float32_and_name_no_local_path(tiny_pipeline, tmp_path):
    from safetensors import safe_open

    tiny_pipeline.save_pretrained(tmp_path / "run")
    reloaded = ReCoSegPipeline.from_pretrained(tmp_path / "run")
    save_half(reloaded, tmp_path / "half")
    with safe_open(tmp_path / "half" / "segmenter" / "diffusion_pytorch_model.safetensors", framework="pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118
    for config in (tmp_path / "half").rglob("*.json"):
        assert str(tmp_path) not in config.read_text()
    assert ReCoSegPipeline.from_pretrained(tmp_path / "half").segmenter.dtype == torch.float32


def test_card_needs_its_measurements(tmp_path):
    with pytest.raises(InputError, match=r"accuracy\.json: no such file; expected measured values for the card"):
        render_card(EMBEDDED_MODEL, tmp_path)


def test_embedded_model_is_small_and_bears_its_licence():
    files = [file for file in EMBEDDED_MODEL.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 15 * 10**6
    assert {file.suffix for file in files} == {".json", ".md", ".safetensors"}
    assert "not a medical device" in (EMBEDDED_MODEL / "LICENSE.md").read_text()


def test_embedded_card_is_rendered_from_the_committed_results(tmp_path):
    results = EMBEDDED_MODEL.parents[2] / "benchmarks" / "results"
    copied = shutil.copytree(EMBEDDED_MODEL, tmp_path / "recoseg-small")
    rendered = render_card(copied, results).read_text(encoding="utf-8")
    assert rendered == (EMBEDDED_MODEL / "README.md").read_text(encoding="utf-8"), "run benchmarks/write_card.py"
    values = [(folder / "card_values.json").read_text(encoding="utf-8") for folder in (copied, EMBEDDED_MODEL)]
    assert values[0] == values[1], "run benchmarks/write_card.py"
    assert rendered.startswith("---\n")
    assert "license_name: research-use-only" in rendered


@pytest.mark.parametrize(
    "name", ["accuracy", "residual", "steps", "thresholds", "simulated", "simulated_healthy", "dtypes", "command"]
)
def test_results_are_those_of_the_embedded_model(name):
    file = EMBEDDED_MODEL.parents[2] / "benchmarks" / "results" / f"{name}.json"
    measured = json.loads(file.read_text())["measurement"]
    model = describe_model(load_pipeline(device="cpu", dtype=getattr(torch, measured["dtype"])))
    assert measured["model"] == {name: model[name] for name in ("weights_sha256", "configuration_sha256")}


def test_default_loads_without_an_argument_and_is_a_diffusion_model_over_all_timesteps():
    pipeline = ReCoSegPipeline.from_pretrained()
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.scheduler.config.num_train_timesteps == 1000
    assert pipeline.scheduler.config.rescale_betas_zero_snr
    assert 1 <= pipeline.config.num_inference_steps <= 10


def test_of_a_runs_folder_the_model_alone_is_published(tiny_pipeline, tmp_path):
    tiny_pipeline.save_pretrained(tmp_path)
    for name in ("checkpoint-3/net.safetensors", "logs/events", "slices/train/data.arrow", "segmenter/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("best_ema.safetensors", "log.jsonl", "site_card.md", "notes.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "training_record.json").write_text('{"steps": 3, "subjects_seen": ["0123"]}')
    found = {file.relative_to(tmp_path).as_posix() for file in published_files(tmp_path)}
    assert found == {
        "model_index.json", "site_card.md", "training_record.json", "scheduler/scheduler_config.json",
        "segmenter/config.json", "segmenter/diffusion_pytorch_model.safetensors",
        "synthesizer/config.json", "synthesizer/diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    contents = published_contents(tmp_path)
    assert json.loads(contents["training_record.json"]) == {"steps": 3}
    assert contents["README.md"] == str(tmp_path / "site_card.md")
    assert "site_card.md" not in contents


def test_no_path_is_published(tiny_pipeline, tmp_path):
    save_pipeline(tiny_pipeline, tmp_path / "first")
    save_pipeline(ReCoSegPipeline.from_pretrained(tmp_path / "first"), tmp_path / "second")
    for file in published_files(tmp_path / "second"):
        assert str(tmp_path).encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("README.md", "Weights of /home/ann/run.\n", r"^README\.md: line 1 holds the path '/home/ann/run"),
        ("README.md", "---\nx: !!python/object:os.system {}\n---\n", r"^README\.md: line 2 holds the YAML tag"),
        ("LICENSE.md", "For sub-Ann01.\n", r"^LICENSE\.md: line 1 holds what looks like a subject's id"),
        (
            "LICENSE.md",
            "Thanks to patient_Ann_t1.\n",
            r"^LICENSE\.md: line 1 holds the id of a subject that",
        ),
        (
            "segmenter/config.json",
            '{"note": "/data/run"}',
            r"^segmenter/config\.json: .* the path '/data",
        ),
        ("model_index.json", '{"_class_name": ["diffusers_modules.x", "P"]}', "it names diffusers_modules"),
    ],
)
def test_what_must_not_be_published_is_refused_before_the_hub_is_asked(
    tiny_pipeline, tmp_path, name, content, message
):
    tiny_pipeline.save_pretrained(tmp_path)
    (tmp_path / "training_record.json").write_text(json.dumps({"subjects_seen": [subject_hash("patient_Ann")]}))
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        push_model(tmp_path, "site/model")


def test_a_link_in_a_run_is_not_followed_to_the_hub(tiny_pipeline, tmp_path):
    tiny_pipeline.save_pretrained(tmp_path / "run")
    (tmp_path / "private.json").write_text("{}")
    (tmp_path / "run" / "segmenter" / "more.json").symlink_to(tmp_path / "private.json")
    with pytest.raises(InputError, match=r"^segmenter/more\.json: it is a link; expected a plain file"):
        push_model(tmp_path / "run", "site/model")


def test_a_linked_folder_in_a_run_is_not_followed_either(tiny_pipeline, tmp_path):
    tiny_pipeline.save_pretrained(tmp_path / "run")
    (tmp_path / "run" / "segmenter").rename(tmp_path / "private")
    (tmp_path / "private" / "secret.json").write_text("{}")
    (tmp_path / "run" / "segmenter").symlink_to(tmp_path / "private")
    assert "segmenter/secret.json" in published_contents(tmp_path / "run")
    with pytest.raises(InputError, match=r"^segmenter: it is a link; expected a plain file or folder"):
        push_model(tmp_path / "run", "site/model")


@pytest.mark.parametrize("name", ["model_index.json", "segmenter/config.json", "training_record.json"])
def test_a_link_whose_content_is_changed_on_the_way_is_refused_too(tiny_pipeline, tmp_path, name):
    tiny_pipeline.save_pretrained(tmp_path / "first")
    ReCoSegPipeline.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "run")
    (tmp_path / "run" / "training_record.json").write_text('{"steps": 3, "subjects_seen": []}')
    (tmp_path / "run" / name).rename(tmp_path / "private.json")
    (tmp_path / "run" / name).symlink_to(tmp_path / "private.json")
    assert isinstance(published_contents(tmp_path / "run")[name], bytes)
    with pytest.raises(InputError, match=rf"^{name}: it is a link; expected a plain file or folder"):
        push_model(tmp_path / "run", "site/model")


def test_the_place_that_a_model_was_loaded_from_is_not_pushed(tiny_pipeline, tmp_path):
    tiny_pipeline.save_pretrained(tmp_path / "first")
    ReCoSegPipeline.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "run")
    assert str(tmp_path) in (tmp_path / "run" / "segmenter" / "config.json").read_text()
    contents = published_contents(tmp_path / "run")
    inspect_run(tmp_path / "run", contents)
    for name in ("model_index.json", "segmenter/config.json", "synthesizer/config.json"):
        kept = json.loads((tmp_path / "run" / name).read_text())
        assert kept.pop("_name_or_path").startswith(str(tmp_path))
        assert json.loads(contents[name]) == kept


@pytest.mark.parametrize("offline", [True, False])
def test_an_upload_that_fails_leaves_the_model_and_says_what_to_do(tiny_pipeline, tmp_path, monkeypatch, offline):
    tiny_pipeline.save_pretrained(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    with pytest.raises(
        InputError, match=r"^site/model: the upload failed \(.*The model stays in .* and push it again"
    ):
        push_model(tmp_path, "site/model")
    assert (tmp_path / "model_index.json").is_file()
