"""An exported folder: complete, proved by a stranger's process, and nothing in it that must not leave."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import recoseg_hf
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.files import write_json
from recoseg_hf.hub import export_model, push_folder, verify_export
from recoseg_hf.hub.card import card_source, render
from recoseg_hf.hub.export import check_measured
from recoseg_hf.hub.inspection import inspect_folder
from recoseg_hf.hub.manifest import listed_files, write_manifest
from recoseg_hf.hub.verify import check_code, verify_code
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.saving import write_weight_hashes
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL, ReCoSegPipeline

PACKAGE = Path(recoseg_hf.__file__).parent


def test_everything_that_a_stranger_needs_is_there(exported):
    names = {file.relative_to(exported).as_posix() for file in exported.rglob("*") if file.is_file()}
    weights = {
        f"{net}/diffusion_pytorch_model{variant}.safetensors"
        for net in ("synthesizer", "segmenter")
        for variant in ("", ".fp16")
    }
    assert weights <= names
    assert {
        "model_index.json", "README.md", "LICENSE.md", "card_values.json", "preprocessing.json", "manifest.json",
        "handler.py", "requirements.txt", "pipeline_recoseg.py", "preprocessing.py", "residual.py", "conventions.py",
        "endpoint/recoseg_hf/inference/prediction.py",
    } <= names  # fmt: skip
    assert {Path(name).suffix for name in names} == {".json", ".md", ".py", ".safetensors", ".txt"}
    assert [file.name for file in exported.parent.iterdir()] == ["tiny"], "nothing half-made is left"


def test_code_is_copied_byte_for_byte(exported):
    for file in (PACKAGE / "pipeline").glob("*.py"):
        if file.name != "__init__.py":
            assert (exported / file.name).read_bytes() == file.read_bytes()
    assert (exported / "handler.py").read_bytes() == (PACKAGE / "hub" / "endpoint_handler.py").read_bytes()


def test_halves_are_the_full_weights_rounded(exported, tiny_pipeline):
    for name in ("synthesizer", "segmenter"):
        full = load_file(exported / name / "diffusion_pytorch_model.safetensors")
        half = load_file(exported / name / "diffusion_pytorch_model.fp16.safetensors")
        own = getattr(tiny_pipeline, name).state_dict()
        assert full.keys() == half.keys() == own.keys()
        for key, weight in own.items():
            assert torch.equal(full[key], weight)
            assert half[key].dtype == torch.float16
            assert torch.equal(half[key], weight.half())


def test_weights_that_float16_cannot_hold_are_refused(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "huge")
    file = folder / "segmenter" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.bias"][0] = 1e6
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"conv_in\.bias of the segmenter is not finite, or too large for float16"):
        export_model(folder, tmp_path / "out", example=False)
    assert not (tmp_path / "out").exists()


def test_a_card_without_measurements_says_so_and_has_no_model_index(exported):
    card = (exported / "README.md").read_text()
    assert "**Not measured.**" in card
    assert "model-index" not in card
    assert 'load_pipeline("org/tiny")' in card
    assert "No record of its training came with the model" in card
    assert "named no licence" in (exported / "LICENSE.md").read_text()


def test_preprocessing_is_that_of_the_pipeline(exported, tiny_pipeline):
    said = json.loads((exported / "preprocessing.json").read_text())
    assert said["grid"] == {"pixels": 16, "field_of_view_mm": 24, "centre": "the brain", "crop_to_brain": False}
    assert said["slices_seen"] == {"each": 1, "between": "interpolated"}
    assert said["intensities"]["clipped_at_percentiles"] == {"lower": 1.0, "upper": 99.0}
    assert said["segmenter"]["channels"] == list(tiny_pipeline.channels)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> Path:
    """What `recoseg evaluate` writes, of three subjects."""
    generator, records = np.random.default_rng(0), []
    for name in ("Anna", "Bert", "Cleo"):
        masks = [Volume((generator.random((6, 6, 4)) < 0.5).astype(np.uint8), np.eye(4)) for _ in range(2)]
        records.append(compare_case(*masks) | {"subject": name})
    result = aggregate(records) | {"paper": None, "regions": {"tc": aggregate(records)}, "missing": ["Dora"]}
    result |= {"excluded_by": "Emil", "late": ["Fred"], "regions_of": {"Gina": 1.0}}  # of a later version, say
    file = tmp_path_factory.mktemp("evaluation") / "metrics.json"
    write_json(file, result)
    return file


def test_an_evaluation_fills_card_and_model_index_and_names_nobody(tiny_model, evaluation):
    import yaml

    source = card_source(tiny_model, "tiny", evaluation, "the test set of nowhere")
    card = render(source)
    measured = json.loads(evaluation.read_text())["volume"]["dice"]
    low, high = measured["interval"]
    assert f"| Dice per volume | {measured['value']:.3f} [{low:.3f}, {high:.3f}], n = 3 |" in card
    index = yaml.safe_load(card.split("---")[1])["model-index"][0]["results"][0]
    assert index["dataset"]["name"] == "the test set of nowhere, 3 subjects"
    assert index["metrics"][0]["value"] == round(measured["value"], 4)
    for name in ("Anna", "Bert", "Cleo", "Dora", "Emil", "Fred", "Gina"):
        assert name not in card + json.dumps(source)


def test_an_evaluation_of_subjects_that_were_trained_on_is_refused(tiny_model, evaluation, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "trained")
    record = {"steps": 30, "processes": 2, "options": {"train_batch_size": 16}, "subjects_complete": True}
    write_json(folder / "training_record.json", record | {"subjects_seen": [subject_hash("Emil")]})
    card = render(card_source(folder, "tiny", evaluation))
    assert "None of them was trained on, by the model's record." in card
    assert "30 optimiser steps on 2 processes, 16 slices each per step; 1 subject was seen." in card
    unnamed = tmp_path / "unnamed.json"
    write_json(unnamed, json.loads(evaluation.read_text()) | {"subjects": []})
    assert "None of them was trained on" not in render(card_source(folder, "tiny", unnamed))
    write_json(folder / "training_record.json", record | {"subjects_seen": [subject_hash("Anna")]})
    with pytest.raises(InputError, match=r"metrics\.json: 1 of its 3 subjects were trained on; expected subjects"):
        card_source(folder, "tiny", evaluation)
    write_json(folder / "training_record.json", record)  # as it is published: without the hashes
    assert "does not say of how many subjects" in render(card_source(folder, "tiny"))


def test_a_score_in_the_name_of_the_data_is_refused(tiny_model, evaluation):
    card_source(tiny_model, "tiny", evaluation, "30 test subjects")
    with pytest.raises(InputError, match=r"^dataset: line 1 holds 0\.99, which is in no JSON value"):
        card_source(tiny_model, "tiny", evaluation, "30 test subjects (Dice 0.99)")


def test_another_kind_of_json_is_no_evaluation(tiny_model, tmp_path):
    write_json(tmp_path / "split.json", {"train": []})
    with pytest.raises(InputError, match=r"split\.json: it holds no scores per volume"):
        card_source(tiny_model, "tiny", tmp_path / "split.json")


def test_the_embedded_models_card_is_its_own_with_the_sections_for_the_hub():
    source = card_source(EMBEDDED_MODEL, "recoseg-small")
    about = {"hub_id": "org/recoseg-small", "example": True, "endpoint": True}
    plain, published = render(source), render(source, about)
    assert plain == (EMBEDDED_MODEL / "README.md").read_text(encoding="utf-8")
    assert "## Load it from the Hub" in published
    assert "(example.png)" in published
    assert [line for line in plain.splitlines() if line not in published.splitlines()] == []


def test_what_another_diffusers_wrote_is_the_same_model(tmp_path):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    source = card_source(folder, "model")
    settings = source["values"]["settings"] | {"_diffusers_version": "0.0.1"}
    check_measured(folder, source | {"values": source["values"] | {"settings": settings}})


def test_code_that_is_not_ours_is_not_pushed(copy_of_export):
    with (copy_of_export / "pipeline_recoseg.py").open("a") as file:
        file.write("import os\n")
    write_manifest(copy_of_export, {})  # whoever changes the code can write its hashes too
    with pytest.raises(InputError, match=r"pipeline_recoseg\.py: its code is another"):
        push_folder(copy_of_export, "org/tiny")


def test_numbers_of_other_weights_are_refused(tmp_path):
    folder = shutil.copytree(EMBEDDED_MODEL, tmp_path / "model")
    source = card_source(folder, "model")
    check_measured(folder, source)
    changed = source | {"values": source["values"] | {"settings": {"mask_threshold": 0.5}}}
    with pytest.raises(InputError, match="its numbers are of other weights or settings"):
        check_measured(folder, changed)
    file = folder / "segmenter" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.bias"][0] += 1
    save_file(weights, file, metadata={"format": "pt"})
    write_weight_hashes(folder)  # else it is refused as damaged
    with pytest.raises(InputError, match="its numbers are of other weights or settings"):
        check_measured(folder, card_source(folder, "model"))


def test_numbers_of_an_earlier_export_are_refused_for_other_weights_or_settings(copy_of_export, tmp_path):
    weights_file = copy_of_export / "segmenter" / "diffusion_pytorch_model.safetensors"
    index = copy_of_export / "model_index.json"
    untouched = index.read_text()
    index.write_text(json.dumps(json.loads(untouched) | {"mask_threshold": 0.25}))
    with pytest.raises(InputError, match=r"card_values\.json: its numbers are of other weights or settings"):
        export_model(copy_of_export, tmp_path / "out", example=False)
    index.write_text(untouched)
    weights = load_file(weights_file)
    weights["conv_in.bias"][0] += 1
    save_file(weights, weights_file, metadata={"format": "pt"})
    (copy_of_export / "manifest.json").unlink()  # with it they are refused as damaged
    with pytest.raises(InputError, match=r"card_values\.json: its numbers are of other weights or settings"):
        export_model(copy_of_export, tmp_path / "out", example=False)
    assert not (tmp_path / "out").exists()


def test_a_typed_number_in_the_card_is_refused(copy_of_export):
    card = copy_of_export / "README.md"
    card.write_text(card.read_text().replace("**Not measured.**", "Dice 0.912."))
    with pytest.raises(InputError, match=r"README\.md: line \d+ holds 0\.912, which is in no JSON value"):
        inspect_folder(copy_of_export)


@pytest.mark.parametrize(
    "path", ["/home/ann/model", r"C:\\Users\\ann", "file:///data/model", "server:/data/model", "~/models/one"]
)
def test_an_absolute_path_is_refused(copy_of_export, path):
    config = copy_of_export / "segmenter" / "config.json"
    config.write_text(config.read_text().replace("{", f'{{"_name_or_path": "{path}", ', 1))
    with pytest.raises(InputError, match=r"^segmenter/config\.json: line 1 holds the path .*; expected no absolute"):
        inspect_folder(copy_of_export)


def test_yaml_that_builds_objects_is_refused(copy_of_export):
    from huggingface_hub import EvalResult, ModelCardData

    score = EvalResult(
        task_type="image-segmentation", dataset_type="x", dataset_name="x", metric_type="dice",
        metric_value=np.float64(0.5),
    )  # fmt: skip
    head = ModelCardData(model_name="x", eval_results=[score]).to_yaml()
    assert "!!python" in head
    (copy_of_export / "README.md").write_text(f"---\n{head}\n---\n# x\n")
    with pytest.raises(InputError, match=r"README\.md: line \d+ holds the YAML tag '!!python\S+; expected plain YAML"):
        inspect_folder(copy_of_export)


@pytest.mark.parametrize("name", ["Brats18_CBICA_XYZ_1", "BraTS-GLI-99999-000", "sub-ann01", "TCGA-ZZ-0000"])
def test_what_looks_like_a_subject_is_refused(copy_of_export, name):
    (copy_of_export / "LICENSE.md").write_text(f"Trained on {name}.\n")
    with pytest.raises(InputError, match=r"^LICENSE\.md: line 1 holds what looks like a subject's id"):
        inspect_folder(copy_of_export)


def test_a_subject_of_the_training_record_is_found_by_its_hash(copy_of_export):
    (copy_of_export / "LICENSE.md").write_text("With thanks to\npatient_Ann.\n")
    inspect_folder(copy_of_export)
    with pytest.raises(InputError, match=r"^LICENSE\.md: line 2 holds the id of a subject that the model was trained"):
        inspect_folder(copy_of_export, [subject_hash("patient_Ann")])


@pytest.mark.parametrize("line", ["patient_Ann_t1.nii", "site-patient_Ann", "see scans/patient_Ann.v2."])
def test_a_subject_is_found_within_a_word(copy_of_export, line):
    (copy_of_export / "LICENSE.md").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"^LICENSE\.md: line 1 holds the id of a subject that the model was trained"):
        inspect_folder(copy_of_export, [subject_hash("patient_Ann")])
    inspect_folder(copy_of_export, [subject_hash("patient_Anna"), subject_hash("Ann")])


def test_subjects_called_by_a_count_are_no_reason_to_refuse_every_number(copy_of_export):
    inspect_folder(copy_of_export, [subject_hash(str(number)) for number in range(10_000)])
    (copy_of_export / "LICENSE.md").write_text("Trained on 4711815.\n")
    with pytest.raises(InputError, match=r"^LICENSE\.md: line 1 holds the id of a subject"):
        inspect_folder(copy_of_export, [subject_hash("4711815")])


def test_an_index_that_names_code_is_refused(copy_of_export):
    index = copy_of_export / "model_index.json"
    whole = json.loads(index.read_text())
    cases = {
        "it names diffusers_modules": whole | {"_class_name": ["diffusers_modules.local.pipeline", "ReCoSegPipeline"]},
        r"segmenter is \['mine', 'Net'\]": whole | {"segmenter": ["mine", "Net"]},
        r"scheduler is \[\]": whole | {"scheduler": []},
        "_class_name is 'VolumePipeline'": whole | {"_class_name": "VolumePipeline"},
    }
    for message, content in cases.items():
        index.write_text(json.dumps(content))
        with pytest.raises(InputError, match=message):
            inspect_folder(copy_of_export)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("segmenter/diffusion_pytorch_model.bin", "a .bin file"),
        ("optimizer.pt", "a .pt file"),
        ("x.pkl", "a .pkl file"),
        ("case.nii.gz", "a .gz file"),
        ("checkpoint-9/state.json", "part of a training checkpoint"),
    ],
)
def test_pickles_checkpoints_and_scans_are_refused(copy_of_export, name, found):
    (copy_of_export / name).parent.mkdir(exist_ok=True)
    (copy_of_export / name).write_bytes(b"")
    with pytest.raises(InputError, match=f"^{re.escape(f'{name}: {found}')}; expected weights as safetensors"):
        inspect_folder(copy_of_export)


def test_a_link_is_refused(copy_of_export):
    (copy_of_export / "NOTE.md").symlink_to("README.md")
    with pytest.raises(InputError, match=r"NOTE\.md: it is a link"):
        inspect_folder(copy_of_export)


def test_what_was_changed_after_the_export_is_noticed(copy_of_export):
    assert len(listed_files(copy_of_export)) > 30
    (copy_of_export / "LICENSE.md").write_text("Do as you like.\n")
    with pytest.raises(InputError, match=r"LICENSE\.md: it was changed after the export"):
        verify_export(copy_of_export)
    (copy_of_export / "LICENSE.md").unlink()
    with pytest.raises(InputError, match=r"LICENSE\.md: no such file; expected what manifest\.json lists"):
        listed_files(copy_of_export)
    with pytest.raises(InputError, match=r"no manifest\.json in it; expected a folder that `recoseg export` made"):
        listed_files(copy_of_export.parent)


def test_foreign_code_is_never_run_by_the_proof(copy_of_export, tmp_path):
    sentinel = tmp_path / "ran"
    code = copy_of_export / "residual.py"
    code.write_text(code.read_text() + f"\nopen({str(sentinel)!r}, 'w').close()\n")
    write_manifest(copy_of_export, {})
    with pytest.raises(InputError, match=r"residual\.py: its code is another; expected the file of recoseg_hf"):
        verify_export(copy_of_export)
    assert not sentinel.exists()
    (copy_of_export / "residual.py").unlink()
    with pytest.raises(InputError, match=r"residual\.py: no such file; expected the pipeline's code"):
        check_code(copy_of_export)


def test_a_folder_with_another_result_fails_its_proof(exported):
    other = ReCoSegPipeline.from_pretrained(exported)
    other.set_progress_bar_config(disable=True)
    with torch.no_grad():
        other.segmenter.conv_out.bias += 1
    with pytest.raises(InputError, match="without recoseg_hf its probability is another; expected the same result"):
        verify_code(exported, other)


def test_an_existing_folder_is_not_overwritten(exported, tiny_model, tmp_path):
    with pytest.raises(InputError, match="it exists; expected a new folder"):
        export_model(tiny_model, exported)
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match="it exists and is no export"):
        export_model(tiny_model, tmp_path, overwrite=True)


def test_an_export_with_files_of_others_in_it_is_not_replaced(copy_of_export, tiny_model):
    (copy_of_export / "notes").mkdir()
    (copy_of_export / "notes" / "mine.txt").write_text("")
    with pytest.raises(InputError, match=r"it holds files that no export wrote \(notes/mine\.txt\)"):
        export_model(tiny_model, copy_of_export, overwrite=True)
    assert (copy_of_export / "notes" / "mine.txt").is_file()
    (copy_of_export / "notes" / "mine.txt").unlink()
    link = copy_of_export.with_name("link")
    link.symlink_to(copy_of_export)
    with pytest.raises(InputError, match="it is a link; expected the folder itself"):
        export_model(tiny_model, link, overwrite=True)
    assert (copy_of_export / "model_index.json").is_file()


def test_the_working_folder_is_not_replaced(copy_of_export, tiny_model, monkeypatch):
    monkeypatch.chdir(copy_of_export / "segmenter")
    for output in ("..", ".", copy_of_export):
        with pytest.raises(InputError, match="the working folder is in it; expected a folder to make"):
            export_model(tiny_model, output, overwrite=True)
    assert (copy_of_export / "model_index.json").is_file()


def test_trust_in_remote_code_is_said_in_the_strangers_process_alone():
    import ast

    saying = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                saying.add(file.relative_to(PACKAGE).as_posix())
            assert not (isinstance(node, ast.Constant) and node.value == "trust_remote_code"), file
    assert saying == {"hub/stranger.py"}
    importing = [file for file in PACKAGE.rglob("*.py") if "import stranger" in file.read_text(encoding="utf-8")]
    assert importing == []
