"""The numerical core: differentiable ODE solvers. Knows tensors and nothing else."""
