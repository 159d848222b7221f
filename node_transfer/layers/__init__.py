"""Keras layers: the ODE block and the dynamics that it integrates."""
