"""The files of a run and of a sweep, config included. Imports no TensorFlow."""
