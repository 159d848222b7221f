"""From a config to a model."""

import contextlib
import os
from collections.abc import Sequence

import keras
import numpy as np

from node_transfer.errors import UserError
from node_transfer.models.backbones import check_backbone
from node_transfer.models.block_weights import take_over
from node_transfer.models.blocks import BLOCKS, block_input_of, find, make_block
from node_transfer.models.own_parts import import_own, is_own, layer_class
from node_transfer.models.pretrained import WeightsSource, backbone_with_source
from node_transfer.models.saving import load_model
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.inputs import model_file, run_of_model
from node_transfer.training.averages import restore_momentum


def resolve_backbone(config: ExperimentConfig) -> ExperimentConfig:
    """Fills in backbone, weights and image size from defaults or the earlier run.

    Raises:
        UserError: A field contradicts the run that `init_from` names, or a part of the
            user's own cannot be had.
    """
    if is_own(config.dynamics) and find(BLOCKS, "block", config.block).has_dynamics:
        layer_class("dynamics", config.dynamics)
    if is_own(config.backbone):
        import_own("backbone", config.backbone)
    if config.init_from is None:
        config = config.with_default_network()
        check_backbone(config.backbone)
        return config
    if config.weights is not None:
        raise UserError(
            f"weights is {config.weights!r} and init_from is {config.init_from!r}: an "
            "earlier run brings its own weights, so leave weights= out."
        )
    if not os.path.isdir(config.init_from):
        return config  # a model file alone: nothing is known of it before it is loaded
    return config.with_network_of(RunDirectory(config.init_from).read_experiment())


def build_model(
    config: ExperimentConfig,
    image_size: int,
    num_classes: int,
    class_names: Sequence[str] | None = None,
):
    """Builds the model of an experiment.

    Returns:
        `(model, WeightsSource)`.

    Raises:
        UserError: Weights that cannot be had, or an earlier model that does not fit.
    """
    if config.init_from is None:
        backbone, source = backbone_with_source(
            config.backbone, config.weights, image_size
        )
        earlier = None
    else:
        earlier = _load_earlier(config, image_size, num_classes, class_names)
        backbone = earlier.backbone
        _restore_momentum(backbone, config.init_from, image_size)
    backbone.trainable = not config.freeze_backbone
    model = TransferClassifier(
        backbone,
        num_classes,
        block=make_block(config),
        block_input=block_input_of(config.block, config.dynamics, config.block_input),
        class_names=class_names,
        resize=config.resize,
        name="transfer_classifier",
    )
    if earlier is None:
        # Of the seed alone, so that models with and without a block start out alike.
        initializer = keras.initializers.GlorotUniform(seed=config.seed)
        model.head.kernel.assign(initializer(model.head.kernel.shape))
    else:
        head = earlier.head.get_weights()
        model.head.set_weights(_fitted(head, model.head.kernel.shape[0]))
        source = _source_of_run(model, earlier, config.init_from)
    return model, source


def _source_of_run(
    model: TransferClassifier, earlier: TransferClassifier, init_from: str
) -> WeightsSource:
    """Takes over an earlier run's block where it can, and says what was taken over."""
    network = f"network of the run {init_from}"
    if earlier.block is None:
        return WeightsSource("run", network)
    if (
        model.block is not None
        and model.block_input == earlier.block_input
        and take_over(model.block, earlier.block)
    ):
        return WeightsSource("run", f"network and block of the run {init_from}")
    ours = "has none" if model.block is None else "begins with another"
    return WeightsSource(
        "run",
        network,
        f"the run {init_from!r} has a trained block ({earlier.block.name}), which is "
        f"left out, since this run {ours}",
    )


def _fitted(head: list[np.ndarray], channels: int) -> list[np.ndarray]:
    """The weights of a final layer that sees more channels, and nothing in them yet.

    Or fewer: a block's additional channels are its last.
    """
    kernel, bias = head
    added = max(0, channels - len(kernel))
    return [np.pad(kernel[:channels], [[0, added], [0, 0]]), bias]


