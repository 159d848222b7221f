"""Devices and machines: how many replicas of the model train, and what they run on."""

import json
import os
from collections.abc import Mapping

import tensorflow as tf

from node_transfer.errors import UserError, first_line
from node_transfer.training.signals import ended_by_ctrl_c

TF_CONFIG = "TF_CONFIG"
RPC_LAYER = "grpc"
TRAINERS = ("chief", "worker")  # the jobs of a cluster that train


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns the strategy of a config; to be called before TensorFlow is used.

    Args:
        name: `"one_device"`; `"mirrored"`: one replica on each GPU, or on each logical
            CPU where there is no GPU; `"auto"`: mirrored where there are several GPUs;
            `"multi_worker"`: the machines that `TF_CONFIG` names, each with a replica on
            each of its GPUs, or one on its CPU. It waits for the other machines.

    Raises:
        UserError: `TF_CONFIG` is not one of this strategy.
    """
    workers = workers_of(os.environ)
    if name == "multi_worker":
        if not workers:
            raise UserError(
                f"strategy is 'multi_worker' and {TF_CONFIG} names no workers: set it on "
                "every machine, see docs/distributed.md."
            )
        return _multi_worker(workers)
    if len(workers) > 1:
        raise UserError(
            f"{TF_CONFIG} names {len(workers)} workers and strategy is {name!r}: pass "
            f"strategy=multi_worker, or unset {TF_CONFIG} to train on this machine alone."
        )
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _multi_worker(workers: list[str]) -> tf.distribute.Strategy:
    print(f"One of {len(workers)} workers ({', '.join(workers)})", flush=True)
    try:
        with ended_by_ctrl_c():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:  # so TensorFlow reports a port in use
        raise UserError(
            f"This worker cannot listen at its address in {TF_CONFIG} "
            f"({first_line(error)}): end what is at work there, or give every worker a "
            f"{TF_CONFIG} with another port."
        ) from error
    except RuntimeError as error:
        raise UserError(
            "strategy is 'multi_worker' and TensorFlow has been used in this process "
            f"already ({first_line(error)}): call run_experiment first in a new process."
        ) from error


def workers_of(environ: Mapping[str, str]) -> list[str]:
    """Returns the addresses of the machines that train, the chief first.

    Args:
        environ: Environment variables. `TF_CONFIG` is what TensorFlow's users know:
            `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker",
            "index": 0}}`, with or without a job `chief`.

    Raises:
        UserError: `TF_CONFIG` is not of this form.
    """
    text = environ.get(TF_CONFIG, "").strip()
    if not text:
        return []
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{TF_CONFIG} is {_short(text)}, which is not JSON ({error}): correct it, or "
            "unset it to train on this machine alone."
        ) from error
    if not isinstance(config, dict):
        raise _wrong(text, "is no JSON object")
    cluster = config.get("cluster")
    if not cluster:
        return []  # as some platforms set it for a single machine
    jobs = {job: _addresses(cluster, job) for job in TRAINERS}
    if not any(jobs.values()):
        raise _wrong(text, "names no workers by host and port")
    others = sorted(set(cluster) - set(TRAINERS))
    if others:
        raise _wrong(text, f"has a job {others[0]!r}, of which none is needed")
    if len(jobs["chief"]) > 1:
        raise _wrong(text, f"has {len(jobs['chief'])} chiefs")
    _check_task(config.get("task"), jobs, text)
    layer = config.get("rpc_layer", RPC_LAYER)
    if layer != RPC_LAYER:
        raise _wrong(text, f"has the rpc_layer {layer!r}, and TensorFlow {RPC_LAYER!r}")
    addresses = [address for job in TRAINERS for address in jobs[job]]
    for address in addresses:
        if addresses.count(address) > 1:
            raise _wrong(text, f"names {address} twice")
    return addresses


def is_chief(environ: Mapping[str, str]) -> bool:
    """Whether this machine is the one that writes files, or trains alone.

    Args:
        environ: As in `workers_of`.

    Raises:
        UserError: As `workers_of`.
    """
    if len(workers_of(environ)) < 2:
        return True
    config = json.loads(environ[TF_CONFIG])
    first = next(job for job in TRAINERS if config["cluster"].get(job))
    return (config["task"]["type"], config["task"]["index"]) == (first, 0)


def _addresses(cluster: object, job: str) -> list[str]:
    """Returns the addresses of a job; none where they are not addresses."""
    addresses = cluster.get(job) if isinstance(cluster, dict) else None
    if not isinstance(addresses, list):
        return []
    return addresses if all(map(_is_address, addresses)) else []


def _is_address(address: object) -> bool:
    port = address.rpartition(":")[2] if isinstance(address, str) else ""
    return port.isdecimal() and port.isascii() and 0 < int(port) < 2**16


def _check_task(task: object, jobs: dict[str, list[str]], text: str) -> None:
    task = task if isinstance(task, dict) else {}
    job, index = task.get("type"), task.get("index")
    places = [(job, i) for job, addresses in jobs.items() for i in range(len(addresses))]
    if (job, index) not in places or isinstance(index, bool):
        raise _wrong(text, f"says that this is {job!r} {index!r}, and does not name it")


def _wrong(text: str, what: str) -> UserError:
    return UserError(
        f"{TF_CONFIG} is {_short(text)}, which {what}: it should be like "
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": '
        '"worker", "index": 0}}.'
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
