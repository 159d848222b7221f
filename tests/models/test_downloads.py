"""ImageNet weights that cannot be downloaded, and what is no failed download."""

import http.client
import socket
import time
from pathlib import Path

import keras
import pytest

from node_transfer import build_backbone
from node_transfer.errors import UserError
from node_transfer.models import pretrained
from node_transfer.models.backbones import BACKBONES, BackboneSpec
from node_transfer.models.pretrained import backbone_with_source


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No weights in Keras's cache, and a network on which no name can be resolved."""

    def no_network(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)


def test_auto_falls_back_to_random_weights_and_says_so(offline):
    _, source = backbone_with_source("EfficientNetB0", "auto", 32)
    assert source.kind == "random"
    assert "could not be downloaded" in source.detail


def wrong_file(url, path, *args):
    Path(path).write_bytes(b"the page of an airport's network")


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("socket.getaddrinfo", OSError("no route")),
        ("urllib.request.urlopen", http.client.IncompleteRead(b"")),
        ("keras.src.utils.file_utils.urlretrieve", TimeoutError("timed out")),
        ("keras.src.utils.file_utils.urlretrieve", wrong_file),
    ],
    ids=["no network", "cut short", "timed out", "another file"],
)
def test_whatever_a_download_raises_is_a_download_that_failed(
    place, change, tmp_path, monkeypatch
):
    def fail(*args, **kwargs):
        raise change

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "server_answers", lambda url: True)
    monkeypatch.setattr(place, change if callable(change) else fail)
    with pytest.raises(UserError, match="could not be downloaded"):
        build_backbone("EfficientNetB0", "imagenet", 32)


def test_mistake_in_the_program_is_no_failed_download(tmp_path, monkeypatch):
    def mistaken(*args, **kwargs):
        return None + 1

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "server_answers", lambda url: True)
    with monkeypatch.context() as patch:
        patch.setattr(keras.utils, "get_file", mistaken)
        with pytest.raises(TypeError):
            build_backbone("EfficientNetB0", "auto", 32)
    monkeypatch.setitem(
        BACKBONES, "Typo", BackboneSpec("Typo", "keras.applications:Tpyo", "typo", 32)
    )
    with pytest.raises(AttributeError, match="Tpyo"):
        build_backbone("Typo", "none")


def test_silent_network_is_given_up_within_ten_seconds(offline, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer"):
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert time.monotonic() - start < 10


def test_imagenet_without_network_is_one_sentence(offline):
    with pytest.raises(UserError, match="weights=PATH.*weights='none'") as raised:
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert "\n" not in str(raised.value)
