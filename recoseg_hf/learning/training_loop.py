"""What the two training scripts share around their own loss: schedule, averages, checkpoints, logs, stopping."""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, send_to_device
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from recoseg_hf.errors import CheckpointError, DivergenceError
from recoseg_hf.files import atomic_write
from recoseg_hf.inference.report import weights_sha256
from recoseg_hf.inference.saving import save_pipeline
from recoseg_hf.learning.checkpoints import (
    PREFIX,
    TrainingState,
    complete_checkpoints,
    load_checkpoint,
    remove_partial,
    save_checkpoint,
    set_aside_later,
)
from recoseg_hf.learning.dry_run import DRY_STEPS, StepClock, describe_run, estimate_run, slices_per_step
from recoseg_hf.learning.folder_lock import lock_folder, release_folder
from recoseg_hf.learning.freezing import freeze
from recoseg_hf.learning.group_norm import quicken_group_norms
from recoseg_hf.learning.interruption import StopRequest, TrainingInterrupted
from recoseg_hf.learning.moving_average import MovingAverage
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.processes import Share, agreed_scores, check_processes, exchange_losses, over_processes
from recoseg_hf.learning.randomness import SampleRandomness, seed_dropout
from recoseg_hf.learning.run_log import RunLog
from recoseg_hf.learning.run_record import check_unchanged, made_with, write_record
from recoseg_hf.learning.schedule import learning_rate
from recoseg_hf.learning.slice_batches import SliceDataset, training_loader
from recoseg_hf.learning.stopping import ScoreWatch
from recoseg_hf.learning.training_data import TrainingData, subjects_of_step
from recoseg_hf.learning.workers import naming_what_workers_read
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

BEST_WEIGHTS = "best_ema.safetensors"


