"""The commands of the shell: `recoseg export` and `push`, and `hf` with what they made."""

import json
import sys

import pytest

from tests.hub.clients import ROOT, run_command
from tests.hub.poison import files_of

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def recoseg(arguments, environment, folder):
    return run_command(
        [sys.executable, "-m", "recoseg_hf", *arguments], dict(environment) | {"PYTHONPATH": str(ROOT)}, folder
    )


def test_export_and_push_say_where_the_model_is(loopback_hub, tiny_model, tmp_path):
    environment = loopback_hub.environment(tmp_path)
    done = recoseg(["export", tiny_model, "-o", "mine", "--no-example", "--no-endpoint"], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Checked:      a process without recoseg_hf loads it and gets the same result" in done.stdout
    assert done.stdout.splitlines()[-1] == "Publish it:   recoseg push mine organisation/mine"
    assert not (tmp_path / "mine" / "handler.py").exists()
    done = recoseg(["push", "mine", "org/mine", "--public", "--tag", "v1"], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    repository = loopback_hub.model("org/mine")
    assert not repository.private
    assert f"Commit:       {repository.tags['v1']}\n" in done.stdout
    assert 'load_pipeline("org/mine", revision="v1")' in done.stdout
    (tmp_path / "mine" / "README.md").write_text("Dice 0.99\n")
    done = recoseg(["push", "mine", "org/mine", "--public"], environment, tmp_path)
    assert done.returncode == 3
    assert "mine/README.md: it was changed after the export" in done.stderr
    assert len(repository.commits) == 2


def test_hf_uploads_and_downloads_an_exported_folder(loopback_hub, exported, tmp_path):
    environment = loopback_hub.environment(tmp_path)
    done = run_command(["hf", "upload", "org/by-hf", exported, "."], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    done = run_command(["hf", "download", "org/by-hf", "--local-dir", "down"], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    down = {name: content for name, content in files_of(tmp_path / "down").items() if not name.startswith(".")}
    assert down == files_of(exported)
    manifest = json.loads((tmp_path / "down" / "manifest.json").read_text())
    assert manifest["files"].keys() | {"manifest.json"} == down.keys()


def test_hf_uploads_a_space(loopback_hub, tmp_path):
    space = tmp_path / "space"
    space.mkdir()
    (space / "README.md").write_text("---\ntitle: A demo\nsdk: gradio\napp_file: app.py\n---\n")
    (space / "app.py").write_text("print('hello')\n")
    environment = loopback_hub.environment(tmp_path)
    create = ["hf", "repos", "create", "org/demo", "--type", "space", "--space-sdk", "gradio"]
    done = run_command(create, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    done = run_command(["hf", "upload", "org/demo", space, ".", "--repo-type", "space"], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    repository = loopback_hub.repositories["space", "org/demo"]
    assert repository.settings == {"sdk": "gradio"}
    sent = {name: file.content for name, file in repository.at().files.items() if name != ".gitattributes"}
    assert sent == files_of(space)
