"""Model files that are damaged, or made to do harm: one sentence, and nothing is done."""

import base64
import io
import json
import marshal
import os
import random
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.training.build import load_classifier
from tests.conftest import PROJECT

WHOLE = PROJECT / "tests" / "fixtures" / "node_rk" / "model.keras"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
NOISE = bytes(range(256))


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(WHOLE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, content: dict[str, bytes], compression=zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def with_member(name: str, data: bytes | None):
    """A whole file but for one member; `None`: without it."""

    def make(path):
        content = members() | {name: data}
        write(path, {name: data for name, data in content.items() if data is not None})

    return make


def with_config(change):
    """A whole file whose config a function has changed, or replaced."""

    def make(path):
        config = json.loads(members()[CONFIG])
        config = change(config) or config
        with_member(CONFIG, json.dumps(config).encode())(path)

    return make


def with_weights(change):
    """A whole file in whose HDF5 something was changed."""

    def make(path):
        buffer = io.BytesIO(members()[WEIGHTS])
        with h5py.File(buffer, "r+") as file:
            change(file)
        with_member(WEIGHTS, buffer.getvalue())(path)

    return make


def cut(share: float):
    def make(path):
        content = WHOLE.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return make


def flipped(seed: int):
    """One bit, anywhere but in a date or a name's copy, which nobody reads."""

    def make(path):
        content = bytearray(WHOLE.read_bytes())
        with zipfile.ZipFile(WHOLE) as archive:
            info = archive.getinfo([CONFIG, WEIGHTS][seed % 2])
        rng = random.Random(seed)
        start = info.header_offset + 30 + len(info.filename)
        place = start + rng.randrange(info.compress_size)
        content[place] ^= 1 << rng.randrange(8)
        path.write_bytes(content)

    return make


DAMAGED = {
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("a model"),
    "zero bytes": lambda path: path.write_bytes(bytes(10_000)),
    "a zip without members": lambda path: write(path, {}),
    "a zip of other things": lambda path: write(path, {"notes.txt": b"notes"}),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path),
    "a pipe": lambda path: os.mkfifo(path),
    **{f"cut at {share}": cut(share) for share in (0.1, 0.5, 0.9, 0.9999)},
    **{f"a bit flipped ({seed})": flipped(seed) for seed in range(8)},
    **{
        f"{name} {how}": with_member(name, data)
        for name in (CONFIG, WEIGHTS)  # nobody reads the other one
        for how, data in (("missing", None), ("empty", b""), ("of noise", NOISE))
    },
    "the weights cut": with_member(WEIGHTS, members()[WEIGHTS][:20_000]),
    "a config that is a list": with_member(CONFIG, b"[]"),
    "a config that is null": with_member(CONFIG, b"null"),
    "a config that is a word": with_member(CONFIG, b'"TransferClassifier"'),
    "a config nested too deep": with_member(CONFIG, b"[" * 100_000),
    "a config in Latin-1": with_member(CONFIG, '{"class_name": "é"}'.encode("latin-1")),
    "a config without fields": with_member(CONFIG, b"{}"),
    "no backbone": with_config(lambda config: config["config"].pop("backbone") and None),
    "another number of classes": with_config(
        lambda config: config["config"].update(num_classes=11)
    ),
    "weights of another shape": with_weights(
        lambda file: (
            file["head/vars"].pop("0"),
            file["head/vars"].create_dataset("0", data=np.zeros((3, 3))),
        )
    ),
    "weights that are missing": with_weights(lambda file: file["head/vars"].pop("0")),
    "a layer's weights that are missing": with_weights(
        lambda file: file["backbone/layers"].pop("conv2d")
    ),
}  # fmt: skip


def layer(module, name, config, registered=None):
    return {
        "module": module, "class_name": name, "config": config,
        "registered_name": registered,
    }  # fmt: skip


def in_place_of_block(part):
    """A part of the model's own that is something else."""
    return with_config(lambda config: config["config"].update(block=part))


def in_place_of_dynamics(part):
    return with_config(
        lambda config: config["config"]["block"]["config"].update(dynamics=part)
    )


def bytecode() -> dict:
    """A `Lambda` layer as Keras wrote it: its code makes a file."""
    code = marshal.dumps((lambda h: Path("harm").touch() or h).__code__)
    code = base64.b64encode(code).decode("ascii")
    config = {"code": code, "defaults": None, "closure": None}
    function = {"class_name": "__lambda__", "config": config}
    return layer("keras.layers", "Lambda", {"name": "harm", "function": function})


