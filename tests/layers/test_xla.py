"""`fit` with `jit_compile=True`."""

import keras
import numpy as np
import pytest

from node_transfer import DenseDynamics, ODELayer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype("float32")
Y = RNG.integers(3, size=64)
RK4 = {"method": "rk4", "options": {"num_steps": 3}}
DOPRI5 = {"options": {"max_num_steps": 20}, "rtol": 1e-6, "atol": 1e-6}


def trained(jit_compile, **kwargs):
    keras.utils.set_random_seed(1)
    block = ODELayer(DenseDynamics(8), **kwargs)
    model = keras.Sequential([keras.Input([6]), block, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=jit_compile)
    history = model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    assert model.jit_compile is jit_compile
    return history.history, model.get_weights(), model.predict(X, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("kwargs", [RK4, DOPRI5])
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_fit_compiled_by_xla_gives_the_same(kwargs, gradient):
    (logs, weights, predicted), (plain_logs, plain_weights, plain) = (
        trained(jit_compile, gradient=gradient, **kwargs) for jit_compile in (True, False)
    )
    assert np.allclose(logs["loss"], plain_logs["loss"], rtol=1e-5)
    assert np.allclose(logs["nfe_forward"], plain_logs["nfe_forward"])
    assert np.allclose(predicted, plain, atol=1e-4)
    for a, b in zip(weights, plain_weights, strict=True):
        assert np.allclose(a, b, rtol=1e-3, atol=1e-4)


def test_adaptive_solves_without_a_chosen_bound_are_left_to_tensorflow():
    block = ODELayer(DenseDynamics(8))
    assert not block.supports_jit
    block.set_solver(method="rk4", options={"num_steps": 2})
    assert block.supports_jit
    block.set_solver(method="dopri5", options={"max_num_steps": 30})
    assert block.supports_jit


@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_solver_that_is_changed_to_an_adaptive_one_is_not_compiled():
    block = ODELayer(DenseDynamics(8), **RK4)
    model = keras.Sequential([keras.Input([6]), block, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=True)
    model(X)
    block.set_solver(method="dopri5")
    assert model.jit_compile is False
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"][0])


def test_steps_of_each_sample_are_left_to_tensorflow():
    options = {"per_sample": True, "max_num_steps": 50}
    assert not ODELayer(DenseDynamics(8), options=options).supports_jit
