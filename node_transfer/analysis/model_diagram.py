"""Figure 1: the model, from left to right."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch


def draw_model(axes, experiment: dict, image_size: int) -> None:
    """Draws backbone, block and final layer of an experiment.

    Args:
        axes: Matplotlib axes, of about 3:1.
        experiment: The `experiment` of a run's `config.json`.
        image_size: Height and width of the images, in pixels.
    """
    axes.set_axis_off()
    axes.grid(False)
    axes.set_ylim(0, 36)
    size = f"{image_size}x{image_size}x3"
    boxes = [(1, 13, "images", size)]
    boxes.append((18, 19, experiment["backbone"], "backbone"))
    conv = experiment["dynamics"] == "conv"
    pooling = (13, "average", "pooling")
    block = (22, "ODE block", "dh/dt = f(h, t, θ)")
    middle = [block, pooling] if conv else [pooling, block]
    if experiment["block"] == "none":
        middle = [pooling]
    left = 41
    for width, first, second in middle:
        boxes.append((left, width, first, second))
        left += width + 4
    boxes.append((left, 12, "Dense", "logits"))
    axes.set_xlim(0, left + 13)
    for x, width, first, second in boxes:
        is_block = first == "ODE block"
        axes.add_patch(
            FancyBboxPatch(
                (x, 13),
                width,
                12,
                boxstyle="round,pad=0,rounding_size=1.5",
                facecolor="#cfe3f1" if is_block else "white",
                edgecolor="black",
                linewidth=1.8 if is_block else 1.0,
            )
        )
        centre = x + width / 2
        axes.text(centre, 20.6, first, ha="center", va="center", fontsize=8.5)
        axes.text(centre, 16.6, second, ha="center", va="center", fontsize=7.5)
        if is_block:
            method, gradient = experiment["method"], experiment["gradient"]
            axes.text(centre, 28.5, "h(0) → h(1)", ha="center", fontsize=8.5)
            formula = (
                "f: GroupNorm, ReLU, 3x3 convolution, twice"
                if conv
                else "f = W2 tanh(W1 [h, t] + b1) + b2"
            )
            solver = f"{method}, {gradient}, rtol = {experiment['rtol']:g}"
            axes.text(centre, 8.5, formula, ha="center", fontsize=7.5)
            axes.text(centre, 4.0, solver, ha="center", fontsize=7.5)
    for (x, width, *_), (next_x, *_) in zip(boxes, boxes[1:], strict=False):
        axes.add_patch(
            FancyArrowPatch(
                (x + width, 19),
                (next_x, 19),
                arrowstyle="-|>",
                mutation_scale=9,
                color="black",
                shrinkA=0,
                shrinkB=0,
            )
        )
