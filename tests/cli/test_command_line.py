"""What the command line makes of the library's sentences."""

import pytest
import tensorflow as tf
from absl import app, flags

from node_transfer.cli.command_line import Command, run, with_dashes


@pytest.fixture
def own():
    values = flags.FlagValues()
    for name in ("image_size", "weights", "output_dir", "data_dir", "epochs"):
        flags.DEFINE_string(name, None, "", flag_values=values)
    for name in ("overwrite", "augment"):
        flags.DEFINE_bool(name, False, "", flag_values=values)
    return {name: values[name] for name in values}


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("pass image_size=32 or larger.", "pass --image_size=32 or larger."),
        ("pass image_size=32.", "pass --image_size=32."),
        ("leave image_size= out.", "leave --image_size out."),
        ("pass another data_dir=.", "pass another --data_dir."),
        ("pass `weights=`, or not", "pass `--weights`, or not"),
        ("weights='none' or weights=PATH", "--weights='none' or --weights=PATH"),
        ("overwrite=True starts anew", "--overwrite starts anew"),
        ("pass augment=False.", "pass --noaugment."),
        ("weights=True", "--weights=True"),  # no flag that is on or off
        ("epochs is 0: pass a positive integer", "epochs is 0: pass a positive integer"),
        ("the layer's units=3, t=0.5", "the layer's units=3, t=0.5"),
        ("pass --weights=PATH", "pass --weights=PATH"),
        ("max_epochs=3", "max_epochs=3"),
    ],
)
def test_arguments_that_are_flags_get_dashes(sentence, told, own):
    assert with_dashes(sentence, own) == told


@pytest.mark.parametrize(
    "value",
    ["epochs=3/run", "a 'quoted' epochs=3", 'a "quoted" epochs=3', "both '\" epochs=3"],
)
def test_a_value_is_told_as_it_was_given(value, own):
    sentence = f"The user's folder {value!r} is a file: pass output_dir=x."
    assert with_dashes(sentence, own) == sentence.replace("output_dir", "--output_dir")


def test_a_path_without_quotes_is_left_alone(own):
    sentence = "(log: results/epochs=3/seed-0.epochs=2.log)"
    assert with_dashes(sentence, own) == sentence


def ended_by(error, monkeypatch, **command) -> int:
    """The exit code of a command that ends by an exception."""

    def at_once(main, argv, flags_parser):
        main(argv)

    def fails():
        raise error

    monkeypatch.setattr(app, "run", at_once)
    with pytest.raises(SystemExit) as ended:
        run(Command("Fails.", lambda: None, fails, "all", **command), [])
    return ended.value.code


@pytest.mark.parametrize("trains", [False, True])
def test_what_goes_on_is_said_of_trainings_alone(trains, monkeypatch, capsys):
    assert ended_by(KeyboardInterrupt(), monkeypatch, trains=trains) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: Interrupted") and line.endswith(".")
    assert ("a training goes on after its last whole epoch" in line) == trains


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\ntensor"),
        MemoryError("OOM when allocating\n"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory_is_one_sentence(error, monkeypatch, capsys):
    assert ended_by(error, monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "Error: There is too little memory (OOM when allocating): pass a smaller "
    )
