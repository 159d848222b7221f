"""HTML pages of one file each: their templates, and what is embedded in them."""

import base64
import io

import jinja2
import markupsafe
import numpy as np


def render(template: str, **values) -> str:
    """Returns a page of a template that lies beside this module."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("node_transfer.analysis", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["code"] = with_code
    return environment.get_template(template).render(**values)


def with_code(text: str) -> markupsafe.Markup:
    """Returns a text with what stands in backticks as code."""
    parts = str(text).split("`")
    return markupsafe.Markup("").join(
        markupsafe.Markup("<code>{}</code>").format(part) if k % 2 else part
        for k, part in enumerate(parts)
    )


def svg_uri(content: bytes) -> str:
    """Returns the bytes of an SVG file as a URI that holds them."""
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"


def png_uri(image: np.ndarray) -> str:
    """Returns an image, uint8, shape `(height, width, 3)`, as a URI that holds it."""
    from matplotlib import image as images

    file = io.BytesIO()
    images.imsave(file, image, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
