"""Train the segmenter on the channels that the pipeline names, residual included.

    accelerate launch training/train_segmenter.py training/configs/recoseg_small_segmenter.yaml \
        --pretrained_model_name_or_path runs/synthesizer --train_data_dir DATA --output_dir runs/recoseg_small

DATA is a folder made by `training/cache_residuals.py`, or by `recoseg prepare` for a system without a residual. The
result is a pipeline folder with the trained segmenter.
"""

from dataclasses import dataclass

from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.options import TrainingOptions, option, parse_options
from recoseg_hf.learning.residual_origin import check_residuals
from recoseg_hf.learning.segmentation import (
    SourceMix,
    cached_columns,
    segmentation_step_loss,
    validate_segmentation,
)
from recoseg_hf.learning.slices import SliceSettings
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.learning.training_data import open_training_data, split_labelled
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.process import tune_process


@dataclass
class SegmenterOptions(TrainingOptions):
    """Options of the segmenter's training beside the common ones."""

    measured_share: float = option(0.7, "Share of slices that see the measured residual.")
    ensemble_share: float = option(0.15, "Share that see the spread over samples in its place.")
    none_share: float = option(0.15, "Share that see no residual.")
    healthy_slice_share: float = option(1.0, "Share of slices without tumour to train on; 0 is the paper's filter.")
    allow_other_synthesizer: bool = option(False, "Train on residuals of another synthesizer than the pipeline's.")
    label_fraction: float = option(1.0, "Share of the train subjects whose labels are used; 0.1 lies inside 0.25.")
    label_subjects: int = option(0, "How many of them instead; 0 goes by --label_fraction.")
    label_seed: int = option(0, "Seed of their choice.")


def main(options: SegmenterOptions) -> None:
    """The whole run."""
    tune_process()
    pipeline = load_or_build(options.pretrained_model_name_or_path, options.seed)
    augmentation = None if options.no_augmentation else AugmentationSettings()
    sources = SourceMix(options.measured_share, options.ensemble_share, options.none_share)
    columns = cached_columns(pipeline.channels, sources)

    run = TrainingRun(options, pipeline.segmenter, higher_is_better=True)
    run.resume()
    with run.accelerator.main_process_first():
        settings = SliceSettings.of_pipeline(pipeline.config)
        data = open_training_data(options, settings, pipeline.config.context_slices, columns)
    if columns:
        judged = data.validation.chosen_subjects()
        check_residuals(options.train_data_dir, pipeline, judged, options.allow_other_synthesizer)
    data.train, _ = split_labelled(data.train, options.label_fraction, options.label_subjects, options.label_seed)
    data.train.keep_healthy(options.healthy_slice_share, options.seed)
    bar = run.progress_bar()
    for step, batches in run.steps(data.train):
        for micro_step, batch in enumerate(batches):
            with run.accumulate(micro_step):
                randomness = run.randomness(step, micro_step)
                run.backward(segmentation_step_loss(run.net, pipeline, batch, randomness, augmentation, sources))
        bar.set_postfix(loss=f"{run.update():.4f}")
        bar.update()
        if run.validates():
            with run.averaged():
                scores = validate_segmentation(pipeline, data.validation, options.train_batch_size, sources.shown[0])
            run.judge(scores, by="dice_wt")
        run.save_if_due()

    run.finish()
    pipeline.segmenter = run.bare_net
    if run.accelerator.is_main_process:
        pipeline.save_pretrained(options.output_dir)


if __name__ == "__main__":
    main(parse_options(SegmenterOptions))
