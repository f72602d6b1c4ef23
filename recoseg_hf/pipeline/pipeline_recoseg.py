"""ReCoSeg++ as one diffusers pipeline: synthesize T1ce, compare with the real one, segment by what differs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, UNet2DModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from .checks import (
    check_counts,
    check_images,
    check_measurement,
    check_nets,
    check_scheduler,
    check_settings,
    least_multiple,
)
from .conventions import (
    INNER_THRESHOLD,
    REGIONS,
    RESIDUAL_SOURCES,
    SEGMENTER_CHANNELS,
    hides_t1ce,
    parse_names,
    resolve_source,
)
from .denoising import reverse_process, slice_generators, slice_noise, within_range
from .folding import fold_pixels, unfold_pixels
from .fresh import build_system
from .independence import run_slices_apart
from .masks import seeded_mask, slices_to_mirror, smooth_through_slices
from .measurement import Measurement
from .memory import align_weights, choose_batch_size, even_size, run_in_batches
from .pipeline_output import ReCoSegPipelineOutput
from .preprocessing import PreparedStack, for_each, prepare_stack, with_context
from .residual import calibrate_residual, named_planes, residual_map, sample_spread
from .stack_result import StackResult

EMBEDDED_MODEL = Path(__file__).resolve().parent.parent / "pretrained" / "recoseg-small"
ENSEMBLE_SAMPLES = 4
ENSEMBLE_MIN_STEPS = 4

Slices = np.ndarray | torch.Tensor


class ReCoSegPipeline(DiffusionPipeline):
    """Residual-guided segmentation of brain tumours by cross-modal diffusion (arXiv 2508.01058).

    Args:
        synthesizer: predicts T1ce from (x_t, FLAIR, T1, T2), channels in that order (paper, Eq. 3); None for systems
            without synthesis.
        scheduler: any diffusers scheduler with `alphas_cumprod`; swap with `from_config`.
        segmenter: a `UNet2DModel` called with timestep 0, one logit per region. If it has `num_class_embeds`, the
            class label is the position of the residual source in `RESIDUAL_SOURCES`.
        image_size: side of the nets' grid in pixels.
        field_of_view: side of the square window around the brain in mm.
        lower_percentile, upper_percentile: clipping limits of each modality over the brain, 0 to 100.
        normalization: `zscore` (paper) or `robust`, see `IntensityScale.measure`.
        segmenter_inputs: comma-separated channels out of `SEGMENTER_CHANNELS`.
        regions: comma-separated output channels out of `REGIONS`; the first must be `wt`.
        mask_threshold: tau on the probability.
        seed_threshold: what a part of the mask must exceed somewhere, see `seeded_mask`; 0 is the paper's plain tau.
        residual_clip: upper limit of R before min-max normalisation, in (0, 1].
        num_inference_steps: default number of denoising steps.
        pixel_unshuffle: fold n x n pixels into channels before the nets and back after.
        context_slices: neighbours on each side that the segmenter sees beside a slice; 0 is the paper's 2D net.
        flip_average: average the segmenter over the slice and its left-right mirror image.
        flip_above: with `flip_average`, the mirror image is looked at where the first look has a probability above
            this in the slice or in one next to it; elsewhere the first look stands. 0 looks at all. Well below the
            thresholds it hardly changes a mask.
        slice_smoothing: standard deviation in mm of `smooth_through_slices`; 0 is the paper's.
        region_threshold: on the probability of TC and ET, within the mask, see `nested_labels`.
        slice_step: the nets see each n-th slice, and neighbours that far apart; what lies between is interpolated.
            1 is the paper's.
        crop_to_brain: leave out the rows and columns of the grid that no brain of the volume is near.

    Raises:
        ValueError: if a setting is out of its range, or the nets do not fit the settings.
    """

    model_cpu_offload_seq = "synthesizer->segmenter"
    _optional_components = ["synthesizer"]  # noqa: RUF012 (read by diffusers as a class attribute)
    own_components: Mapping[str, type] = MappingProxyType({})  # classes by name that diffusers does not have

    def __init__(
        self,
        synthesizer: UNet2DModel | None,
        scheduler: SchedulerMixin,
        segmenter: UNet2DModel,
        image_size: int = 120,
        field_of_view: int = 240,
        lower_percentile: float = 1.0,
        upper_percentile: float = 99.0,
        normalization: str = "zscore",
        segmenter_inputs: str = "flair,t1,t2,residual",
        regions: str = "wt",
        mask_threshold: float = 0.3,
        seed_threshold: float = 0.0,
        residual_clip: float = 1.0,
        num_inference_steps: int = 1000,
        pixel_unshuffle: int = 1,
        context_slices: int = 0,
        flip_average: bool = False,
        slice_smoothing: float = 0.0,
        region_threshold: float = INNER_THRESHOLD,
        slice_step: int = 1,
        crop_to_brain: bool = False,
        flip_above: float = 0.0,
    ):
        super().__init__()
        self.register_modules(synthesizer=synthesizer, scheduler=scheduler, segmenter=segmenter)
        self.register_to_config(
            image_size=image_size,
            field_of_view=field_of_view,
            lower_percentile=lower_percentile,
            upper_percentile=upper_percentile,
            normalization=normalization,
            segmenter_inputs=segmenter_inputs,
            regions=regions,
            mask_threshold=mask_threshold,
            seed_threshold=seed_threshold,
            residual_clip=residual_clip,
            num_inference_steps=num_inference_steps,
            pixel_unshuffle=pixel_unshuffle,
            context_slices=context_slices,
            flip_average=flip_average,
            slice_smoothing=slice_smoothing,
            region_threshold=region_threshold,
            slice_step=slice_step,
            crop_to_brain=crop_to_brain,
            flip_above=flip_above,
        )
        self.channels = parse_names(segmenter_inputs, SEGMENTER_CHANNELS, "segmenter_inputs")
        self.region_names = parse_names(regions, REGIONS, "regions")
        check_settings(self.config, [net for net in (synthesizer, segmenter) if net is not None])
        check_nets(self.config, synthesizer, segmenter, self.channels, self.region_names)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None = None, **kwargs) -> "ReCoSegPipeline":
        """Load a pipeline from a folder or a Hub id; without an argument the embedded default, offline.

        Takes every argument of `DiffusionPipeline.from_pretrained`. Only safetensors are read unless
        `use_safetensors=False` is passed.

        Raises:
            ValueError: without an argument in a copy that has no embedded weights beside it.
        """
        if kwargs.get("use_safetensors") is None:  # diffusers takes None for leave to read pickles
            kwargs["use_safetensors"] = True
        if pretrained_model_name_or_path is None:
            if not (EMBEDDED_MODEL / "model_index.json").is_file():
                raise ValueError(
                    "from_pretrained() without a name needs the installed package and its embedded weights; "
                    "name a folder or a Hub id."
                )
            pretrained_model_name_or_path = EMBEDDED_MODEL
        default_dtype = torch.get_default_dtype()
        try:
            found = super().from_pretrained(str(pretrained_model_name_or_path), **kwargs)
        finally:  # diffusers sets `dtype` as torch's default while a net is built, and leaves it there if that fails
            torch.set_default_dtype(default_dtype)
        if isinstance(found, cls):  # a folder may name another class
            align_weights(found.components.values())
        return found

    @classmethod
    def from_config_folder(cls, folder: str | Path, seed: int = 0) -> "ReCoSegPipeline":
        """Build a system of `pipelines/` with fresh weights.

        Args:
            folder: holds `model_index.json` and a folder with a configuration for each component.
            seed: of the weights; the global random state stays as it was.

        Raises:
            FileNotFoundError: if the folder holds no `model_index.json`.
            ValueError: if the nets do not fit the settings.
        """
        return cls(**build_system(Path(folder) / cls.config_name, seed, cls.own_components))

    @torch.no_grad()
    def __call__(
        self,
        flair: Slices,
        t1: Slices,
        t2: Slices,
        t1ce: Slices | None = None,
        num_inference_steps: int | None = None,
        generator: torch.Generator | None = None,
        num_samples: int | None = None,
        mask_threshold: float | None = None,
        slice_batch_size: int | None = None,
        residual_source: str | None = None,
        return_dict: bool = True,
        callback_on_step_end: Callable[["ReCoSegPipeline", int, int, dict[str, Any]], Any] | None = None,
        t1ce_measurement: Measurement | None = None,
        shared_noise: bool = False,
    ) -> ReCoSegPipelineOutput | tuple:
        """Synthesize T1ce and segment the tumour of one volume.

        Args:
            flair, t1, t2, t1ce: (N, H, W), all axial slices of one volume from the lowest to the highest, raw
                intensities, pixels of 1 mm, zero outside the brain; H runs from left to right and W from back to
                front (a RAS volume with its last axis first). Statistics are taken over the whole stack.
            num_inference_steps: denoising steps; None takes the model's default, for `ensemble` at least 4.
            generator: gives the seed of all noise; None draws a fresh one.
            num_samples: draws whose mean is the synthetic T1ce; None is 1, or 4 for `residual_source="ensemble"`.
            mask_threshold: tau in (0, 1); None takes the model's default.
            slice_batch_size: slices per call of a net; changes memory and speed, not the result. Halved, down to 1,
                where memory runs out. None chooses by how many pixels the nets see of a slice.
            residual_source: `measured` (needs T1ce; the default where it is given), `ensemble` (spread over samples
                in place of R) or `none` (no residual).
            return_dict: False returns a tuple of the output's fields that are not None.
            callback_on_step_end: called as `callback(pipeline, step, timestep, {"done": ..., "total": ...})` after
                each denoising step of each batch, counted in slices times steps.
            t1ce_measurement: which part of `t1ce` was measured, for a T1ce of thick slices, of a few slices or of low
                resolution; values elsewhere are not looked at. The synthetic T1ce then agrees with that part, and
                `t1ce` serves for nothing else: where a model compares with it, choose another `residual_source`.
            shared_noise: start all slices of a sample from the same noise, and let the solver add the same to all, so
                that neighbours differ in their images alone; by default each slice has its own.

        Raises:
            ValueError: for shapes that differ, values that are not finite, constant images, or a T1ce that the
                model needs and that is neither given nor waived.
            MemoryError: if not even a single slice fits into the device's memory.
        """
        result = self.compute(
            flair, t1, t2, t1ce, num_inference_steps, generator, num_samples, mask_threshold, slice_batch_size,
            residual_source, callback_on_step_end, t1ce_measurement, shared_noise=shared_noise,
        )  # fmt: skip
        maps = {name: result.restored(name) for name in result.maps}
        output = ReCoSegPipelineOutput(
            mask=seeded_mask(maps["wt"], result.mask_threshold, self.config.seed_threshold),
            probability=maps["wt"],
            t1ce=maps.get("t1ce"),
            residual=maps.get("residual"),
            uncertainty=maps.get("uncertainty"),
            residual_source=result.residual_source,
            region_probabilities={name: maps[name] for name in self.region_names},
        )
        return output if return_dict else output.to_tuple()

    @torch.no_grad()
    def compute(
        self,
        flair: Slices,
        t1: Slices,
        t2: Slices,
        t1ce: Slices | None = None,
        num_inference_steps: int | None = None,
        generator: torch.Generator | None = None,
        num_samples: int | None = None,
        mask_threshold: float | None = None,
        slice_batch_size: int | None = None,
        residual_source: str | None = None,
        callback_on_step_end: Callable[["ReCoSegPipeline", int, int, dict[str, Any]], Any] | None = None,
        t1ce_measurement: Measurement | None = None,
        shared_noise: bool = False,
        enter_stage: Callable[[str], Any] | None = None,
    ) -> StackResult:
        """Do what a call does, and leave the maps on the nets' grid: who needs one of them brings back that one.

        Takes the arguments of a call but `return_dict`, and raises what it does; `enter_stage` is called with
        `synthesize`, where the model does that, and `segment` when that begins.
        """
        enter = enter_stage or (lambda stage: None)
        images = check_images({"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce}, for_each)
        check_measurement(t1ce_measurement, "t1ce" in images, self.synthesizer)
        source = self.resolve_source(residual_source, "t1ce" in images and t1ce_measurement is None)
        steps, samples = self.resolve_counts(source, num_inference_steps, num_samples)
        threshold = self.config.mask_threshold if mask_threshold is None else mask_threshold
        check_counts(steps, samples, threshold, slice_batch_size, self.scheduler.config.num_train_timesteps)
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device if generator else None))
        stack = self.preprocess(images, t1ce_measurement)
        draws, batch_size = None, slice_batch_size or self._batch_size(stack)
        if self.synthesizer is not None:
            enter("synthesize")
            draws = self._synthesize(
                stack, steps, samples, seed, batch_size, callback_on_step_end, t1ce_measurement, shared_noise
            )
        enter("segment")
        residual = self._residual(stack, draws, source)
        probabilities = self._segment(stack, draws, residual, source, batch_size)
        maps = {name: probabilities[:, i : i + 1] for i, name in enumerate(self.region_names)}
        maps |= self._drawn_maps(stack, draws)
        if residual is not None:
            maps["residual"] = residual
        return StackResult(stack.grid, stack.source_brain, stack.brain, stack.slice_step, maps, source, threshold)

    def preprocess(
        self, images: Mapping[str, np.ndarray | torch.Tensor], t1ce_measurement: Measurement | None = None
    ) -> PreparedStack:
        """Bring one volume, float32 (N, H, W) by modality, to what the nets see of their grid.

        With a `t1ce_measurement` each slice is seen: a thick one is the mean of several.
        """
        config, seen, multiple = self.config, None, self.window_multiple
        step = config.get("slice_step", 1)  # the 3D baselines have no such setting
        if t1ce_measurement is not None:
            seen, step = t1ce_measurement.slices_seen(len(images["flair"])), 1
            multiple = multiple and t1ce_measurement.window_multiple(multiple, config.image_size)
            if not seen.any():
                images = {name: image for name, image in images.items() if name != "t1ce"}
        return prepare_stack(
            images,
            config.image_size,
            config.field_of_view,
            config.lower_percentile,
            config.upper_percentile,
            config.normalization,
            seen,
            "static_residual" in self.channels,
            step,
            multiple,
        )

    @property
    def window_multiple(self) -> int | None:
        """Of which the sides of the brain's window are a multiple; None for nets that see their whole grid."""
        crops = self.config.get("crop_to_brain", False)  # a setting that the 3D baselines have not
        return least_multiple(self.config, [self.synthesizer, self.segmenter]) if crops else None

    def resolve_source(self, residual_source: str | None, has_t1ce: bool) -> str:
        """Say which residual source a call uses for what it was asked, None included.

        Raises:
            ValueError: if there is no such source, or the model or a missing T1ce rules it out.
        """
        return resolve_source(residual_source, has_t1ce, self.channels, self.synthesizer is not None)

    def resolve_counts(self, source: str, steps: int | None, samples: int | None) -> tuple[int, int]:
        """Say how many denoising steps and samples a call with a resolved `source` takes; None is the model's default.

        Raises:
            ValueError: if they are too few for the source.
        """
        least_steps, usual_samples = (ENSEMBLE_MIN_STEPS, ENSEMBLE_SAMPLES) if source == "ensemble" else (1, 1)
        steps = max(self.config.num_inference_steps, least_steps) if steps is None else steps
        samples = usual_samples if samples is None else samples
        if source == "ensemble" and (samples < 2 or steps < least_steps):
            raise ValueError(
                f"residual_source='ensemble' with num_samples={samples} and num_inference_steps={steps}; expected at "
                f"least 2 and {least_steps}: fewer have no spread."
            )
        return steps, samples

    def _synthesize(
        self,
        stack: PreparedStack,
        steps: int,
        samples: int,
        seed: int,
        batch_size: int,
        callback: Callable | None,
        measurement: Measurement | None = None,
        shared_noise: bool = False,
    ) -> torch.Tensor:
        """Draw T1ce for every slice that holds brain: float32 (K, N, 1, S, S) in [0, 1]."""
        positions = stack.filled_slices()
        measurement = None if stack.t1ce is None else measurement
        split = torch.split if measurement is None else measurement.batches
        draws, device = torch.zeros(samples, *stack.brain.shape), self._execution_device
        total, done = samples * len(positions) * steps, 0
        with self.progress_bar(total=total) as bar:
            for sample in range(samples):

                def draw(batch: torch.Tensor, sample: int = sample) -> None:
                    nonlocal done

                    def advance(step: int, timestep: torch.Tensor) -> None:
                        so_far = done + (step + 1) * len(batch)
                        bar.update(so_far - bar.n)  # back, where a batch is done again in parts
                        if callback is not None:
                            callback(self, step, int(timestep), {"done": so_far, "total": total})

                    owners = [0] * len(batch) if shared_noise else (batch * stack.slice_step).tolist()
                    generators = slice_generators(seed, owners, sample)
                    embed = None
                    if measurement is not None:
                        embed = measurement.embedding(2 * stack.t1ce[batch] - 1, batch)
                    draws[sample, batch] = self.denoise(
                        stack.conditions[batch], generators, steps, advance, embed, device
                    )
                    done += len(batch) * steps

                batch_size = run_in_batches(draw, positions, batch_size, split)
        return draws

    def denoise(
        self,
        conditions: torch.Tensor,
        generators: list[torch.Generator],
        steps: int,
        advance: Callable[[int, torch.Tensor], Any] | None = None,
        embed: Callable[[torch.Tensor], torch.Tensor] | None = None,
        device: torch.device | None = None,
    ) -> torch.Tensor:
        """Run the reverse process from pure noise for one batch of slices.

        Args:
            conditions: float32 (B, 3, S, S) as `preprocess` makes them.
            generators: one per slice, see `slice_generators`.
            steps: denoising steps.
            advance: called with (step, timestep) after each.
            embed: puts what was measured into a clean image (B, 1, S, S) in [-1, 1], see `Measurement.embedding`;
                applied to every x0_hat and to the result.
            device: where the synthesizer computes; None asks diffusers, which walks through all modules for it.

        Returns:
            The synthetic T1ce, float32 (B, 1, S, S) in [0, 1], on the CPU; beyond these limits by what `embed` adds.

        Raises:
            ValueError: if the scheduler's prediction type is unknown, or is epsilon at zero SNR.
        """
        device = self._execution_device if device is None else device
        check_scheduler(self.scheduler.config)
        folded = self._fold(conditions.to(device))
        noise = self._fold(slice_noise(generators, conditions.shape[-2:]).to(device))

        def predict(seen: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            return self._run(self.synthesizer, torch.cat([seen, folded], dim=1), timestep)

        def correct(clean: torch.Tensor) -> torch.Tensor:
            clean = within_range(clean)
            return clean if embed is None else self._fold(embed(self._unfold(clean)))

        noisy = reverse_process(predict, self.scheduler, noise, steps, generators, correct, advance)
        return (self._unfold(correct(noisy)).cpu() + 1) / 2

    def _batch_size(self, stack: PreparedStack) -> int:
        pixels = stack.brain[0].numel() // self.config.pixel_unshuffle**2
        nets = [net for net in (self.synthesizer, self.segmenter) if net is not None]
        channels = max(net.config.get("block_out_channels", (1,))[0] for net in nets)
        return choose_batch_size(len(stack.filled_slices()), pixels * channels)

    def _residual(self, stack: PreparedStack, draws: torch.Tensor | None, source: str) -> torch.Tensor | None:
        """The map that the segmenter is guided by, calibrated: float32 (N, 1, S, S) in [0, 1], or None."""
        if draws is None or source == "none":
            return None
        if source == "ensemble":
            return calibrate_residual(sample_spread(draws, stack.brain), self.config.residual_clip)
        return calibrate_residual(residual_map(stack.t1ce, draws.mean(dim=0), stack.brain), self.config.residual_clip)

    def _segment(
        self,
        stack: PreparedStack,
        draws: torch.Tensor | None,
        residual: torch.Tensor | None,
        source: str,
        batch_size: int,
    ) -> torch.Tensor:
        """Probability of each region: float32 (N, R, S, S), zero in slices without brain (paper, Eq. 8)."""
        positions, inputs = self._channels_of(stack, draws, residual, source)
        probabilities = torch.zeros(len(stack.brain), len(self.region_names), *inputs.shape[2:])
        inputs = inputs.to(next(self.segmenter.parameters()).dtype)  # this and folding once, not with each neighbour
        folded = self._fold(inputs)
        mirrored = self._fold(inputs.flip(-2)) if self.config.flip_average else None
        apart = self.config.slice_step // stack.slice_step
        device = self._execution_device  # diffusers walks through all modules for it

        def segmented(slices: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
            seen = with_context(slices, batch, self.config.context_slices, apart).to(device)
            return self._segment_folded(seen, source).cpu()

        def look(batch: torch.Tensor) -> None:
            probabilities[positions[batch]] = segmented(folded, batch)

        def look_at_mirrored(batch: torch.Tensor) -> None:
            found = segmented(mirrored, batch).flip(-2)
            probabilities[positions[batch]] = (probabilities[positions[batch]] + found) / 2

        fitted = run_in_batches(look, torch.arange(len(positions)), batch_size)
        if self.config.flip_average:
            again = slices_to_mirror(probabilities[positions], self.config.flip_above)
            run_in_batches(look_at_mirrored, again, even_size(len(again), fitted))
        return smooth_through_slices(probabilities, stack.brain, self.config.slice_smoothing / stack.slice_step)

    def _channels_of(
        self, stack: PreparedStack, draws: torch.Tensor | None, residual: torch.Tensor | None, source: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The slices that hold brain, int64 (M,), and what `segmenter_inputs` names of them, float32 (M, C, S, S)."""
        synthetic = None if draws is None else draws.mean(dim=0)
        t1ce = None if hides_t1ce(source, self.channels) else stack.t1ce
        planes = named_planes(stack.conditions, stack.t1, stack.brain, t1ce, synthetic, residual)
        filled = stack.filled_slices()
        return filled, torch.cat([planes[name] for name in self.channels], dim=1)[filled]

    def segment_slices(self, inputs: torch.Tensor, source: str) -> torch.Tensor:
        """Probability of each region, float32 (B, R, S, S), for channels (B, C, S, S) with their context."""
        return self._segment_folded(self._fold(inputs), source)

    def _segment_folded(self, inputs: torch.Tensor, source: str) -> torch.Tensor:
        """Do what `segment_slices` does with folded channels."""
        extra = {}
        if self.segmenter.config.num_class_embeds is not None:
            label = RESIDUAL_SOURCES.index(source)
            extra["class_labels"] = torch.full((len(inputs),), label, device=inputs.device)
        return self._unfold(self._run(self.segmenter, inputs, 0, **extra)).sigmoid()

    def _drawn_maps(self, stack: PreparedStack, draws: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """The mean of the draws and their spread, in source units: float32 (N, 1, S, S)."""
        if draws is None:
            return {}
        scale = stack.t1ce_scale
        maps = {"t1ce": scale.from_unit(draws.mean(dim=0))}
        if len(draws) > 1:
            maps["uncertainty"] = sample_spread(draws, stack.brain) * (scale.bright - scale.dark)
        return maps

    def _run(self, net: UNet2DModel, inputs: torch.Tensor, timestep: torch.Tensor | int, **extra) -> torch.Tensor:
        return run_slices_apart(net, inputs.to(net.dtype), timestep, **extra).float()

    def _fold(self, images: torch.Tensor) -> torch.Tensor:
        return fold_pixels(images, self.config.pixel_unshuffle)

    def _unfold(self, images: torch.Tensor) -> torch.Tensor:
        return unfold_pixels(images, self.config.pixel_unshuffle)
