"""Packaging of node-transfer."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
PACKAGE = (HERE / "node_transfer" / "__init__.py").read_text(encoding="utf-8")

# Without an extra: ODELayer, odeint and the dynamics, in a Keras model of one's own.
LAYER = [
    "tensorflow~=2.21.0",  # tensors, gradients
    "keras>=3.12,<3.16",  # what TensorFlow's tf.keras is; the range that was tested
    "tensorflow-probability~=0.25.0",  # the Dormand-Prince solver that ours extends
    "tf-keras~=2.21.0",  # TensorFlow Probability imports it
    "numpy>=1.26",  # arrays
]
# node-transfer train, evaluate
TRAIN = [
    "tensorflow-datasets~=4.9.10",  # CIFAR-10 and every other image set
    "importlib_resources",  # tensorflow-datasets imports it and does not say so
    "requests",  # asks whether a data set's server answers, as TFDS itself fetches
    "pillow>=11",  # reads images of a folder: WebP, CMYK, 16 bits, EXIF's orientation
    "scikit-learn>=1.5",  # the digits data set, stratified subsets
    "scipy>=1.15",  # probabilities from logits
    "tensorboard",  # the logs of keras.callbacks.TensorBoard
    "tabulate>=0.9",  # tables in the terminal
    "tqdm>=4.66",  # the progress bar of a sweep
    "filelock>=4.0",  # keeps two processes out of one run directory
    "absl-py>=2.1",  # command-line flags
]
# node-transfer export
EXPORT = [
    *TRAIN,
    "tf2onnx~=1.17.0",  # from a TensorFlow graph to ONNX, loops included
    "onnx>=1.17",  # writes the names of the classes into the file
    "onnxruntime>=1.20",  # runs the file, to compare it
]
# node-transfer table, report, reproduce --report_only
REPORT = [
    "matplotlib>=3.9",  # figures
    "tabulate>=0.9",  # tables in terminal and Markdown
    "jinja2>=3.1",  # the template of the report
    "scipy>=1.15",  # the bootstrap of the paired differences
    "scikit-learn>=1.5",  # confusion matrix, precision and recall
    "absl-py>=2.1",  # command-line flags
]

setup(
    name="node-transfer",
    version=re.search(r'^__version__ = "(.+)"$', PACKAGE, re.MULTILINE)[1],
    description="Neural ODE blocks for Keras; Transfer Learning using Neural ODEs",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the node-transfer authors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords="neural ode, keras, tensorflow, transfer learning, adjoint",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["node_transfer", "node_transfer.*"]),
    package_data={
        "node_transfer": ["py.typed"],
        "node_transfer.analysis": ["*.html.j2"],
    },
    python_requires=">=3.10,<3.14",
    entry_points={"console_scripts": ["node-transfer=node_transfer.cli.main:main"]},
    install_requires=LAYER,
    extras_require={
        "train": TRAIN,
        "report": REPORT,
        "export": EXPORT,
        "all": list(dict.fromkeys(EXPORT + REPORT)),
        "benchmarks": [
            "torch==2.13.0",  # torchdiffeq runs on it
            "torchdiffeq==0.2.5",  # a peer, the original of Chen et al.
            "jax==0.10.2",  # diffrax runs on it
            "diffrax==0.7.2",  # a peer
        ],
        "test": [
            "pytest>=8",  # runs the tests
            "pytest-xdist>=3.6",  # runs them on all cores
            "hypothesis>=6.100",  # property tests
            "ruff",  # format and lint
            "build",  # wheel and sdist
            "mypy",  # whether the types reach users
            "nbclient>=0.10",  # executes the notebooks
            "ipykernel>=6.29",  # the Python that they are executed by
            "pydot>=3",  # what keras.utils.plot_model draws with
        ],
        "docs": [
            "mkdocs-material~=9.7",  # the site
            "mkdocstrings[python]>=1.0,<2",  # its reference, from docstrings
            "latex2mathml~=3.78",  # its formulas, without a script
        ],
    },
)
