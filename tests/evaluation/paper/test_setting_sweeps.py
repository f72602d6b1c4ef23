import pytest
from diffusers import DDIMScheduler

from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.metrics.flicker import flicker
from recoseg_hf.evaluation.paper.setting_sweeps import measure_sweeps
from recoseg_hf.evaluation.paper.sweep_plan import SWEEPS, plan_sweeps
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests import factories
from tests.tiny import tiny_pipeline

SHAPE = (14, 12, 5)


def case(number: int, **others) -> Case:
    scans = [Volume(factories.intensities(SHAPE, 10 * number + k), factories.affine()) for k in range(4)]
    labels = Volume(factories.labels(SHAPE), factories.affine())
    return Case(f"secret-{number}", *scans[:3], **{"t1ce": scans[3], "seg": labels} | others)


def model(**settings):
    return tiny_pipeline(regions="wt,et", field_of_view=16, mask_threshold=0.47, residual_clip=0.5, **settings)


class Shared(ReCoSegPipeline):
    def compute(self, *volumes, **options):
        return super().compute(*volumes, **options, shared_noise=True)


class TestPlan:
    def test_the_papers_thresholds_and_the_models_own_values_are_among_the_points(self):
        plan = plan_sweeps(model(slice_smoothing=0.7), steps=(1, 4, 2000))
        assert tuple(plan) == SWEEPS
        assert {"0.3", "0.4", "0.5", "0.47"} <= set(plan["mask_threshold"])
        assert list(plan["num_inference_steps"]) == ["1", "2", "4"]  # 2 is the model's own, 2000 more than there are
        assert {"0.5", "1"} < set(plan["residual_clip"])
        own = {name: [value for value, point in points.items() if point.own] for name, points in plan.items()}
        assert own == {
            "mask_threshold": [], "num_inference_steps": ["2"], "residual_clip": ["0.5"],
            "residual_source": ["measured"], "slice_smoothing": ["0.7"], "noise": ["independent"],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("inputs", "expected"),
        [
            ("flair,t1,t2,t1ce", ["mask_threshold", "slice_smoothing"]),
            ("flair,t1,t2,synthetic_t1ce", ["mask_threshold", "num_inference_steps", "slice_smoothing", "noise"]),
        ],
    )
    def test_what_means_nothing_to_a_model_is_not_tried(self, inputs, expected):
        synthesizer = True if "synthetic" in inputs else None
        assert list(plan_sweeps(model(segmenter_inputs=inputs, synthesizer=synthesizer))) == expected

    def test_a_regression_has_one_step_and_no_ensemble(self):
        one_step = {"num_train_timesteps": 1, "beta_start": 1.0, "beta_end": 1.0, "prediction_type": "sample"}
        plan = plan_sweeps(model(scheduler=DDIMScheduler(**one_step), num_inference_steps=1))
        assert list(plan["num_inference_steps"]) == ["1"]
        assert list(plan["residual_source"]) == ["measured", "none"]

    def test_an_unknown_sweep_is_refused(self):
        assert list(plan_sweeps(model(), only=["noise"])) == ["noise"]
        with pytest.raises(ValueError, match="no sweep clip; expected some of mask_threshold, num_inference_steps"):
            plan_sweeps(model(), only=["noise", "clip"])


