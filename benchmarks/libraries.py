"""The block in four libraries: each solver returns a function without arguments.

That function solves the block and takes the gradient of the loss for the state and every
parameter. It returns `(h1, gradients, nfe)`: arrays of the library's own, finished, and
the evaluations of f of the forward solve, or -1 where the library does not tell.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.block import Block

GRADIENTS = ("backprop", "adjoint")


def ours(
    block: Block, tolerance: float, gradient: str, remember_step: bool = True
) -> Callable:
    """node-transfer, as `ODELayer` runs it in training: the step size is remembered."""
    import tensorflow as tf

    from node_transfer import DenseDynamics, ODELayer

    hidden = block.w1.shape[1]
    layer = ODELayer(
        DenseDynamics(hidden), rtol=tolerance, atol=tolerance, gradient=gradient,
        remember_step=remember_step,
    )  # fmt: skip
    layer.build(block.h0.shape)
    layer.dynamics.set_weights(block.parameters)
    h0 = tf.constant(block.h0)
    nfe = tf.Variable(0.0)

    @tf.function(autograph=False)
    def compute():
        layer.nfe.reset_state()
        with tf.GradientTape() as tape:
            tape.watch(h0)
            h1 = layer(h0, training=True)
            loss = tf.reduce_mean(h1**2)
        sources = [h0, *(v.value for v in layer.dynamics.trainable_variables)]
        nfe.assign(layer.nfe.forward)
        return h1, tape.gradient(loss, sources)

    return lambda: (*compute(), int(nfe))


def tfp(block: Block, tolerance: float, gradient: str) -> Callable:
    """TensorFlow Probability's Dormand-Prince, as it comes."""
    import tensorflow as tf

    from node_transfer import odeint

    h0 = tf.constant(block.h0)
    variables = [tf.Variable(p) for p in block.parameters]
    w1, wt, b1, w2, b2 = variables

    def f(t, h):
        return tf.tanh(h @ w1 + (t * wt + b1)) @ w2 + b2

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(h0)
            states, info = odeint(
                f, h0, [0.0, 1.0], rtol=tolerance, atol=tolerance, method="dopri5_tfp",
                gradient=gradient, full_output=True,
            )  # fmt: skip
            loss = tf.reduce_mean(states[-1] ** 2)
        return states[-1], tape.gradient(loss, [h0, *variables]), info.nfe

    def run():
        h1, gradients, nfe = compute()
        return h1, gradients, int(nfe)

    return run


def torchdiffeq(block: Block, tolerance: float, gradient: str) -> Callable:
    """torchdiffeq's dopri5."""
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    class Dynamics(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ParameterList(
                torch.nn.Parameter(torch.tensor(p)) for p in block.parameters
            )
            self.nfe = 0

        def forward(self, t, h):
            self.nfe += 1
            w1, wt, b1, w2, b2 = self.weights
            return torch.tanh(h @ w1 + (t * wt + b1)) @ w2 + b2

    dynamics = Dynamics()
    times = torch.tensor([0.0, 1.0])
    solve = odeint_adjoint if gradient == "adjoint" else odeint

    def run():
        dynamics.nfe = 0
        dynamics.zero_grad()
        h0 = torch.tensor(block.h0, requires_grad=True)
        h1 = solve(dynamics, h0, times, rtol=tolerance, atol=tolerance, method="dopri5")[
            1
        ]
        nfe = dynamics.nfe
        (h1**2).mean().backward()
        gradients = [h0.grad, *(p.grad for p in dynamics.weights)]
        return h1.detach(), gradients, nfe

    return run


def diffrax(block: Block, tolerance: float, gradient: str) -> Callable:
    """diffrax's Dopri5, compiled."""
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    adjoint = {
        "backprop": dfx.RecursiveCheckpointAdjoint(),
        "adjoint": dfx.BacksolveAdjoint(),
    }[gradient]

    def f(t, h, weights):
        w1, wt, b1, w2, b2 = weights
        return jnp.tanh(h @ w1 + (t * wt + b1)) @ w2 + b2

    def loss(h0, weights):
        solution = dfx.diffeqsolve(
            dfx.ODETerm(f), dfx.Dopri5(), 0.0, 1.0, None, h0, weights, adjoint=adjoint,
            stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
        )  # fmt: skip
        h1 = solution.ys[-1]
        return jnp.mean(h1**2), (h1, solution.stats.get("num_steps", -1))

    compute = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    h0 = jnp.asarray(block.h0)
    weights = [jnp.asarray(p) for p in block.parameters]

    def run():
        (_, (h1, steps)), (h0_bar, weights_bar) = compute(h0, weights)
        jax.block_until_ready(weights_bar)
        steps = int(steps)
        return h1, [h0_bar, *weights_bar], -1 if steps < 0 else 1 + 6 * steps

    return run


def ours_without_memory(block: Block, tolerance: float, gradient: str) -> Callable:
    """node-transfer, choosing its first step anew in each solve."""
    return ours(block, tolerance, gradient, remember_step=False)


def ours_plain(block: Block, tolerance: float, gradient: str) -> Callable:
    """node-transfer's `odeint`, as a user calls it first: f by hand, with a `concat`."""
    import tensorflow as tf

    from node_transfer import odeint

    h0 = tf.constant(block.h0)
    w1, wt, b1, w2, b2 = block.parameters
    kernel = tf.Variable(np.concatenate([w1, np.reshape(wt, [1, -1])]))
    variables = [kernel, *(tf.Variable(p) for p in (b1, w2, b2))]

    def f(t, h):
        k1, b1, k2, b2 = variables
        times = tf.fill([tf.shape(h)[0], 1], t)
        return tf.tanh(tf.concat([h, times], axis=1) @ k1 + b1) @ k2 + b2

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(h0)
            states, info = odeint(
                f, h0, [0.0, 1.0], rtol=tolerance, atol=tolerance, gradient=gradient,
                full_output=True,
            )  # fmt: skip
            loss = tf.reduce_mean(states[-1] ** 2)
        return states[-1], tape.gradient(loss, [h0, *variables]), info.nfe

    def run():
        h1, (h0_bar, kernel_bar, *others), nfe = compute()
        return h1, [h0_bar, kernel_bar[:-1], kernel_bar[-1], *others], int(nfe)

    return run


LIBRARIES = {
    "node-transfer": ours,
    "node-transfer, no memory": ours_without_memory,
    "node-transfer, odeint": ours_plain,
    "torchdiffeq": torchdiffeq,
    "diffrax": diffrax,
    "tfp": tfp,
}


def unit(block: Block) -> Callable:
    """One f with its vector-Jacobian product, in TensorFlow."""
    import tensorflow as tf

    h0 = tf.constant(block.h0)
    variables = [tf.Variable(p) for p in block.parameters]
    w1, wt, b1, w2, b2 = variables

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(h0)
            h1 = tf.tanh(h0 @ w1 + (0.5 * wt + b1)) @ w2 + b2
        return h1, tape.gradient(h1, [h0, *variables], output_gradients=h0)

    return lambda: (*compute(), 1)
