"""Figure 1: the model, from left to right."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from node_transfer.models.blocks import (
    BLOCKS,
    DYNAMICS,
    block_input_of,
    find,
    in_words,
)


def draw_model(axes, experiment: dict, image_size: int) -> None:
    """Draws backbone, block and final layer of an experiment.

    Args:
        axes: Matplotlib axes, of about 3:1.
        experiment: The `experiment` of a run's `config.json`.
        image_size: Height and width of the images, in pixels.

    Raises:
        UserError: The experiment's block, or its dynamics, is in no table.
    """
    block = find(BLOCKS, "block", experiment["block"])
    activation = experiment.get("activation")
    axes.set_axis_off()
    axes.grid(False)
    axes.set_ylim(0, 36)
    size = f"{image_size}x{image_size}x3"
    boxes = [(1, 13, "images", size)]
    boxes.append((18, 19, experiment["backbone"], "backbone"))
    middle = [(13, "average", "pooling")]
    if block.layer is not None:
        works_on = block_input_of(
            block.name, experiment["dynamics"], experiment.get("block_input")
        )
        place = 0 if works_on == "feature_map" else 1
        middle.insert(
            place, (22, block.title, in_words(block.equation, block, activation))
        )
    left = 41
    for width, first, second in middle:
        boxes.append((left, width, first, second))
        left += width + 4
    boxes.append((left, 12, "Dense", "logits"))
    axes.set_xlim(0, left + 13)
    for x, width, first, second in boxes:
        is_block = block.layer is not None and first == block.title
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
            below = [in_words(block.formula or "", block, activation)]
            if block.has_dynamics:
                axes.text(centre, 28.5, "h(0) → h(1)", ha="center", fontsize=8.5)
                dynamics = find(DYNAMICS, "dynamics", experiment["dynamics"])
                formula = in_words(dynamics.formula, dynamics, activation)
                if block.evolving:  # the time is in the weights alone
                    formula = formula.replace("[h, t]", "h")
                below = [formula, _solver(experiment)]
            for y, line in zip((8.5, 4.0), below, strict=False):
                axes.text(centre, y, line, ha="center", fontsize=7.5)
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


def _solver(experiment: dict) -> str:
    method, gradient = experiment["method"], experiment["gradient"]
    return f"{method}, {gradient}, rtol = {experiment['rtol']:g}"
