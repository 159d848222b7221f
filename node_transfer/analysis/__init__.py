"""Tables from run directories alone. Imports neither TensorFlow nor training."""