class TrainingRun:
    """One net in training: owns the optimiser, the moving average and everything a checkpoint holds.

    Args:
        options: of the script.
        net: the net to train; trained in place.
        higher_is_better: whether the validation score grows with quality.

    Raises:
        LaunchError: several processes were launched that do not know of one another.
        CheckpointError: the run of another process has the folder.
    """

    def __init__(self, options: TrainingOptions, net: UNet2DModel, higher_is_better: bool = True):
        self.options = options
        self.folder = Path(options.output_dir)
        self.accelerator = Accelerator(
            mixed_precision=options.mixed_precision,
            log_with=None if options.report_to == "none" else options.report_to,
            project_dir=self.folder / "logs",
            # Others wait while the main process prepares the data, which may take hours.
            kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))],
        )
        check_processes(self.accelerator.num_processes, self.accelerator.distributed_type)
        if self.accelerator.is_main_process and not options.dry_run:
            lock_folder(self.folder)  # before the data, which may be prepared in it
        if options.gradient_checkpointing:
            net.enable_gradient_checkpointing()
        net.to(memory_format=torch.channels_last).train()
        quicken_group_norms(net)
        freeze(net, options.freeze)  # before Accelerate wraps the net, which would exchange gradients that never come
        trained = [weight for weight in net.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, weight_decay=options.adam_weight_decay)
        self.net, self.optimizer = self.accelerator.prepare(net, optimizer)
        self.average = MovingAverage(self.bare_net, options.ema_decay)
        self.records = RunLog(self.accelerator, self.folder)
        self.watch = ScoreWatch(
            higher_is_better, options.lr_plateau_patience, options.lr_plateau_factor, options.early_stopping_patience
        )
        self.step = 0
        self.last_step = DRY_STEPS if options.dry_run else options.max_train_steps
        self._losses: list[torch.Tensor] = []
        self._stop = StopRequest()
        self._stopping = 0
        self._made_with: dict[str, Any] = {}
        self._data: TrainingData | None = None
        self._clock = StepClock()

    @property
    def bare_net(self) -> UNet2DModel:
        """The net itself, without what Accelerate wraps around it."""
        return self.accelerator.unwrap_model(self.net)

    @property
    def slices_per_step(self) -> int:
        """Slices that all processes together see in one optimiser step."""
        return slices_per_step(self.options, self.accelerator.num_processes)

    @property
    def share(self) -> Share:
        """How the processes share a validation."""
        return over_processes(self.accelerator)

    def resume(self, data: TrainingData, pipeline: ReCoSegPipeline) -> None:
        """Continue from the checkpoint that the options name; starts the trackers either way.

        Args:
            data: of the run.
            pipeline: whose net is trained, with the weights that the run starts from.

        Raises:
            CheckpointError: the checkpoint is not complete and unchanged, or was made with other settings or data; or
                none is named and the folder has some, with which those of a new run would get mixed up.
        """
        self._data = data
        processes, start = self.accelerator.num_processes, weights_sha256(pipeline)
        self._made_with = made_with(self.options, data.fingerprint(), processes, start)
        if self.options.dry_run:
            return
        wanted = self.options.resume_from_checkpoint
        found = complete_checkpoints(self.folder) if wanted in ("", "latest") else [Path(wanted)]
        if found and not wanted:
            raise CheckpointError(
                f"{self.folder}: holds {found[-1].name} of another run; expected a folder without checkpoints. Go on "
                "with --resume_from_checkpoint latest, or name another --output_dir."
            )
        if found:
            self._restore(found[-1])
        if self.accelerator.is_main_process:
            remove_partial(self.folder)
            set_aside_later(self.folder, self.step)
        self.records.start(self.step, self._made_with["options"])

    def progress_bar(self) -> tqdm:
        """One bar over all slices to be seen, on the main process alone."""
        seen, hidden = self.slices_per_step, not self.accelerator.is_main_process
        return tqdm(total=self.last_step * seen, initial=self.step * seen, unit="slice", disable=hidden)

    def steps(self, dataset: SliceDataset) -> Iterator[tuple[int, Iterator[Mapping[str, torch.Tensor]]]]:
        """Yield (step, micro-batches) until the last step or early stopping.

        Raises:
            TrainingInterrupted: a signal asked the run to end; the step it came in has been finished and saved.
            WorkerError: a process that reads the data has died.
        """
        batches = iter(self._loader(dataset, self.options.train_batch_size))
        with self._stop, naming_what_workers_read(getattr(dataset, "files", ())):
            while self.step < self.last_step and not self.watch.stopped:
                self._clock.start()
                step_batches = [next(batches) for _ in range(self.options.gradient_accumulation_steps)]
                yield self.step, map(self._on_device, step_batches)  # one after the other: they share its memory
                if self._stopping:
                    self.accelerator.end_training()
                    raise TrainingInterrupted(self._stopping, self.step)

    def micro_batches(self, dataset: SliceDataset, size: int) -> Iterator[Mapping[str, torch.Tensor]]:
        """Batches of `size` slices for each micro-step of this process from the run's step on, on its device."""
        return map(self._on_device, self._loader(dataset, size))

    def _on_device(self, batch: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return send_to_device(batch, self.accelerator.device)

    def _loader(self, dataset: SliceDataset, size: int) -> DataLoader:
        per_step = self.options.gradient_accumulation_steps
        return training_loader(
            dataset,
            size,
            self.options.seed,
            start=self.step * per_step,
            stop=self.last_step * per_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
            workers=self.options.dataloader_num_workers,
        )

    def randomness(self, step: int, micro_step: int = 0) -> SampleRandomness:
        """All randomness of one micro-batch of this process, dropout's included.

        Args:
            step: optimiser step.
            micro_step: within the step.
        """
        number = step * self.options.gradient_accumulation_steps + micro_step
        seed_dropout(self.options.seed, number, self.accelerator.process_index)
        return self.sample_randomness(step, micro_step, self.options.train_batch_size)

    def sample_randomness(self, step: int, micro_step: int, size: int, stream: int = 0) -> SampleRandomness:
        """Streams of the slices in one of this process' `micro_batches`.

        Args:
            step: optimiser step.
            micro_step: within the step.
            size: of the batch.
            stream: tells apart what must be independent within a sample.
        """
        number = step * self.options.gradient_accumulation_steps + micro_step
        first = (number * self.accelerator.num_processes + self.accelerator.process_index) * size
        return SampleRandomness.of_samples(self.options.seed, first, size, stream)

    def accumulate(self, micro_step: int) -> AbstractContextManager:
        """Gradients are exchanged between processes on the last micro-batch only."""
        last = micro_step == self.options.gradient_accumulation_steps - 1
        return nullcontext() if last else self.accelerator.no_sync(self.net)

    def backward(self, loss: torch.Tensor) -> None:
        """Add one micro-batch's gradient."""
        self.accelerator.backward(loss / self.options.gradient_accumulation_steps)
        self._losses.append(loss.detach())

    def update(self) -> float:
        """Clip, step the optimiser and the average; returns the step's mean loss over all processes.

        Raises:
            DivergenceError: the loss of one process or the gradient is not finite; all stop before it can spoil the
                weights, and the state before this step is saved.
        """
        loss, self._stopping = exchange_losses(self.accelerator, torch.stack(self._losses), self._stop.number)
        self._losses.clear()
        if not math.isfinite(loss):
            self._diverged(loss)
        norm = self.accelerator.clip_grad_norm_(self.net.parameters(), self.options.max_grad_norm)
        if self.accelerator.scaler is None and not norm.isfinite():  # fp16's scaler skips such a step by itself
            self._diverged(norm.item(), "gradient's norm")
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.step()
        self.step += 1
        self._clock.stop()
        if self.step % 10 == 0:
            self.records.write(self.step, {"loss": loss, "learning_rate": rate})
        return loss

    def learning_rate(self) -> float:
        """The rate of the coming step."""
        return learning_rate(self.options, self.step, self.watch.learning_rate_factor)

    def validates(self) -> bool:
        """Whether this step ends with a validation."""
        return self.step % self.options.validation_steps == 0 or self.step == self.last_step

    def judge(self, scores: Mapping[str, float], by: str) -> None:
        """Log validation scores, keep the averaged weights if `by` is the best so far, move plateau and stopping.

        Raises:
            ValueError: if `by` could not be computed.
        """
        if by not in scores:
            raise ValueError(f"the validation gave no {by}; expected validation slices that hold tumour.")
        if self.options.dry_run:
            return
        scores = agreed_scores(self.accelerator, scores)
        self.records.write(self.step, {f"validation/{name}": value for name, value in scores.items()})
        if self.watch.observe(scores[by]) and self.accelerator.is_main_process:
            with atomic_write(self.folder / BEST_WEIGHTS) as path:
                save_file(self.average.weights(), path)

    def save_if_due(self) -> None:
        """Write a checkpoint every `checkpointing_steps`, at the end and where a signal asked the run to end."""
        last = self.step == self.last_step or self.watch.stopped or self._stopping
        if last or self.step % self.options.checkpointing_steps == 0:
            self.save()

    def save(self) -> None:
        """Write a checkpoint; a dry run writes none."""
        if self.options.dry_run or not self.accelerator.is_main_process:
            return
        weights = {"net": self.bare_net.state_dict(), "ema": self.average.weights()}
        best = self.folder / BEST_WEIGHTS
        if self.watch.best is not None and best.is_file():
            weights["best"] = load_file(best)
        state = TrainingState(self.step, weights, self.optimizer.state_dict(), self._progress())
        save_checkpoint(self.folder, state, self.options.checkpoints_total_limit)

    def finish(self, pipeline: ReCoSegPipeline) -> None:
        """Leave the best averaged weights in the net, save the pipeline with the run's record, close the trackers."""
        if self.options.dry_run:
            return
        self._take_best()
        if self.accelerator.is_main_process:
            save_pipeline(pipeline, self.folder)
            subjects, starts = self._data.learnt_from(), self.options.starts()
            write_record(self.folder, self._made_with, subjects, starts, self.step, self._clock.total)
            release_folder(self.folder)
        self.accelerator.end_training()

    def describe(self) -> str:
        """What the run really uses, in a line."""
        return describe_run(self.accelerator, self.bare_net, self.options)

    def estimate(self) -> str:
        """What the whole run would take, after a dry run."""
        return estimate_run(self._clock, self.options, self.accelerator)

    def _take_best(self) -> None:
        self.accelerator.wait_for_everyone()
        best = self.folder / BEST_WEIGHTS
        weights = load_file(best) if self.watch.best is not None else self.average.weights()
        self.bare_net.load_state_dict(dict(self.bare_net.named_buffers()) | weights)
        self.bare_net.eval()

    def _diverged(self, value: float, what: str = "loss") -> None:
        self.optimizer.zero_grad()
        if self.folder / f"{PREFIX}{self.step}" not in complete_checkpoints(self.folder):
            self.save()
        self.accelerator.wait_for_everyone()
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        seen = subjects_of_step(self._data.train, self.options, self.step, rank, processes)
        raise DivergenceError(
            f"the {what} is {value} at step {self.step}, on slices of subjects {', '.join(seen)} (hashes); expected a "
            "finite number. The state before this step is saved: look at the data, or go on from it with a lower "
            "--learning_rate and --allow_config_change."
        )

    def _progress(self) -> dict:
        progress = {
            "watch": self.watch.state(),
            "ema_step": self.average.model.optimization_step,
            "made_with": self._made_with,
        }
        if self.accelerator.scaler is not None:  # fp16
            progress["scaler"] = self.accelerator.scaler.state_dict()
        return progress

    def _restore(self, checkpoint: Path) -> None:
        state = load_checkpoint(checkpoint)
        if not self.options.allow_config_change:
            check_unchanged(checkpoint, state.progress["made_with"], self._made_with)
        if "best" in state.weights and self.accelerator.is_main_process:
            with atomic_write(self.folder / BEST_WEIGHTS) as path:
                save_file(state.weights["best"], path)
        self.bare_net.load_state_dict(state.weights["net"])
        self.optimizer.load_state_dict(state.optimizer)
        self.average.restore(state.weights["ema"], state.progress["ema_step"])
        if "scaler" in state.progress and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.progress["scaler"])
        self.watch.restore(state.progress["watch"])
        self.step = state.step