def load_classifier(run_or_file: str) -> TransferClassifier:
    """Loads the model of a run directory, or of a `.keras` file.

    Raises:
        UserError: There is none, or it is not a `TransferClassifier`.
    """
    if os.path.isdir(run_or_file):
        run = RunDirectory(run_or_file)
        if run.finished:
            run.check_model()
    path = model_file(run_or_file)
    _import_parts(RunDirectory(os.path.dirname(path)))
    model = load_model(path)
    check_classifier(model, f"The model {path!r}")
    channels = model.input_shape[-1]
    if channels != 3:
        raise UserError(
            f"The model {path!r} takes images of {channels} channel"
            f"{'' if channels == 1 else 's'}, not of 3: pass one for RGB images."
        )
    return model


def check_classifier(model: keras.Model, named: str) -> None:
    """Raises `UserError` where a model, named so, is no classifier of ours."""
    if not isinstance(model, TransferClassifier):
        raise UserError(
            f"{named} is a {type(model).__name__}, not a TransferClassifier: pass a run "
            "of this library."
        )


def _import_parts(run: RunDirectory) -> None:
    """Imports what a run's model has of the user's own, so that Keras finds it.

    Raises:
        UserError: The module of its dynamics is missing.
    """
    try:
        config = run.read_experiment()
    except UserError:  # a model without a record of its run
        return
    if is_own(config.dynamics) and find(BLOCKS, "block", config.block).has_dynamics:
        try:
            import_own("dynamics", config.dynamics)
        except UserError as error:
            raise UserError(f"In the run {str(run.path)!r} {error}") from error
    if is_own(config.backbone):
        with contextlib.suppress(UserError):  # its layers may all be Keras's own
            import_own("backbone", config.backbone)


def _load_earlier(
    config: ExperimentConfig,
    image_size: int,
    num_classes: int,
    class_names: Sequence[str] | None,
) -> TransferClassifier:
    """Loads the model that a run starts from, and checks that it fits the config."""
    init_from = config.init_from
    model = load_classifier(init_from)
    name = config.backbone
    expected = name and check_backbone(name).keras_name
    if expected and model.backbone.name != expected:
        raise UserError(
            f"backbone is {name!r}, but the run {init_from!r} has "
            f"{model.backbone.name!r}: leave backbone= out."
        )
    policy = model.dtype_policy.name
    if policy != config.dtype_policy:
        raise UserError(
            f"mixed_precision is {config.mixed_precision!r}, but the run {init_from!r} "
            f"computes in {policy}: pass mixed_precision="
            f"{'none' if policy == 'float32' else policy!r}."
        )
    if model.num_classes != num_classes:
        raise UserError(
            f"The run {init_from!r} tells {model.num_classes} classes apart and the "
            f"dataset has {num_classes}: train on the same dataset, or leave init_from= "
            "out."
        )
    if model.image_size != image_size:
        raise UserError(
            f"The run {init_from!r} takes images of {model.image_size} pixels, not "
            f"{image_size}: pass image_size={model.image_size}."
        )
    if model.resize != config.resize:
        raise UserError(
            f"resize is {config.resize!r}, but the run {init_from!r} has "
            f"{model.resize!r}: pass resize={model.resize}."
        )
    unlike = unlike_names(model.class_names, class_names)
    if unlike:
        raise UserError(
            f"The classes of the run {init_from!r} are not those of the dataset "
            f"({unlike}): train on the same classes, or leave init_from= out."
        )
    return model


def _restore_momentum(backbone, init_from: str, image_size: int) -> None:
    """Takes back what `adapt_batchnorm` of an earlier run made of its backbone."""
    run = run_of_model(init_from)
    earlier = run.read_experiment() if run else None
    if earlier is not None and earlier.adapt_batchnorm and earlier.backbone:
        weights = "auto" if is_own(earlier.backbone) else "none"
        as_built, _ = backbone_with_source(earlier.backbone, weights, image_size)
        restore_momentum(backbone, as_built)


def unlike_names(ours: Sequence[str] | None, theirs: Sequence[str] | None) -> str | None:
    """Returns where the names of a model's classes are not those of a dataset's.

    Args:
        ours, theirs: Of the model, of the dataset; as many, or `None`: not known.

    Returns:
        A few words on the first; `None`: they are the same, or not known.
    """
    for label, (one, other) in enumerate(zip(ours or (), theirs or (), strict=False)):
        if one != other:
            return f"class {label} is {one!r} there and {other!r} here"
    return None
