"""From a config to a model."""

import keras
import numpy as np

from node_transfer.runs.config import BASELINE, NODE_RK
from tests.training.made import quick


def test_mixed_precision_is_a_policy_of_the_backbone_alone(tmp_path):
    from node_transfer.training.build import build_model

    config = quick(
        NODE_RK,
        tmp_path / "run",
        backbone="EfficientNetB0",
        mixed_precision="mixed_bfloat16",
    )
    keras.config.set_dtype_policy(config.dtype_policy)
    model, _ = build_model(config, 32, 10)
    assert model.backbone.layers[-1].compute_dtype == "bfloat16"
    assert model.block.dynamics.compute_dtype == "float32"
    assert isinstance(model.head, keras.layers.Dense)
    assert model.head.compute_dtype == "float32"


def test_models_of_one_seed_start_from_the_same_final_layer(tmp_path):
    from node_transfer.training.build import build_model

    kernels = []
    for config, seed in ((BASELINE, 1), (NODE_RK, 1), (BASELINE, 2)):
        config = quick(
            config, tmp_path / "run", seed=seed, backbone="EfficientNetB0", image_size=32
        )
        keras.utils.set_random_seed(seed)
        model, _ = build_model(config, 32, 10)
        kernels.append(model.head.kernel.numpy())
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
