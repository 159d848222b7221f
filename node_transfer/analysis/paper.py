"""What the paper reports.

Rajath, Aithal & Natarajan, Transfer Learning using Neural Ordinary Differential
Equations, tables I to III and the captions of figures 1 to 12.
"""

SOURCE = "EfficientNetB0, ImageNet weights; CIFAR-10; 200/100/160 epochs"

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

# Epochs, and hours on a GTX 1080 Ti.
TABLE_2 = {
    "baseline": (200, 4.5),
    "node_rk": (100, 3.75),
    "node_adjoint": (160, 3.25),
}

# Absolute and relative tolerance.
TABLE_3 = {"node_rk": (1e-5, 1e-5)}

FIGURE_1 = "Model Visualization"

# A figure's number to the model, the column of its history, and the caption.
FIGURES = {
    2: ("baseline", "accuracy", "Training accuracy"),
    3: ("baseline", "loss", "Training loss"),
    4: ("baseline", "val_accuracy", "Validation accuracy"),
    5: ("baseline", "val_loss", "Validation loss"),
    6: ("node_rk", "accuracy", "Training Accuracy(proposed model with RK solver)"),
    7: ("node_rk", "loss", "Training loss(proposed model RK solver)"),
    8: ("node_rk", "val_accuracy", "Validation Accuracy(proposed model RK solver)"),
    9: ("node_rk", "val_loss", "Validation loss(proposed model RK solver)"),
    10: (
        "node_adjoint",
        "accuracy",
        "Training accuracy using adjoint solver(proposed model)",
    ),
    11: ("node_adjoint", "loss", "Training loss using adjoint solver(proposed model)"),
    12: (
        "node_adjoint",
        "val_accuracy",
        "Validation Accuracy using adjoint solver(proposed model)",
    ),
}
