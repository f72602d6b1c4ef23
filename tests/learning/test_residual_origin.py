"""What a cache says of itself, and whom it is refused to."""

import copy
import json
import shutil

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.residual_origin import (
    check_residuals,
    check_slices,
    describe_residuals,
    slices_fingerprint,
    synthesizer_sha256,
)
from recoseg_hf.learning.residual_plan import KnownSynthesizer
from recoseg_hf.learning.slices import MANIFEST, read_manifest
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.tiny import tiny_net, tiny_pipeline

EVERYONE = ["sub-01", "sub-02", "sub-03"]


def seen(*subjects) -> frozenset[str]:
    return frozenset(map(subject_hash, subjects))


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(field_of_view=16)


@pytest.fixture(scope="module")
def digest(pipeline):
    return synthesizer_sha256(pipeline)


@pytest.fixture
def manifest(prepared):
    return read_manifest(prepared)


def described(manifest, digest, models, places) -> dict:
    plan = dict(zip(EVERYONE, places, strict=True))
    return describe_residuals(manifest, models, [digest, *["0" * 64] * (len(models) - 1)], plan)


@pytest.fixture
def cache(prepared, manifest, digest, tmp_path):
    """Writes the manifest of a cache and says where."""

    def write(drawn_by: KnownSynthesizer, **changes):
        folder = tmp_path / "cache"
        folder.mkdir()
        entry = described(manifest, digest, [drawn_by], (0, 0, 0)) | changes
        (folder / MANIFEST).write_text(json.dumps(manifest | {"residuals": entry}))
        return folder

    return write


class TestWeights:
    def test_saving_changes_nothing(self, pipeline, digest, tmp_path):
        pipeline.save_pretrained(tmp_path)
        assert synthesizer_sha256(ReCoSegPipeline.from_pretrained(tmp_path)) == digest

    def test_only_the_synthesizer_counts(self, pipeline, digest):
        parts = {"scheduler": pipeline.scheduler, "segmenter": tiny_net(4, 1, seed=9, num_class_embeds=3)}
        other = ReCoSegPipeline(synthesizer=pipeline.synthesizer, **parts, image_size=16, field_of_view=16)
        assert synthesizer_sha256(other) == digest
        assert synthesizer_sha256(tiny_pipeline(seed=1, field_of_view=16)) != digest


class TestDescription:
    def test_folds_that_never_saw_their_subjects_are_out_of_fold(self, manifest, digest):
        models = [KnownSynthesizer("m", seen("sub-01", "sub-02"), True)]
        models += [KnownSynthesizer(str(fold), seen(f"sub-0{2 - fold}"), True, fold) for fold in range(2)]
        assert described(manifest, digest, models, (1, 2, 0)) == {
            "protocol": "out_of_fold",
            "seen": [],
            "slices_sha256": slices_fingerprint(manifest),
            "models": [
                {"fold": None, "weights_sha256": digest, "number_of_subjects": 1, "subjects": ["sub-03"]},
                {"fold": 0, "weights_sha256": "0" * 64, "number_of_subjects": 1, "subjects": ["sub-01"]},
                {"fold": 1, "weights_sha256": "0" * 64, "number_of_subjects": 1, "subjects": ["sub-02"]},
            ],
        }

    def test_subjects_that_were_seen_are_named_and_the_whole_is_in_sample(self, manifest, digest):
        found = described(manifest, digest, [KnownSynthesizer("m", seen("sub-01"), True)], (0, 0, 0))
        assert (found["protocol"], found["seen"]) == ("in_sample", ["sub-01"])

    def test_what_is_not_known_is_in_sample(self, manifest, digest):
        found = described(manifest, digest, [KnownSynthesizer("m")], (0, 0, 0))
        assert (found["protocol"], found["seen"]) == ("in_sample", [])

    def test_a_synthesizer_that_is_known_to_have_seen_nobody_needs_no_folds(self, manifest, digest):
        for complete, protocol in ((True, "out_of_fold"), (False, "in_sample")):
            model = KnownSynthesizer("m", seen("someone-else"), complete)
            assert described(manifest, digest, [model], (0, 0, 0))["protocol"] == protocol


class TestSlices:
    def test_residuals_of_these_slices_pass(self, cache):
        folder = cache(KnownSynthesizer("m"))
        check_slices(folder, read_manifest(folder))

    @pytest.mark.parametrize(
        "change",
        [
            lambda manifest: manifest["settings"].update(image_size=32),
            lambda manifest: manifest["subjects"]["train"].append("sub-04"),
            lambda manifest: manifest["sha256"].update({"sub-01/sub-01_t1ce.nii.gz": "0" * 64}),
        ],
    )
    def test_residuals_of_other_slices_are_refused(self, cache, change):
        folder = cache(KnownSynthesizer("m"))
        manifest = copy.deepcopy(read_manifest(folder))
        change(manifest)
        message = r"recoseg_manifest\.json: residuals drawn for other slices; expected residuals of these slices\. R"
        with pytest.raises(InputError, match=message):
            check_slices(folder, manifest)

    def test_residuals_of_fewer_subjects_are_refused(self, cache, digest):
        folder = cache(KnownSynthesizer("m"), models=[{"weights_sha256": digest, "subjects": ["sub-01"]}])
        with pytest.raises(InputError, match="no residuals of 2 subjects; expected everyone's"):
            check_slices(folder, read_manifest(folder))

    @pytest.mark.parametrize("entry", [{}, {"steps": 2, "samples": 4, "seed": 0, "weights_sha256": ["0" * 64]}])
    def test_residuals_that_say_nothing_of_their_origin_are_refused(self, manifest, tmp_path, entry):
        with pytest.raises(InputError, match="residuals of unknown origin; expected the record of what they were"):
            check_slices(tmp_path, manifest | {"residuals": entry})


class TestSegmenter:
    def test_the_synthesizer_that_drew_them_is_let_through(self, cache, pipeline):
        check_residuals(cache(KnownSynthesizer("m")), pipeline, ["sub-03"])

    def test_another_synthesizer_is_refused_unless_allowed(self, cache, pipeline, digest):
        folder, other = cache(KnownSynthesizer("m")), tiny_pipeline(seed=5, field_of_view=16)
        message = (
            rf"residuals of another synthesizer \({digest[:12]}\); expected those of the one that the segmenter will "
            rf"run beside \({synthesizer_sha256(other)[:12]}\)\. Start from .*--allow_other_synthesizer"
        )
        with pytest.raises(InputError, match=message):
            check_residuals(folder, other, ["sub-03"])
        check_residuals(folder, other, ["sub-03"], allow_other=True)

    @pytest.mark.parametrize("allow_other", [False, True])
    def test_nobody_is_judged_by_residuals_of_a_synthesizer_trained_on_them(self, cache, pipeline, allow_other):
        folder = cache(KnownSynthesizer("m", seen("sub-01", "sub-02")))
        check_residuals(folder, pipeline, ["sub-03"], allow_other)
        message = r"1 of 2 validation subjects were drawn by a synthesizer trained on them; expected validation subj"
        with pytest.raises(InputError, match=message) as caught:
            check_residuals(folder, pipeline, ["sub-02", "sub-03"], allow_other)
        assert "sub-02" not in str(caught.value)


def test_the_fingerprint_is_of_what_the_slices_were_made_of(prepared, manifest, tmp_path):
    assert slices_fingerprint(manifest) == slices_fingerprint(manifest | {"residuals": {"steps": 2}})
    shutil.copytree(prepared, tmp_path / "copy")
    assert slices_fingerprint(read_manifest(tmp_path / "copy")) == slices_fingerprint(manifest)
