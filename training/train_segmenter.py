"""Train the segmenter on the channels that the pipeline names, residual included.

    accelerate launch training/train_segmenter.py training/configs/recoseg_small_segmenter.yaml \
        --pretrained_model_name_or_path runs/synthesizer --train_data_dir DATA --output_dir runs/recoseg_small

DATA is a folder made by `training/cache_residuals.py`, or by `recoseg prepare` for a system without a residual; or a
BraTS-style folder, whose slices and residuals are then made first. The result is a pipeline folder with the trained
segmenter. `--site_card_part test` adds a card that says what the training gained on that part of a BraTS-style folder.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from recoseg_hf.cli.scripts import run_script
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.new_site.card import SubjectsOf, make_site_card
from recoseg_hf.hub import push_model
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.channels import with_segmenter_inputs
from recoseg_hf.learning.mean_teacher import ConsistencySettings, MeanTeacher
from recoseg_hf.learning.options import TrainingOptions, option
from recoseg_hf.learning.pictures import segmentation_picture, watched_slices
from recoseg_hf.learning.residual_origin import check_residuals, check_slices
from recoseg_hf.learning.segmentation import (
    SourceMix,
    cached_columns,
    segmentation_step_loss,
    validate_segmentation,
)
from recoseg_hf.learning.slice_batches import open_slices, slices_folder
from recoseg_hf.learning.slices import SliceSettings, read_manifest
from recoseg_hf.learning.start import load_or_build, with_synthesizer_of
from recoseg_hf.learning.training_data import TrainingData, open_training_data, split_labelled
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process


@dataclass
class SegmenterOptions(TrainingOptions):
    """Options of the segmenter's training beside the common ones."""

    measured_share: float = option(0.7, "Share of slices that see the measured residual.")
    ensemble_share: float = option(0.15, "Share that see the spread over samples in its place.")
    none_share: float = option(0.15, "Share that see no residual.")
    synthesizer_model: str = option("", "Model whose synthesizer stands in for the start's: that of the residuals.")
    segmenter_inputs: str = option("", "Channels it is to see; those new to a trained start begin at zero weight.")
    healthy_slice_share: float = option(1.0, "Share of slices without tumour to train on; 0 is the paper's filter.")
    allow_other_synthesizer: bool = option(False, "Train on residuals of another synthesizer than the pipeline's.")
    label_fraction: float = option(1.0, "Share of the train subjects whose labels are used; 0.1 lies inside 0.25.")
    label_subjects: int = option(0, "How many of them instead; 0 goes by --label_fraction.")
    label_seed: int = option(0, "Seed of their choice.")
    unlabelled: str = option("none", "What the other train subjects are for: none or mean_teacher.")
    unlabelled_batch_size: int = option(16, "Slices without labels per micro-batch and process.")
    consistency_weight: float = option(1.0, "mean_teacher: weight of its loss beside the labelled one.")
    consistency_rampup_steps: int = option(200, "mean_teacher: optimiser steps in which that weight grows.")
    confidence: float = option(0.95, "mean_teacher: only pixels that the teacher is so sure of are learnt.")
    site_card_part: str = option("", "Part of a BraTS-style folder's split to measure on before and after.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unlabelled not in ("none", "mean_teacher"):
            raise ValueError(f"unlabelled={self.unlabelled!r}; expected one of none, mean_teacher.")
        if not 0 < self.label_fraction <= 1 or self.label_subjects < 0:
            found = f"label_fraction={self.label_fraction}, label_subjects={self.label_subjects}"
            raise ValueError(f"{found}; expected more than 0 and at most 1, and 0 or more.")
        self.consistency()

    def starts(self) -> list[str]:
        """See `TrainingOptions`."""
        return [*super().starts(), *filter(None, [self.synthesizer_model])]

    def sources(self) -> SourceMix:
        """How often which residual is shown."""
        return SourceMix(self.measured_share, self.ensemble_share, self.none_share)

    def consistency(self) -> ConsistencySettings:
        """Settings of the mean teacher."""
        return ConsistencySettings(
            self.unlabelled_batch_size, self.consistency_weight, self.consistency_rampup_steps, self.confidence
        )


def open_pipeline(options: SegmenterOptions) -> ReCoSegPipeline:
    """What the run starts from."""
    pipeline = load_or_build(options.pretrained_model_name_or_path, options.seed)
    if options.synthesizer_model:
        other = load_or_build(options.synthesizer_model, options.seed)
        pipeline = with_synthesizer_of(pipeline, other, options.synthesizer_model)
    return with_segmenter_inputs(pipeline, options.segmenter_inputs) if options.segmenter_inputs else pipeline


def open_data(options: SegmenterOptions, pipeline: ReCoSegPipeline) -> TrainingData:
    """Everybody that the run learns from and is judged on."""
    columns = cached_columns(pipeline.channels, options.sources())
    settings = SliceSettings.of_pipeline(pipeline.config)
    if columns:
        options = with_residuals(options, settings)
    data = open_training_data(options, settings, pipeline.config.context_slices, columns, pipeline.config.slice_step)
    if columns:
        judged = data.validation.chosen_subjects()
        check_residuals(options.train_data_dir, pipeline, judged, options.allow_other_synthesizer)
    data.check_labels("validation", *(["train"] if options.unlabelled == "none" else []))
    if not data.validation.tumour_pixels()[data.validation.rows].any():
        remedy = "Choose other validation subjects, or a smaller --validation_every."
        raise InputError(options.train_data_dir, "no tumour in the validation slices", "some to judge by", remedy)
    data.train, others = split_labelled(
        data.train, options.label_fraction, options.label_subjects, options.label_seed, data.without_labels
    )
    data.unlabelled = others if options.unlabelled == "mean_teacher" else None
    data.train.keep_healthy(options.healthy_slice_share, options.seed)
    return data


def with_residuals(options: SegmenterOptions, settings: SliceSettings) -> SegmenterOptions:
    """For a BraTS-style folder: draw the residuals of its slices once, by the pipeline that the run starts from."""
    slices = slices_folder(options.train_data_dir, options.output_dir)
    if slices == Path(options.train_data_dir):
        return options
    open_slices(options.train_data_dir, options.output_dir, settings)  # makes them, or checks that they fit
    drawn = Path(options.output_dir) / "slices_residuals"
    if not (drawn / "dataset_dict.json").is_file():
        from cache_residuals import CacheOptions  # the script beside this one, found where this one is run
        from cache_residuals import main as draw

        made = {"split": options.split, "seed": options.seed}
        made["mixed_precision"] = "bf16" if options.mixed_precision == "bf16" else "no"
        made["num_samples"] = CacheOptions.num_samples if options.ensemble_share > 0 else 0  # most of the work
        drawer = options.synthesizer_model or options.pretrained_model_name_or_path
        draw(CacheOptions(drawer, str(slices), str(drawn), **made))
    check_slices(drawn, read_manifest(slices) | {"residuals": read_manifest(drawn)["residuals"]})
    return replace(options, train_data_dir=str(drawn))


def site_subjects(options: SegmenterOptions) -> SubjectsOf | None:
    """Whom the site card is measured on; None if there is to be no card.

    Raises:
        InputError: there is no trained model to compare with, no such part of a BraTS-style folder, or that model has
            seen it.
    """
    if not options.site_card_part:
        return None
    if options.site_card_part == "train":
        raise InputError("--site_card_part train", "the run trains on these", "others", "Name validation or test.")
    start = Path(options.pretrained_model_name_or_path)
    if start.is_dir() and not any(start.glob("*/*.safetensors")):
        raise InputError(start, "no weights to compare with", "a trained model", "Leave --site_card_part out.")
    subjects = SubjectsOf(Path(options.train_data_dir), options.site_card_part)
    subjects.check_unseen([start])
    return subjects


def share(options: SegmenterOptions, subjects: SubjectsOf | None) -> None:
    """What may leave the folder once the model is there: its site card, and itself."""
    if subjects is not None:
        print(make_site_card(options.pretrained_model_name_or_path, options.output_dir, subjects, options.output_dir))
    if options.push_to_hub:
        print(push_model(options.output_dir, options.hub_model_id, options.hub_private_repo))


def main(options: SegmenterOptions) -> None:
    """The whole run."""
    tune_process()
    subjects = site_subjects(options)
    pipeline = open_pipeline(options)
    augmentation = None if options.no_augmentation else AugmentationSettings()
    sources = options.sources()

    run = TrainingRun(options, pipeline.segmenter, higher_is_better=True)
    run.accelerator.print(run.describe())
    with run.accelerator.main_process_first():
        data = open_data(options, pipeline)
    run.resume(data, pipeline)
    teacher = None
    if data.unlabelled is not None:
        teacher = MeanTeacher(run, pipeline, data.unlabelled, options.consistency(), augmentation, sources)
    watched = watched_slices(data.validation)
    bar = run.progress_bar()
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                randomness = run.randomness(step, micro_step)
                loss = segmentation_step_loss(run.net, pipeline, batch, randomness, augmentation, sources)
                if teacher is not None:
                    loss = loss + teacher.loss(step, micro_step)
                run.backward(loss)
        bar.set_postfix(loss=f"{run.update():.4f}")
        bar.update(run.slices_per_step)
        if teacher is not None:
            teacher.log_if_due()
        if run.validates():
            with run.average.applied():
                scores = validate_segmentation(
                    pipeline, data.validation, options.train_batch_size, sources.shown[0], share=run.share
                )
                run.records.picture(
                    run.step,
                    "flair, t1ce, residual, probability, label",
                    lambda: segmentation_picture(pipeline, data.validation, watched, sources.shown[0]),
                )
            run.judge(scores, by="dice_wt")
        run.save_if_due()

    bar.close()
    pipeline.segmenter = run.bare_net
    run.finish(pipeline)
    if options.dry_run:
        run.accelerator.print(run.estimate())
    elif run.accelerator.is_main_process:
        share(options, subjects)


if __name__ == "__main__":
    run_script(main, SegmenterOptions)
