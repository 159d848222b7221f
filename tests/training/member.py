"""One of several processes that train a small network together, all of its gradients.

    TF_CONFIG=... python -m tests.training.member FOLDER

It has no batch normalization, which would see other examples, but clips the gradient, and
its last batch is uneven.
"""

import json
import os
import sys

# Method, gradient and dtype policy.
CASES = {
    "backprop": ("rk4", "backprop", "float32"),
    "adjoint": ("dopri5", "adjoint", "float32"),
    "mixed": ("rk4", "backprop", "mixed_float16"),
}
BATCH, EXAMPLES = 32, 83  # the last of three batches has 19
LEARNING_RATE, CLIP_NORM = 0.05, 0.5


def build(case: str):
    """Returns a small compiled model, made within the scope of its strategy."""
    import keras

    from node_transfer import DenseDynamics, ODELayer
    from node_transfer.training import evaluation

    method, gradient, policy = CASES[case]
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


def train(workers, case: str, epochs: int = 2) -> dict:
    """Returns the history of a training and the sums of its weights."""
    import keras

    from node_transfer.data.loading import load_data
    from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
    from node_transfer.training.loop import Loop

    keras.utils.set_random_seed(0)
    data = load_data("digits", train_examples=EXAMPLES)
    with workers.strategy.scope():
        model = build(case)
    share = None
    if workers.replicas > 1:
        share = Share(workers.local_replicas, workers.replicas)
    size = data.sizes["validation"]
    batch = next(b for b in range(BATCH, size) if size % b == 1)  # a last one of one
    validation = evaluation_batches(data, "validation", batch, share)
    losses, history = [], keras.callbacks.History()
    Loop(model, workers.strategy).fit(
        training_batches(data, BATCH, 0, 0, epochs, share=share),
        -(-EXAMPLES // BATCH),
        validation,
        -(-size // batch),
        range(epochs),
        [
            history,
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda _, logs: losses.append(logs["loss"])
            ),
        ],
        verbose=0,
    )
    weights = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    return {
        "history": history.history,
        "losses": losses,
        "weights": [w.astype(float).ravel().tolist() for w in weights],
    }


def main(folder: str) -> None:
    from node_transfer.training.strategy import make_strategy
    from node_transfer.training.workers import Workers

    workers = Workers(make_strategy("multi_worker"))
    results = {case: train(workers, case) for case in CASES}
    with open(os.path.join(folder, f"{workers.index}.json"), "w") as file:
        json.dump(results, file)
    workers.wait()


if __name__ == "__main__":
    main(sys.argv[1])
