"""One of several processes that train small networks together, all of their gradients.

    TF_CONFIG=... python -m tests.training.member FOLDER CASE...

They have no batch normalization, which would see other examples, but clip the gradient,
and the last batch is uneven. Another network has, and learns nothing else.
"""

import json
import os
import sys

# Method, gradient, dtype policy and label smoothing.
CASES = {
    "backprop": ("rk4", "backprop", "float32", 0.0),
    "adjoint": ("dopri5", "adjoint", "float32", 0.3),
    "mixed": ("rk4", "backprop", "mixed_float16", 0.0),
}
BATCH, EXAMPLES = 32, 83  # the last of three batches has 19
LEARNING_RATE, CLIP_NORM = 0.05, 0.5
MOMENTUM = 0.5  # of moving averages


def build(case: str):
    """Returns a small compiled model, made within the scope of its strategy."""
    import keras

    from node_transfer import DenseDynamics, ODELayer
    from node_transfer.training import evaluation

    method, gradient, policy, _ = CASES[case]
    keras.config.set_dtype_policy(policy)
    images = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(6, 3, strides=4, activation="tanh")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    block = ODELayer(
        DenseDynamics(8), rtol=1e-6, atol=1e-6, method=method,
        gradient=gradient, options={"num_steps": 4} if method == "rk4" else None,
    )  # fmt: skip
    logits = keras.layers.Dense(
        10, dtype="float32", kernel_regularizer=keras.regularizers.L2(0.01)
    )
    model = keras.Model(images, logits(block(x)))
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=0.9, global_clipnorm=CLIP_NORM),
        evaluation.loss(),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def build_normalization():
    """Returns a compiled model whose moving averages alone change in training."""
    import keras

    from node_transfer.training import evaluation

    keras.config.set_dtype_policy("float32")
    images = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.BatchNormalization(momentum=MOMENTUM)(x)
    logits = keras.layers.Dense(10)(keras.layers.GlobalMaxPooling2D()(x))
    model = keras.Model(images, logits)
    model.compile(keras.optimizers.SGD(0.0), evaluation.loss(), metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def data():
    """Returns the images."""
    from node_transfer.data.loading import load_data

    return load_data("digits", train_examples=EXAMPLES)


def fit(workers, build, epochs: int, callbacks: list, smoothing: float = 0.0):
    """Trains what a function builds; returns the model."""
    import keras

    from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
    from node_transfer.training.loop import Loop

    keras.utils.set_random_seed(0)
    images = data()
    with workers.strategy.scope():
        model = build()
    share = None
    if workers.replicas > 1:
        share = Share(workers.local_replicas, workers.replicas)
    size = images.sizes["validation"]
    batch = next(b for b in range(BATCH, size) if size % b == 1)  # a last one of one
    Loop(model, workers.strategy, smoothing).fit(
        training_batches(images, BATCH, 0, 0, epochs, share=share),
        -(-EXAMPLES // BATCH),
        evaluation_batches(images, "validation", batch, share),
        -(-size // batch),
        range(epochs),
        callbacks,
        verbose=0,
    )
    return model


def train(workers, case: str, epochs: int = 2) -> dict:
    """Returns the history of a training and its weights."""
    import keras

    losses, history = [], keras.callbacks.History()
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: losses.append(logs["loss"])
    )
    model = fit(
        workers, lambda: build(case), epochs, [history, watch], smoothing=CASES[case][-1]
    )
    weights = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    return {
        "history": history.history,
        "losses": losses,
        "weights": [w.astype(float).ravel().tolist() for w in weights],
    }


def normalize(workers) -> dict:
    """Returns the moving averages after an epoch, and the validation loss with them."""
    import keras

    history = keras.callbacks.History()
    model = fit(workers, build_normalization, 1, [history])
    mean, variance = model.non_trainable_weights
    return {
        "mean": keras.ops.convert_to_numpy(mean).tolist(),
        "variance": keras.ops.convert_to_numpy(variance).tolist(),
        "val_loss": history.history["val_loss"][0],
    }


def main(folder: str, *cases: str) -> None:
    from node_transfer.training.strategy import make_strategy
    from node_transfer.training.workers import Workers

    workers = Workers(make_strategy("multi_worker"))
    results = {case: train(workers, case) for case in cases}
    results["normalization"] = normalize(workers)
    with open(os.path.join(folder, f"{workers.index}.json"), "w") as file:
        json.dump(results, file)
    workers.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
