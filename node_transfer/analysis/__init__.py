"""Tables, figures, claims and report from run directories alone.

Imports neither TensorFlow nor training.
"""
