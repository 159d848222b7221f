"""What the paper reports.

Rajath, Aithal & Natarajan, Transfer Learning using Neural Ordinary Differential
Equations, tables I to III.
"""

MODEL_NAMES = {
    "baseline": "EfficientNetB0",
    "node_rk": "Proposed Model(RK)",
    "node_adjoint": "Proposed Model(Adjoint)",
}

# Accuracy: the name of a split to a fraction of 1.
TABLE_1 = {
    "baseline": {"train": 0.987, "validation": 0.845, "test": 0.81},
    "node_rk": {"train": 0.985, "validation": 0.847, "test": 0.81},
    "node_adjoint": {"train": 0.992, "validation": 0.853, "test": 0.81},
}