class TestMeasurement:
    @pytest.fixture(scope="class")
    @classmethod
    def measured(cls):
        done, calls, pipeline = [], [], model()
        plan = plan_sweeps(pipeline, steps=(1, 3))
        pipeline.synthesizer.register_forward_pre_hook(lambda *_: calls.append(1))
        result = measure_sweeps(pipeline, (case(k) for k in (1, 2)), plan, 0, done.append)
        return result, done, len(calls)

    def test_points_are_those_of_predictions_made_one_by_one(self, measured):
        result, done, _ = measured
        assert (result["n"], done) == (2, [1, 2])
        variants = {
            ("residual_clip", "0.1"): predictions(tiny(residual_clip=0.1)),
            ("residual_source", "none"): predictions(model(), residual_source="none"),
            ("residual_source", "ensemble"): predictions(model(), residual_source="ensemble"),
            ("slice_smoothing", "2"): predictions(model(slice_smoothing=2.0)),
            ("num_inference_steps", "3"): predictions(model(), num_inference_steps=3),
            ("mask_threshold", "0.4"): predictions(model(), mask_threshold=0.4),
        }
        own = dices(predictions(model()))
        for (name, value), found in variants.items():
            point = result["sweeps"][name][value]
            assert point["scores"]["dice_wt"]["value"] == pytest.approx(sum(dices(found)) / 2), name
            difference = point["difference"]["dice_wt"]
            assert difference["value"] == pytest.approx(sum(dices(found)) / 2 - sum(own) / 2), name
            assert difference["n"] == 2

    def test_the_own_value_differs_by_nothing(self, measured):
        for name, value in (("mask_threshold", "0.47"), ("residual_clip", "0.5"), ("noise", "independent")):
            point = measured[0]["sweeps"][name][value]
            assert {one["value"] for one in point["difference"].values()} <= {0, None}
            shared = point["scores"].keys()
            assert point["scores"] == {key: measured[0]["default"]["scores"][key] for key in shared}

    def test_a_t1ce_that_points_share_is_drawn_once(self, measured):
        # Of each subject, in steps: own 2, tried 1 and 3, an ensemble's 4 samples of 4, shared noise 2.
        assert measured[2] == 2 * (2 + 1 + 3 + 4 * 4 + 2)

    def test_flicker_is_that_of_shared_noise(self, measured):
        found = []
        for number in (1, 2):
            subject = case(number)
            pipeline = model()
            pipeline.__class__ = Shared
            t1ce = predict_case(pipeline, subject).t1ce.data
            found.append(flicker(subject.t1ce.data, t1ce, subject.t1ce.data != 0)["through_plane"])
        point = measured[0]["sweeps"]["noise"]["shared"]
        assert point["scores"]["flicker_through_plane"]["value"] == pytest.approx(sum(found) / 2)
        assert point["difference"]["flicker_through_plane"]["value"] != 0

    def test_scores_of_the_synthesis_stand_where_it_changes(self, measured):
        expected = [
            compare_synthesis(one.t1ce, predict_case(model(), one, num_inference_steps=1).t1ce, labels=one.seg)
            for one in (case(1), case(2))
        ]
        sweeps = measured[0]["sweeps"]
        one_step = sweeps["num_inference_steps"]["1"]["scores"]
        assert one_step["psnr_et"]["value"] == pytest.approx(sum(x["tumour"]["et"]["psnr"] for x in expected) / 2)
        assert one_step["seconds"]["value"] > 0
        assert "psnr" not in sweeps["residual_clip"]["0.1"]["scores"]
        assert "average_precision_et" in sweeps["residual_clip"]["0.1"]["scores"]
        timed = {name for name, points in sweeps.items() for one in points.values() if "seconds" in one["scores"]}
        assert timed == {"num_inference_steps"}

    def test_the_own_settings_are_told_and_nobody_is_named(self, measured):
        settings = measured[0]["default"]["settings"]
        assert settings["mask_threshold"] == 0.47
        assert (settings["residual_clip"], settings["num_inference_steps"], settings["noise"]) == (
            0.5,
            2,
            "independent",
        )
        assert "secret" not in str(measured[0])

    @pytest.mark.parametrize("missing", ["seg", "t1ce"])
    def test_a_subject_that_lacks_what_is_compared_is_refused(self, missing):
        with pytest.raises(ValueError, match="subject 1 has no T1ce or no segmentation; expected both"):
            measure_sweeps(model(), [case(1, **{missing: None})], {})

    def test_nobody_is_refused(self):
        with pytest.raises(ValueError, match="no subjects; expected one or more"):
            measure_sweeps(model(), [], {})


def tiny(**settings):
    return tiny_pipeline(regions="wt,et", field_of_view=16, mask_threshold=0.47, **settings)


def predictions(pipeline, **options) -> list[tuple]:
    return [(predict_case(pipeline, case(k), **options), case(k)) for k in (1, 2)]


def dices(found) -> list[float]:
    return [compare_case(prediction.mask, one.seg)["dice"] for prediction, one in found]
