"""Flags that say what a run leaves, and where. Imports no TensorFlow."""

from absl import flags

from node_transfer.runs import choices
from node_transfer.runs.config import ExperimentConfig


def define_output_flags(defaults: ExperimentConfig):
    """Flags of the run directory and of the cache of features."""
    flags.DEFINE_string(
        "output_dir",
        None,
        "The run directory: config.json, history.csv, metrics.json, model.keras. "
        f"Default: results/runs/DATASET/{defaults.experiment}. A run that was stopped "
        "there goes on after its last whole epoch.",
    )
    flags.DEFINE_bool(
        "overwrite", False, "Start anew where the run directory holds a run already."
    )
    flags.DEFINE_bool(
        "report", defaults.report, "Make report.html in the run directory at the end."
    )
    flags.DEFINE_enum(
        "cache_features",
        defaults.cache_features,
        choices.CACHE_FEATURES,
        "What a frozen backbone makes of the images: auto, computed once and kept on the "
        "disk for every run that needs the same, where images are not augmented; or off, "
        "computed anew in each epoch.",
    )
    flags.DEFINE_string(
        "cache_dir",
        defaults.cache_dir,
        "Where features are kept. Default: $XDG_CACHE_HOME/node-transfer/features, else "
        "~/.cache/node-transfer/features.",
    )
