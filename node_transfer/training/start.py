"""What a run starts from: images and weights, both checked before the first step."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator

from node_transfer import checksums
from node_transfer.data.image_data import SPLITS, ImageData
from node_transfer.data.image_folder import UnreadableImagesError
from node_transfer.data.loading import load_data
from node_transfer.errors import UserError, warn
from node_transfer.models.backbones import BACKBONES, MIN_IMAGE_SIZE
from node_transfer.runs.choices import WEIGHTS_WORDS
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.inputs import run_of_model
from node_transfer.runs.places import FOLDER
from node_transfer.runs.unreadable import write_unreadable


def images(config: ExperimentConfig, replicas: int, in_memory: bool = True) -> ImageData:
    """Returns the data of an experiment.

    Args:
        config: The experiment.
        replicas: How many replicas of the model share each batch.
        in_memory: Whether the images are to be read more than once.

    Raises:
        UserError: They cannot be had, or their batches do not go round.
        UnreadableImagesError: Too many images cannot be read.
    """
    backbone = BACKBONES.get(config.backbone)
    data = load_data(
        config.dataset,
        data_dir=config.data_dir,
        image_size=config.image_size,
        default_image_size=backbone.image_size if backbone else 224,
        min_image_size=backbone.min_image_size if backbone else MIN_IMAGE_SIZE,
        resize=config.resize,
        validation_fraction=config.validation_fraction,
        train_examples=config.train_examples,
        seed=config.seed,
        in_memory=in_memory,
    )
    if config.batch_size > data.sizes["train"]:
        raise UserError(
            f"batch_size is {config.batch_size} and there are {data.sizes['train']} "
            f"training examples: pass batch_size={data.sizes['train']} or less."
        )
    _check_shares(config, data.sizes["train"], replicas)
    return data


def _check_shares(config: ExperimentConfig, size: int, replicas: int) -> None:
    """Raises `UserError` where a batch has fewer examples than there are replicas."""
    if config.batch_size < replicas:
        raise UserError(
            f"batch_size is {config.batch_size} and {replicas} replicas share each "
            f"batch: pass batch_size={replicas} or more."
        )
    last = size % config.batch_size
    if 0 < last < replicas:
        raise UserError(
            f"The last of an epoch's batches has {last} of the {size} training examples "
            f"(batch_size={config.batch_size}), fewer than the {replicas} replicas that "
            f"share it: pass another batch_size=, or train_examples={size - last}."
        )


def checksum_of_start(config: ExperimentConfig) -> str | None:
    """Returns the SHA-256 of the file that the weights are from, if they are from one."""
    if config.init_from is not None:
        path = config.init_from
        if os.path.isdir(path):
            path = RunDirectory(path).model_path
    elif config.weights in WEIGHTS_WORDS:
        return None
    else:
        path = config.weights
    return checksums.of_file(path)


@contextlib.contextmanager
def unreadable_recorded(run: RunDirectory) -> Iterator[None]:
    """Writes all images into the run's folder where too many cannot be read.

    Not into that of a finished run, which this one was to replace and does not.
    """
    try:
        yield
    except UnreadableImagesError as error:
        if run.finished:
            raise
        path = write_unreadable(run.path, error.rows)
        raise UserError(f"{str(error)[:-1]} ({str(path)!r} has all).") from error


def check_data(run: RunDirectory, provenance: dict) -> None:
    """Raises `UserError` where a run that has begun would go on with other data.

    Args:
        run: The run, recorded.
        provenance: What the record of its data would say now.
    """
    change = _change_of_data(run, provenance)
    if change:
        raise UserError(
            f"{str(run.path)!r} holds an unfinished run on other data ({change}): give "
            "it back the data that it had, or pass overwrite=True to replace it."
        )


def other_data(run: RunDirectory, data: ImageData) -> bool:
    """Whether data have another checksum than those of a run, or none is known."""
    now = checksums.recorded(data.source)
    return now is None or now != checksums.recorded(run.read_config().get("data"))


def warn_of_other_data(run: RunDirectory, provenance: dict) -> None:
    """Warns where a run's data are others now than those that it was trained on."""
    change = _change_of_data(run, provenance)
    if change:
        warn(
            f"the data are not those that {str(run.path)!r} was trained on ({change}), "
            "so that training images may be among those evaluated"
        )


