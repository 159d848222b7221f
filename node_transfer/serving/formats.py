"""The table of formats that a model can be exported to."""

import dataclasses
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.serving.outputs import labels_of
from node_transfer.serving.served import frozen, image_spec, served

LABELS = "labels.txt"
ONNX_OPSET = 18


@dataclasses.dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        name: Its key in `FORMATS` and `outputs.ENDINGS`, and what `outside.py` calls it.
        by_tensorflow: Whether it is TensorFlow that runs it: then it takes images of any
            size, computes in every precision, and raises where a solve fails.
        write: `write(model, class_names, path)`, at a path where nothing is.
    """

    name: str
    by_tensorflow: bool
    write: Callable[[TransferClassifier, Sequence[str], Path], None]


def _write_saved_model(model, class_names, path: Path) -> None:
    spec = image_spec(model, any_size=True)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", served(model, spec, class_names))
    archive.write_out(path, verbose=False)
    extra = path / "assets.extra"  # where TensorFlow Serving keeps files of one's own
    extra.mkdir()
    (extra / LABELS).write_bytes(labels_of(class_names))


def _write_tflite(model, class_names, path: Path) -> None:
    module = tf.Module()
    module.serve, _ = _frozen(model)
    # Gradients of activations, which would be saved, too, read what is constant now.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {"serving_default": module.serve}, options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        path.write_bytes(converter.convert())


def _write_onnx(model, class_names, path: Path) -> None:
    import onnx
    import tf2onnx

    function, spec = _frozen(model)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    proto, _ = tf2onnx.convert.from_function(function, [spec], opset=ONNX_OPSET)
    onnx.helper.set_model_props(proto, {"class_names": json.dumps(list(class_names))})
    path.write_bytes(proto.SerializeToString())


def _frozen(model):
    spec = image_spec(model, any_size=False)
    return frozen(served(model, spec, class_names=None), spec), spec


FORMATS = {
    row.name: row
    for row in (
        ExportFormat("saved_model", True, _write_saved_model),
        ExportFormat("tflite", False, _write_tflite),
        ExportFormat("onnx", False, _write_onnx),
    )
}
