"""How much faster do two processes, a core each, train than one on one core?

    python -m benchmarks.scaling [--quick]

Both as `--strategy=multi_worker` has them, on the loopback network: EfficientNetB0 on
32x32 images, the same batch of 128 in all, plain and with NODE-RK's block. One process
and two take turns. Nothing else should run: a worker waits for the slower one.
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

flags.DEFINE_bool("quick", False, "One turn each, few steps, the baseline alone.")
flags.DEFINE_string("case", None, "Be a worker and print its times: EXPERIMENT,STEPS.")
FLAGS = flags.FLAGS

BATCH, EXAMPLES, WARMUP = 128, 1280, 4
PROCESSES = (1, 2)


def step_seconds(experiment: str, steps: int) -> list[float]:
    """Trains as one of the workers of `TF_CONFIG`; returns seconds of each step."""
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
    data = load_data("digits", train_examples=EXAMPLES)
    with workers.strategy.scope():
        model, _ = build_model(config, data.image_size, data.num_classes)
        model.compile(
            make_optimizer(config, steps, range(config.epochs)),
            evaluation.loss(),
            metrics=["accuracy"],
        )
        model.optimizer.build(model.trainable_variables)
    share = None
    if workers.replicas > 1:
        share = Share(workers.local_replicas, workers.replicas)
    times = [time.perf_counter()]
    epochs = -(-(WARMUP + steps) // (EXAMPLES // BATCH))
    Loop(model, workers.strategy).fit(
        training_batches(data, BATCH, 0, 0, epochs, share=share),
        WARMUP + steps,
        evaluation_batches(data, "validation", BATCH, share),
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


def measure(experiment: str, steps: int, count: int) -> list[float]:
    """Returns the seconds of each step that some processes take, one core each."""
    from tests.cluster import tf_configs

    words = [
        sys.executable,
        "-m",
        "benchmarks.scaling",
        f"--case={experiment},{steps}",
    ]
    processes = [
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *words],
            env={**os.environ, "TF_CONFIG": config},
            stdout=subprocess.PIPE,
            text=True,
        )
        for core, config in enumerate(tf_configs(count))
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"A worker of {experiment} failed.")
    return json.loads(outputs[0].strip().splitlines()[-1])


def main(_):
    if FLAGS.case:
        experiment, steps = FLAGS.case.split(",")
        print(json.dumps(step_seconds(experiment, int(steps))))
        return
    turns, steps = (1, 8) if FLAGS.quick else (3, 30)
    rows = []
    for experiment in ("baseline",) if FLAGS.quick else ("baseline", "node_rk"):
        seconds = {count: [] for count in PROCESSES}
        for _ in range(turns):
            for count in PROCESSES:
                seconds[count] += measure(experiment, steps, count)
        median = {count: statistics.median(s) for count, s in seconds.items()}
        rows += [
            {
                "experiment": experiment,
                "processes": count,
                "images_per_second": round(BATCH / median[count], 1),
                "step_ms": round(1e3 * median[count], 1),
                "speedup": round(median[1] / median[count], 2),
            }
            for count in PROCESSES
        ]
    path = timing.write("scaling", rows, FLAGS.quick)
    print(tabulate(rows, headers="keys"))
    print(f"\nLoad before: {os.getloadavg()[1]:.1f}. Written to {path}")


if __name__ == "__main__":
    app.run(main)
