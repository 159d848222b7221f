"""How much faster do two processes, a core each, train than one on one core?

    python -m benchmarks.scaling [--quick]

Both as `--strategy=multi_worker` has them, on the loopback network: EfficientNetB0, plain
and with NODE-RK's block, and with a larger batch; in all the batch is the same for one
process and for two. They take turns with one process that has half of the
batch, all that one of two computes, and with two such at once that know nothing of each
other: the speedups of a network that takes no time, between two machines and on this one,
whose cores share a memory. Nothing else should run: a worker waits for the slower one.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses
import json
import statistics
import subprocess
import sys
import time

from absl import app, flags
from tabulate import tabulate

from benchmarks import timing
from node_transfer.cli import startup

flags.DEFINE_bool("quick", False, "One turn each, few steps, the baseline alone.")
flags.DEFINE_integer("turns", 3, "Times that each is measured.", lower_bound=1)
flags.DEFINE_string("case", None, "Be a worker: EXPERIMENT,SIZE,BATCH,STEPS.")
FLAGS = flags.FLAGS

WARMUP, EXAMPLES = 4, 1280
# Experiment, pixels a side, batch of all processes together.
CASES = (
    ("baseline", 32, 128),
    ("node_rk", 32, 128),
    ("baseline", 32, 512),
)
# Clusters at once, processes in each, and the part of the batch that each cluster has.
ALONE, HALF, APART, TWO = TURNS = ((1, 1, 1.0), (1, 1, 0.5), (2, 1, 0.5), (1, 2, 1.0))


def step_seconds(experiment: str, size: int, batch: int, steps: int) -> list[float]:
    """Trains as one of the workers of `TF_CONFIG`; returns seconds of each step."""
    startup.keep_memory()  # as node-transfer does
    import keras

    from node_transfer.data.loading import load_data
    from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
    from node_transfer.runs.config import EXPERIMENTS
    from node_transfer.training import evaluation
    from node_transfer.training.build import build_model, resolve_backbone
    from node_transfer.training.loop import Loop
    from node_transfer.training.optimizers import make_optimizer
    from node_transfer.training.strategy import make_strategy
    from node_transfer.training.workers import Workers

    workers = Workers(make_strategy("multi_worker"))
    config = dataclasses.replace(EXPERIMENTS[experiment].config, weights="none")
    config = resolve_backbone(config)
    steps_per_epoch = EXAMPLES // batch
    data = load_data("digits", train_examples=steps_per_epoch * batch, image_size=size)
    with workers.strategy.scope():
        model, _ = build_model(config, data.image_size, data.num_classes)
        model.compile(
            make_optimizer(config, WARMUP + steps, range(1)),
            evaluation.loss(),
            metrics=["accuracy"],
        )
        model.optimizer.build(model.trainable_variables)
    share = None
    if workers.replicas > 1:
        share = Share(workers.local_replicas, workers.replicas)
    times = [time.perf_counter()]
    epochs = -(-(WARMUP + steps) // steps_per_epoch)
    Loop(model, workers.strategy).fit(
        training_batches(data, batch, 0, 0, epochs, share=share),
        WARMUP + steps,
        evaluation_batches(data, "validation", batch, share),
        1,
        range(1),
        [
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda _, logs: times.append(time.perf_counter())
            )
        ],
        verbose=0,
    )
    workers.wait()
    seconds = [after - before for before, after in zip(times, times[1:], strict=False)]
    return seconds[WARMUP:]


def measure(case: tuple, turn: tuple, steps: int) -> list[float]:
    """Returns the seconds of each step that some processes take, one core each."""
    from tests.cluster import tf_configs

    experiment, size, batch = case
    clusters, count, part = turn
    words = ["-m", "benchmarks.scaling"]
    words.append(f"--case={experiment},{size},{round(part * batch)},{steps}")
    processes = [
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), sys.executable, *words],
            env={**os.environ, "TF_CONFIG": config},
            stdout=subprocess.PIPE,
            text=True,
        )
        for core, config in enumerate(
            config for _ in range(clusters) for config in tf_configs(count)
        )
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"A worker of {case} failed.")
    return json.loads(outputs[0].strip().splitlines()[-1])


def main(_):
    if FLAGS.case:
        experiment, *numbers = FLAGS.case.split(",")
        print(json.dumps(step_seconds(experiment, *map(int, numbers))))
        return
    turns, steps = (1, 8) if FLAGS.quick else (FLAGS.turns, 16)
    rows = []
    for case in CASES[:1] if FLAGS.quick else CASES:
        seconds = {turn: [] for turn in TURNS}
        for _ in range(turns):
            for turn in TURNS:
                seconds[turn] += measure(case, turn, steps)
        median = {turn: statistics.median(s) for turn, s in seconds.items()}
        experiment, size, batch = case
        rows.append(
            {
                "experiment": experiment,
                "image_size": size,
                "batch": batch,
                "one_ms": round(1e3 * median[ALONE], 1),
                "half_ms": round(1e3 * median[HALF], 1),
                "apart_ms": round(1e3 * median[APART], 1),
                "two_ms": round(1e3 * median[TWO], 1),
                "speedup": round(median[ALONE] / median[TWO], 2),
                "limit": round(median[ALONE] / median[HALF], 2),
                "limit_here": round(median[ALONE] / median[APART], 2),
            }
        )
        print(rows[-1], flush=True)
    path = timing.write("scaling", rows, FLAGS.quick)
    print(tabulate(rows, headers="keys"))
    print(f"\nLoad before: {os.getloadavg()[1]:.1f}. Written to {path}")


if __name__ == "__main__":
    app.run(main)
