"""What an export says of images, asked by a process that knows nothing of this package.

`comparison.py` has Python run this file's text, with `FORMAT PATH BATCHES OUTPUT`: the
batches an `.npz` file of `batch0`, `batch1` and so on, as the output becomes one.
"""

import sys

sys.modules["node_transfer"] = None  # to import it is an error from here on

import numpy as np  # noqa: E402


def saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def call(images):
        outputs = loaded.signatures["serving_default"](images=tf.constant(images))
        return outputs["probabilities"].numpy()

    return call


def tflite(path):
    import tensorflow as tf

    runner = tf.lite.Interpreter(model_path=path).get_signature_runner()
    return lambda images: runner(images=images)["probabilities"]


def onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})[0]


if __name__ == "__main__":
    name, path, batches, output = sys.argv[1:]
    probabilities = {"saved_model": saved_model, "tflite": tflite, "onnx": onnx}[name](
        path
    )
    with np.load(batches) as file:
        np.savez(output, **{key: probabilities(file[key]) for key in file.files})