def dataset(name: str, **kwargs):
    """A weight of the final layer that is declared in another way."""

    def change(file):
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, **{"shape": shape, "dtype": "f4", **kwargs})

    return with_weights(change)


def with_size(name: str, size: int):
    """A whole file that says of a member that it unpacks to so much."""

    def make(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, data in members().items():
                archive.writestr(each, data)
            archive.getinfo(name).file_size = size

    return make


def linked(file):
    del file["head/vars/0"]
    file["head/vars/0"] = h5py.ExternalLink("/etc/passwd", "/")


HOSTILE = {
    "code in a Lambda": in_place_of_block(bytecode()),
    "code in the dynamics": in_place_of_dynamics(bytecode()),
    "os.system": in_place_of_block(layer("os", "system", {"command": "touch harm"})),
    "os.system as the model": with_config(
        lambda config: layer("os", "system", {"command": "touch harm"})
    ),
    "builtins.exec": in_place_of_dynamics(
        layer("builtins", "exec", {"source": "open('harm', 'w')"})
    ),
    "subprocess.Popen": in_place_of_dynamics(
        layer("subprocess", "Popen", {"args": ["touch", "harm"]})
    ),
    "os.system as a function": in_place_of_block(
        layer("os", "function", "system", "function")
    ),
    "keras.utils.get_file": in_place_of_block(
        layer(
            "keras.layers", "Lambda",
            {
                "name": "harm",
                "function": layer("keras.utils", "get_file", "get_file", "function"),
                "arguments": {"fname": "harm", "origin": "file:///etc/passwd"},
            },
        )
    ),
    "a SavedModel from elsewhere": in_place_of_block(
        layer("keras.layers", "TFSMLayer", {"filepath": "elsewhere", "name": "harm"})
    ),
    "a vocabulary from elsewhere": in_place_of_block(
        layer("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"})
    ),
    "a module of the folder": in_place_of_dynamics(
        layer("harmful", "Dynamics", {}, "harmful>Dynamics")
    ),
    "a config that unpacks to a terabyte": with_size(CONFIG, 1 << 40),
    "weights that unpack to a terabyte": with_size(WEIGHTS, 1 << 40),
    "a weight of a petabyte": dataset(
        "head/vars/0", shape=(1 << 30, 1 << 18), chunks=(1 << 10, 1 << 10)
    ),
    "a weight in a file elsewhere": dataset(
        "head/vars/0", external=[("/etc/passwd", 0, 320)]
    ),
    "a link to another file": with_weights(linked),
    "a name that leads out": lambda path: write(
        path, {f"../{name}": data for name, data in members().items()}
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to be in, with a module that harms when it is imported."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "harmful.py").write_text("open('harm', 'w')\n")
    monkeypatch.chdir(inside)
    monkeypatch.syspath_prepend(inside)
    return inside


def refused(path) -> str:
    with pytest.raises(UserError) as told:
        load_classifier(str(path))
    sentence = str(told.value)
    assert "\n" not in sentence and str(path) in sentence
    return sentence


@pytest.mark.parametrize("make", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_model_is_one_sentence(make, folder):
    path = folder / "model.keras"
    make(path)
    refused(path)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_model_does_nothing(make, folder):
    path = folder / "model.keras"
    make(path)
    before = sorted(folder.parent.rglob("*"))
    sentence = refused(path)
    assert sorted(folder.parent.rglob("*")) == before, sentence


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (HOSTILE["code in a Lambda"], "has a Lambda, which could run any program"),
        (HOSTILE["a SavedModel from elsewhere"], "has a TFSMLayer, which could run any"),
        (
            HOSTILE["a config that unpacks to a terabyte"],
            "config.json, which would unpack",
        ),
        (DAMAGED["weights that are missing"], r"fit its layer head \(Dense\), so it is"),
        (DAMAGED["a bit flipped (1)"], "Bad CRC-32 for file 'model.weights.h5'"),
    ],
)
def test_what_is_wrong_is_named(make, complaint, folder):
    path = folder / "model.keras"
    make(path)
    assert re.search(complaint, refused(path))


def test_the_whole_model_is_loaded(folder):
    """Else the others would be refused for something else."""
    path = folder / "model.keras"
    write(path, members())
    assert load_classifier(str(path)).num_classes == 10
