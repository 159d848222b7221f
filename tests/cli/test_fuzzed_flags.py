"""Any combination of flags is a config or one sentence, and never a traceback."""

import dataclasses

import hypothesis
import pytest
from absl import flags as absl_flags
from hypothesis import strategies as st

from node_transfer.cli import command_line, flags
from node_transfer.errors import UserError
from node_transfer.runs import admission
from node_transfer.runs.config import EXPERIMENTS, ExperimentConfig
from node_transfer.runs.directory import RunDirectory

NAMES = [field.name for field in dataclasses.fields(ExperimentConfig)][1:]
WORDS = """
    0 1 -1 3 1e6 1e400 nan inf -inf 1_000 0x10 4294967296 -0.0 1e-400 True none auto
    imagenet digits cifar10 adam sgd ode residual dopri5 rk4 bdf euler adjoint mirrored
    cosine mixed_float16 EfficientNetB0 dense conv / . ~ // a:b
"""
TEXTS = st.one_of(
    st.sampled_from(WORDS.split()),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8),
    st.binary(max_size=6).map(lambda b: b.decode("utf-8", "surrogateescape")),
)
FLAGS = st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=5)


def config_of(experiment: str, values: dict, switches: list[str]) -> ExperimentConfig:
    """What the command line makes of flags, with absl's registry as it was after it."""
    defined = absl_flags.FlagValues()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(absl_flags, "FLAGS", defined)
        patch.setattr(flags, "FLAGS", defined)
        for name in dir(absl_flags):
            if name.startswith("DEFINE_"):
                make = getattr(absl_flags, name)
                patch.setattr(
                    absl_flags, name, lambda *a, make=make, **k: make(
                        *a, **k, flag_values=defined
                    ),
                )  # fmt: skip
        validate = absl_flags.register_validator
        patch.setattr(
            absl_flags, "register_validator",
            lambda *a, **k: validate(*a, **k, flag_values=defined),
        )  # fmt: skip
        defaults = EXPERIMENTS[experiment].config
        flags.define_experiment_flags(defaults)
        typed = [f"--{name}={value}" for name, value in values.items()]
        defined(["program", *typed, *switches])
        return flags.config_from_flags(defaults)


@hypothesis.settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
@hypothesis.given(
    experiment=st.sampled_from(["baseline", "node_rk", "node_adjoint"]),
    values=FLAGS,
    switches=st.lists(
        st.sampled_from(["--augment", "--overwrite", "--nofreeze_backbone"])
    ),
)
def test_flags_are_a_config_or_one_sentence(experiment, values, switches, tmp_path):
    values = {**values, "output_dir": str(tmp_path / values.get("output_dir", "run")[1:])}
    try:
        config = config_of(experiment, values, switches)
        admission.check_free(RunDirectory(config.run_directory), config)
    except absl_flags.Error as error:
        assert str(error)
    except UserError as error:
        sentence = command_line.with_dashes(str(error), {})
        assert "\n" not in sentence.replace("\\n", "") and sentence.endswith(".")
        sentence.encode("utf-8")  # it can be printed
    else:
        for field in dataclasses.fields(config):
            given = values.get(field.name)
            if given is not None and isinstance(getattr(config, field.name), str):
                assert getattr(config, field.name) == given
        assert ExperimentConfig.from_record(dataclasses.asdict(config)) == config
    assert list(tmp_path.iterdir()) == []
