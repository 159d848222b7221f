"""What is imported, and what is not, before it is needed."""

import os
import platform
import subprocess
import sys
import types

import pytest

from node_transfer.cli import startup


def test_analysis_and_flags_do_not_import_tensorflow():
    code = (
        "import sys, node_transfer, node_transfer.analysis.report, "
        "node_transfer.reproduction.sweep, node_transfer.cli.train, "
        "node_transfer.cli.reproduce, node_transfer.cli.main, "
        "node_transfer.analysis.run_report, node_transfer.analysis.comparison, "
        "node_transfer.reproduction.comparison, node_transfer.cli.compare; "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_the_layer_needs_none_of_the_extras():
    """`requests` and `absl` are not blocked: TensorFlow itself needs them."""
    extras = (
        "matplotlib", "sklearn", "tensorflow_datasets", "tabulate", "jinja2", "scipy",
        "tqdm", "filelock", "tensorboard", "importlib_resources",
    )  # fmt: skip
    code = (
        f"import sys; sys.modules |= dict.fromkeys({extras!r})\n"
        "import node_transfer as nt, tensorflow as tf\n"
        "layer = nt.ODELayer(nt.DenseDynamics(4))\n"
        "print(layer(tf.ones((2, 3))).shape)\n"
        "print(nt.odeint(lambda t, y: -y, tf.ones(1), [0.0, 1.0]).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "(2, 3)\n(2, 1)\n", done.stderr


def test_figures_leave_the_plots_of_a_notebook_on(tmp_path):
    code = (
        "import matplotlib; matplotlib.use('svg')\n"
        "from node_transfer.analysis import figures, style\n"
        "import sys; print('matplotlib.pyplot' in sys.modules)\n"
        "with style.figure() as (fig, axes):\n"
        "    axes.plot([0, 1])\n"
        f"    style.save(fig, r'{tmp_path}/one')\n"
        "import matplotlib.pyplot as plt\n"
        "print(matplotlib.get_backend(), plt.get_fignums())\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == ["False", "svg", "[]"]
    assert (tmp_path / "one.svg").read_text().startswith("<?xml")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_a_program_shows_what_it_says_and_none_of_tensorflows_notes():
    """Whatever a package writes while it is imported stays, in C++ or in Python."""
    code = (
        "import os, sys; from node_transfer.cli import startup\n"
        "class Talks:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'tensorflow':\n"
        "            os.write(2, b'I0000 00:00:17.0 5 port.cc:1] a note\\nmine\\n')\n"
        "            print('and mine', file=sys.stderr)\n"
        "sys.meta_path.insert(0, Talks())\n"
        "startup.load_tensorflow()\n"
        "print(sys.modules['tensorflow'].constant(2).numpy())\n"
        "os.write(2, b'I0000 afterwards\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2\n"
    assert done.stderr == "mine\nand mine\nI0000 afterwards\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("environ", "kept"), [({}, True), ({"MALLOC_ARENA_MAX": "9"}, False)]
)
def test_memory_that_was_freed_is_had_again_without_page_faults(environ, kept):
    code = (
        "import ctypes, resource, threading\n"
        "from node_transfer.cli import startup\n"
        "startup.keep_memory()\n"
        "libc = ctypes.CDLL('libc.so.6')\n"
        "libc.malloc.restype = ctypes.c_void_p; libc.free.argtypes = [ctypes.c_void_p]\n"
        "def use():\n"
        "    faults = []\n"
        "    for _ in range(4):\n"
        "        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "        place = libc.malloc(100 << 20)\n"
        "        ctypes.memset(place, 1, 100 << 20); libc.free(place)\n"
        "        after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "        faults.append(after - before)\n"
        "    print(*faults)\n"
        "thread = threading.Thread(target=use); thread.start(); thread.join()\n"
    )
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**bare, **environ},
    )  # fmt: skip
    first, *others = map(int, done.stdout.split())
    assert first > 1000
    assert (max(others) < 100) == kept


@pytest.mark.parametrize(
    ("most", "set_to"),
    [(1 << 40, [-3, -1, -2, -8]), (32 << 20, [-3, -3, -1, -2, -8]), (0, [-3, -3])],
)
def test_memory_is_kept_where_the_c_library_takes_the_threshold(
    most, set_to, monkeypatch
):
    """Older ones of glibc refuse more than 32 MiB; the others alone would do harm."""
    calls = []

    def mallopt(parameter, value):
        calls.append(parameter)
        return int(parameter != -3 or value <= most)

    library = types.SimpleNamespace(mallopt=mallopt)
    monkeypatch.setattr(startup.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(startup.os, "environ", {})
    startup.keep_memory()
    assert calls == set_to
