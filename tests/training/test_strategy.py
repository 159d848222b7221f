"""TF_CONFIG: what it names, and a sentence for each way that it can be wrong."""

import json
import re
import socket

import pytest
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.training.strategy import is_chief, make_strategy, workers_of
from tests.own_process import in_own_process

TWO = ["a:1", "b:1"]


def environ(cluster, task=("worker", 0), **more):
    config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}, **more}
    return {"TF_CONFIG": json.dumps(config)}


@pytest.mark.parametrize(
    ("cluster", "task", "workers"),
    [
        ({"worker": TWO}, ("worker", 1), TWO),
        ({"worker": TWO, "chief": ["c:1"]}, ("chief", 0), ["c:1", *TWO]),
        ({"worker": ["[::1]:2222"]}, ("worker", 0), ["[::1]:2222"]),
        ({}, ("worker", 0), []),
    ],
)
def test_workers_are_named_chief_first(cluster, task, workers):
    assert workers_of(environ(cluster, task)) == workers


@pytest.mark.parametrize(
    ("cluster", "task", "chief"),
    [
        ({"worker": TWO}, ("worker", 0), True),
        ({"worker": TWO}, ("worker", 1), False),
        ({"worker": TWO, "chief": ["c:1"]}, ("chief", 0), True),
        ({"worker": TWO, "chief": ["c:1"]}, ("worker", 0), False),
        ({"worker": TWO[:1]}, ("worker", 0), True),
        ({}, ("worker", 0), True),
    ],
)
def test_one_of_them_writes(cluster, task, chief):
    assert is_chief(environ(cluster, task)) == chief
    assert is_chief({})


@pytest.mark.parametrize("text", [None, "", " ", "{}", '{"environment": "cloud"}'])
def test_no_cluster_is_a_single_machine(text):
    assert workers_of({} if text is None else {"TF_CONFIG": text}) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{worker", "which is not JSON"),
        ("[" * 100_000, "which is not JSON"),
        ("[]", "is no JSON object"),
        (environ(TWO)["TF_CONFIG"], "names no workers"),
        (environ({"worker": "a:1"})["TF_CONFIG"], "names no workers"),
        (environ({"worker": ["a", "b"]})["TF_CONFIG"], "names no workers"),
        (environ({"worker": [1, 2]})["TF_CONFIG"], "names no workers"),
        (environ({"worker": ["a:²"]})["TF_CONFIG"], "names no workers"),
        (environ({"worker": ["a:65536"]})["TF_CONFIG"], "names no workers"),
        (environ({"worker": ["a:1", "a:1"]})["TF_CONFIG"], "names a:1 twice"),
        (environ({"worker": TWO, "ps": ["c:1"]})["TF_CONFIG"], "has a job 'ps'"),
        (environ({"chief": TWO}, ("chief", 0))["TF_CONFIG"], "has 2 chiefs"),
        (environ({"worker": TWO}, ("worker", 2))["TF_CONFIG"], "this is 'worker' 2"),
        (environ({"worker": TWO}, ("worker", -1))["TF_CONFIG"], "this is 'worker' -1"),
        (environ({"worker": TWO}, ("worker", "0"))["TF_CONFIG"], "this is 'worker' '0'"),
        (environ({"worker": TWO}, ("worker", True))["TF_CONFIG"], "'worker' True"),
        (environ({"worker": TWO}, ("chief", 0))["TF_CONFIG"], "this is 'chief' 0"),
        (json.dumps({"cluster": {"worker": TWO}}), "this is None None"),
        (environ({"worker": TWO}, rpc_layer=None)["TF_CONFIG"], "has the rpc_layer None"),
        (
            environ({"worker": TWO}, rpc_layer="rest")["TF_CONFIG"],
            "has the rpc_layer 'rest'",
        ),
    ],
)
def test_a_wrong_tf_config_is_one_sentence(text, what, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    for strategy in ("auto", "multi_worker"):
        with pytest.raises(UserError, match=re.escape(what)) as told:
            make_strategy(strategy)
        assert len(str(told.value)) < 800 and "\n" not in str(told.value)


@pytest.mark.parametrize("strategy", ["auto", "one_device", "mirrored"])
def test_several_workers_are_not_ignored(strategy, monkeypatch):
    monkeypatch.setenv(*next(iter(environ({"worker": TWO}).items())))
    with pytest.raises(UserError, match="names 2 workers .*strategy=multi_worker"):
        make_strategy(strategy)


def test_multi_worker_needs_workers(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="TF_CONFIG names no workers"):
        make_strategy("multi_worker")


def test_one_worker_may_be_named_without_a_strategy(monkeypatch):
    monkeypatch.setenv(*next(iter(environ({"worker": TWO[:1]}).items())))
    assert make_strategy("one_device").num_replicas_in_sync == 1


def test_several_workers_are_for_a_new_process(monkeypatch):
    assert float(tf.ones([])) == 1.0  # TensorFlow has been used
    monkeypatch.setenv(*next(iter(environ({"worker": TWO}).items())))
    with pytest.raises(UserError, match="in this process already .*a new process"):
        make_strategy("multi_worker")


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        cluster = {"worker": [f"127.0.0.1:{other.getsockname()[1]}", "127.0.0.1:1"]}
        monkeypatch.setenv(*next(iter(environ(cluster).items())))
        with pytest.raises(
            UserError, match="cannot listen at its address .*another port"
        ):
            in_own_process(make_strategy, "multi_worker")