def warn_of_seen_images(config: ExperimentConfig, data: ImageData) -> None:
    """Warns where a run's validation or test may have what its start was trained on.

    Of the run that it starts from, of the one that that started from, and so on, as far
    as they are still there.

    Args:
        config: The experiment.
        data: Its images.
    """
    if config.init_from is not None:
        warn_of_unknown_split(config.init_from, config.dataset, data)
    for earlier in _starts(config):
        others = _change_of_data(earlier, data.source)
        if others:
            change = f"other images ({others}), so that some are"
        else:
            split = _change_of_split(config, data, earlier)
            if split is None:
                continue
            change = f"another split of these images ({split}), so that some are"
        warn(
            f"{str(earlier.path)!r} was trained on {change} perhaps among those held "
            "out here"
        )
        return


def warn_of_unknown_split(model: str, dataset: str, data: ImageData) -> None:
    """Warns where a model without a record is given a folder that is split by seed.

    Args:
        model: A run directory or a `.keras` file.
        dataset: What the data were asked for by.
        data: The images.
    """
    own = set(SPLITS) & set(data.source.get("files", ()))
    if dataset.startswith(FOLDER) and len(own) < 2 and run_of_model(model) is None:
        warn(
            f"no record of its training is beside {model!r}, so that the images held out "
            "here, which are drawn by seed, are perhaps among those it was trained on"
        )


def _starts(config: ExperimentConfig) -> Iterator[RunDirectory]:
    """Yields the run that an experiment starts from, then that one's start, and so on."""
    init_from, seen = config.init_from, set()
    while init_from is not None and init_from not in seen:
        seen.add(init_from)
        run = run_of_model(init_from)
        if run is None:
            return
        yield run
        init_from = run.read_experiment().init_from


def _change_of_split(
    config: ExperimentConfig, data: ImageData, earlier: RunDirectory
) -> str | None:
    """How images that were trained on came to be held out; `None`: they did not."""
    before = earlier.read_experiment()
    if config.dataset.startswith(FOLDER):  # split by seed, but for its own splits
        if set(SPLITS) <= set(data.source.get("files", ())):
            return None
        names = ["validation_fraction", "seed"]
    else:  # validation is the end of the training images
        sizes = earlier.read_config().get("data", {}).get("sizes", {})
        if data.sizes["validation"] <= sizes.get("validation", 0):
            return None
        names = ["validation_fraction"]
    for name in names:
        then, now = getattr(before, name), getattr(config, name)
        if then != now:
            return f"{name} was {then} and is {now}"
    return None


def _change_of_data(run: RunDirectory, provenance: dict) -> str | None:
    """How the checksum changed; `None`: it did not, or there was or is none."""
    before, now = (
        checksums.recorded(data) for data in (run.read_config().get("data"), provenance)
    )
    if before is None or now is None or before == now:
        return None
    return f"their checksum was {before[:12]} and is {now[:12]}"


def as_begun(run: RunDirectory, config: ExperimentConfig) -> ExperimentConfig:
    """Returns what to build the network of, where a run that has begun goes on.

    One that began with random weights, since ImageNet's could not be had, has its own:
    those that can be had by now are not what it is from.

    Args:
        run: Its folder, which may not be there yet.
        config: The experiment, resolved.
    """
    if config.weights != "auto" or config.overwrite or not run.described:
        return config
    kind = run.read_start().get("kind")
    return dataclasses.replace(config, weights="none") if kind == "random" else config


def check_start(run: RunDirectory, start: dict, goes_on: bool) -> None:
    """Raises `UserError` where a run that has begun would start from other weights now.

    Args:
        run: The run, recorded.
        start: What the record of its weights would say now.
        goes_on: Whether it has a checkpoint, whose weights it goes on with.
    """
    recorded = run.read_start()
    for name in ("kind", "file_sha256", "initial_sha256"):
        if recorded.get(name) == start[name]:
            continue
        if name == "initial_sha256" and goes_on:
            warn(
                "the initial weights of this seed are others here than where the run "
                "began (another processor or another version): it goes on, with numbers "
                "that an uninterrupted run would have to some digits only"
            )
            return
        raise UserError(
            f"{str(run.path)!r} holds an unfinished run from other weights ({name} was "
            f"{recorded.get(name)!r} and is {start[name]!r}): give it back the start "
            "that it had, or pass overwrite=True to replace it."
        )
