"""The reproduction of the paper as a sweep of experiments. Imports no TensorFlow."""
