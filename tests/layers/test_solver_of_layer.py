"""The layer's solver: given, saved, and changed."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer, SolverOptions
from node_transfer.ode.tableaus import TABLEAUS
from tests.ode.outside import FEHLBERG45, KUTTA3
from tests.slowly import slow_after

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")


def layer_of(**kwargs):
    keras.utils.set_random_seed(0)
    layer = ODELayer(DenseDynamics(5), **kwargs)
    layer.build(X.shape)
    return layer


def nfe_of(layer):
    layer.nfe.reset_state()
    layer(X)
    return float(layer.nfe.forward)


@pytest.mark.parametrize(
    "changes",
    [
        {"rtol": 1e-2, "atol": 1e-2},
        {"method": "tsit5"},
        {"method": "rk4", "options": {"num_steps": 3}},
        {"method": FEHLBERG45},
        {"method": "dopri5_tfp"},
    ],
)
def test_changed_layer_is_as_one_made_so(changes):
    layer = layer_of()
    layer.set_solver(**changes)
    made = layer_of(**changes)
    assert np.array_equal(layer(X), made(X))
    kept = ("rtol", "atol", "method", "gradient", "options")
    configs = [{k: x.get_config()[k] for k in kept} for x in (layer, made)]
    assert configs[0] == configs[1]


def test_gradient_method_is_changed():
    layer = layer_of(gradient="adjoint")
    layer.set_solver(gradient="backprop")
    assert layer.gradient == "backprop"
    assert layer.method == "dopri5"


@pytest.mark.parametrize(
    "changes", [{"method": "tsit5"}, {"rtol": 1e-7, "options": {"max_num_steps": 9}}]
)
def test_change_of_more_than_tolerances_forgets_the_step_remembered(changes):
    layer = layer_of()
    layer(X, training=True)
    assert float(layer.first_step[0]) > 0
    layer.set_solver(**changes)
    assert np.array_equal(layer.first_step, [0.0, 0.0])


@pytest.mark.parametrize("tolerance", [1e-7, 1e-4, 1e-2])
def test_step_remembered_is_scaled_to_other_tolerances(tolerance):
    layer = layer_of(rtol=1e-5, atol=1e-5)
    layer(X, training=True)
    remembered = layer.first_step.numpy()
    first = nfe_of(layer)
    layer.set_solver(rtol=tolerance, atol=tolerance)
    factor = (tolerance / 1e-5) ** 0.2
    assert np.allclose(layer.first_step[0], factor * remembered[0], rtol=1e-5)
    scaled = nfe_of(layer)
    layer.forget_step()
    assert scaled < nfe_of(layer)  # at least the evaluation that chooses a first step
    assert (scaled <= first) == (tolerance > 1e-5)


def test_layer_that_is_not_built_can_be_changed():
    layer = ODELayer(DenseDynamics(5))
    layer.set_solver(atol=1e-3)
    assert layer.atol == 1e-3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rtol": -1.0}, "rtol is -1.0"),
        ({"rtol": 0, "atol": 0}, "both 0"),
        ({"method": "rk5"}, "Unknown method 'rk5'"),
        ({"method": "rk4"}, "num_steps is None"),
        ({"method": "bdf"}, "adjoint gradient only"),
        ({"gradient": "none"}, "Unknown gradient 'none'"),
        ({"options": {"on_backward": print}}, "no option on_backward"),
    ],
)
def test_impossible_change_is_refused_and_changes_nothing(changes, complaint):
    layer = layer_of()
    before = layer(X, training=True).numpy(), layer.get_config(), layer.first_step.numpy()
    with pytest.raises(ValueError, match=complaint):
        layer.set_solver(**{"atol": 1e-2, **changes})
    assert layer.get_config() == before[1]
    assert np.array_equal(layer.first_step, before[2])


def test_change_of_method_leaves_the_options_that_it_can():
    layer = layer_of(method="rk4", options={"num_steps": 4, "on_failure": "nan"})
    layer.set_solver(method="heun")
    assert layer.options == SolverOptions(num_steps=4, on_failure="nan")
    layer.set_solver(method="dopri5")
    assert layer.options == SolverOptions(on_failure="nan")


def test_model_that_has_predicted_and_evaluated_solves_by_what_is_changed():
    layer = layer_of()
    model = keras.Sequential([keras.Input([6]), layer])
    model.compile(loss="mse")
    model.predict(X, verbose=0)
    model.evaluate(X, X, verbose=0)
    layer.set_solver(method="euler", options={"num_steps": 1})
    change = layer.dynamics(tf.constant(0.0), X).numpy()
    assert np.allclose(model.predict(X, verbose=0), X + change, atol=1e-6)
    loss = model.evaluate(X, X, verbose=0)
    assert loss == pytest.approx(np.mean(change**2), rel=1e-5)


def test_tolerance_changed_between_epochs_holds_from_then_on():
    layer = layer_of(rtol=1e-2, atol=1e-2, remember_step=False)
    model = keras.Sequential([keras.Input([6]), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")

    def tighten(epoch, logs):
        layer.rtol = layer.atol = 1e-7

    callback = keras.callbacks.LambdaCallback(on_epoch_end=tighten)
    history = model.fit(X, X, epochs=2, callbacks=[callback], verbose=0).history
    first, second = history["nfe_forward"]
    assert first < second == nfe_of(layer)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [("rtol", -1.0, "rtol is -1.0"), ("method", "rk4", "num_steps is None")],
)
def test_setting_that_is_assigned_is_checked(name, value, complaint):
    layer = layer_of()
    before = getattr(layer, name)
    with pytest.raises(ValueError, match=complaint):
        setattr(layer, name, value)
    assert getattr(layer, name) == before


def test_options_given_either_way_are_the_same_and_saved_as_a_dictionary():
    options = SolverOptions(max_num_steps=50, adjoint_rtol=1e-3)
    layers = [layer_of(options=x) for x in (options, dataclasses.asdict(options))]
    for layer in layers:
        config = json.loads(json.dumps(layer.get_config()["options"]))
        assert config == {"max_num_steps": 50, "adjoint_rtol": 1e-3}
    assert layers[0].options == layers[1].options == options


def test_first_step_given_goes_before_the_one_remembered():
    layer = layer_of(options={"first_step": 0.01}, method="bosh3", rtol=1e-3, atol=1e-3)
    first = nfe_of(layer)
    layer(X, training=True)
    assert nfe_of(layer) == first
    layer.set_solver(options={})
    layer(X, training=True)
    assert nfe_of(layer) < first


@pytest.mark.parametrize(
    "tableau",
    slow_after(1, [FEHLBERG45, dataclasses.replace(TABLEAUS["bosh3"], name="mine")]),
)
def test_model_with_a_tableau_of_its_own_reloads_bit_for_bit(tableau, tmp_path):
    model = keras.Sequential([keras.Input([6]), layer_of(method=tableau)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].method == tableau
    assert np.array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


def test_fixed_grid_tableau_counts_its_stages():
    assert nfe_of(layer_of(method=KUTTA3, options={"num_steps": 5})) == 3 * 5


@pytest.mark.parametrize(
    ("method", "options"), [("dopri5", None), ("rk4", {"num_steps": 4})]
)
def test_config_of_the_first_version_loads(method, options):
    config = {
        "name": "ode", "trainable": True, "dtype": "float32", "t0": 0.0, "t1": 1.0,
        "dynamics": keras.saving.serialize_keras_object(DenseDynamics(5)),
        "rtol": 1e-5, "atol": 1e-4, "method": method, "gradient": "adjoint",
        "options": options, "remember_step": True, "nfe_prefix": "",
    }  # fmt: skip
    layer = ODELayer.from_config(config)
    assert (layer.method, layer.atol, layer.gradient) == (method, 1e-4, "adjoint")
    assert layer.get_config()["options"] == options
    assert "dynamics" in config
    layer.build(X.shape)
    names = [v.name for v in layer.non_trainable_variables]
    assert names[:2] == ["first_step", "adjoint_first_step"]


@keras.saving.register_keras_serializable(package="tests")
def largest(ratios):
    return tf.reduce_max(tf.abs(ratios))


def test_options_of_every_kind_reload(tmp_path):
    options = {
        "norm": largest, "jump_times": [0.5], "max_step": 0.3, "interpolate": False,
        "first_step": tf.constant(0.01),
    }  # fmt: skip
    model = keras.Sequential([keras.Input([6]), layer_of(options=options)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].options.norm is largest
    assert again.layers[0].options.jump_times == (0.5,)
    assert np.array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


def test_norm_that_a_file_cannot_name_is_told_of():
    layer = layer_of(options={"norm": lambda ratios: tf.reduce_max(tf.abs(ratios))})
    with pytest.raises(ValueError, match="The norm of 'ode_layer.*cannot be saved"):
        layer.get_config()
