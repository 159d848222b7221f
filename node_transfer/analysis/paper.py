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

# Number (docs/protocol.md) to what is claimed in a few words, and the paper's own.
CLAIMS = {
    1: (
        "Fewer epochs",
        "the same validation accuracy obtained after 100 epochs in the case of RK solver "
        "and 160 epochs in the case of the adjoint sensitivity method",
    ),
    2: (
        "Sooner to the loss",
        "in both variants, the proposed model converges to the desired accuracy and loss "
        "much quicker than the model without NODE",
    ),
    3: (
        "Less time in all",
        "although that the proposed model takes more time per epoch, the total time "
        "taken to converge is much better",
    ),
    4: (
        "The baseline is unstable",
        "during training there is a lot of fluctuation and instability. In fact the "
        "validation curves are also not stable",
    ),
    5: (
        "The block steadies training and validation",
        "using NODE before the final layer guarantees better stability during training "
        "and validation",
    ),
    6: (
        "The adjoint is better than RK",
        "provides even more stability than the Runge-Kutta Solver. It also provides "
        "better validation accuracy, and is quicker in convergence",
    ),
    7: (
        "SGD is better than Adam for the adjoint",
        "For the proposed model with the Adjoint method, stochastic gradient descent was "
        "better than the Adam Optimizer",
    ),
    8: (
        "Tolerance trades accuracy for speed, and 1e-5 is best",
        "Setting both these parameters as 1e-5 provided optimal results. Tolerance limit "
        "is a parameter which is a trade off between accuracy and computational cost",
    ),
    9: (
        "Fewer parameters",
        "NODE instead of the fully connected layer [...] potentially reduces the number "
        "of parameters",
    ),
    10: (
        "The adjoint saves memory and is more stable numerically",
        "The adjoint method is computationally efficient and is numerically much more "
        "stable",
    ),
    11: (
        "ImageNet weights speed convergence",
        "Using ImageNet weights for training the model enables quicker convergence",
    ),
    12: (
        "The same test accuracy",
        "Table I: 81 % for all three",
    ),
}

CONTRADICTIONS = (
    "RK is trained for 200 epochs (section III) and for 100 (section III further down, "
    "section IV, Table II).",
    'The two adjoint claims of section IV pull apart: it is "quicker in convergence" '
    "than RK, and needs 160 epochs where RK needs 100.",
    'The block stands "instead of the fully connected layer" (section III, on fewer '
    'parameters) and "before the final layer" (elsewhere), which it leaves in place.',
    '"The performance and stability get enhanced" (section IV), while Table I has the '
    "same 81 % on the test images for all three models.",
    'The proposed model "takes more time per epoch" (section IV), while Table II '
    "makes it 81 s for the baseline, 135 s for RK and 73 s for the adjoint.",
)
