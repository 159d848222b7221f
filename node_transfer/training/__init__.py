"""A config becomes a run directory: strategy, fit, resume, evaluation."""
