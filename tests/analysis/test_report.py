"""What is written from run directories: tables, numbers, figures, and the report."""

import csv
import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node_transfer.analysis.report import all_tables, write_report
from node_transfer.analysis.runs import gather, read_run, read_sweep
from node_transfer.errors import UserError
from tests.analysis.made import write_run, write_sweep
from tests.analysis.test_verdict import CLAIM_TRUE
from tests.conftest import PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
COLD = {"node_rk_cold": lambda s: [0.5, 0.6, 0.7], "residual": lambda s: [0.8] * 5}
COMMITTED = PROJECT / "results" / "cifar10-cpu"


@pytest.fixture(scope="module")
def sweep_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    write_sweep(folder, {**CLAIM_TRUE, **COLD})
    record = {
        "commands": ["python experiments/reproduce.py --preset=cpu"],
        "note": "A note <with> a & b.",
        "runs": [
            {"model": "baseline", "seed": 0, "command": "python run_baseline.py"},
            {"model": "more_sgd", "seed": 9, "command": "python x.py", "failed": "Boom."},
            {"model": "more_sgd", "seed": 8, "command": "python y.py"},
            {"model": "node_rk", "seed": 0, "command": "python z.py", "failed": "Once."},
        ],
    }
    (folder / "sweep.json").write_text(json.dumps(record))
    write_report(folder)
    return folder


def table(folder, name):
    return next(t for t in all_tables(read_sweep(folder)) if t.name == name)


def test_cells_have_mean_deviation_number_of_runs_and_the_papers_value(tmp_path):
    for seed, test in enumerate((0.80, 0.82, 0.84)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8], test=test, seconds=60)
    assert table(tmp_path, "table_1").rows[0] == (
        "EfficientNetB0",
        "82.00 ± 2.00 % (n=3) | 98.7 %",
        "82.00 ± 2.00 % (n=3) | 84.5 %",
        "82.00 ± 2.00 % (n=3) | 81.0 %",
    )
    assert table(tmp_path, "table_2").rows[0] == (
        "EfficientNetB0",
        "2 (n=3) | 200",
        "2.0 ± 0.0 min (n=3) | 4.5 hours",
        "60.0 ± 0.0 (n=3) | 81.0",
    )


def test_table_3_has_the_tolerances(sweep_folder):
    assert table(sweep_folder, "table_3").rows[0] == (
        "Proposed Model(RK)",
        "1e-05 (n=3) | 1e-05",
        "1e-05 (n=3) | 1e-05",
    )


def test_a_control_is_compared_within_its_seed(tmp_path):
    for seed, test in ((0, 0.80), (1, 0.70)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8], test=test)
        write_run(tmp_path, "node_rk", seed, [0.8], test=test + 0.01, init_from="b")
    row = table(tmp_path, "controls").rows[0]
    assert row[:3] == ("NODE-RK - Baseline", "1 | 2", "+1.00 [+1.00, +1.00]")
    assert row[4] == "-"  # the baseline's climb, which a warm start leaves out
    assert row[-2:] == ("-1.0 [-1.5, -0.5]", "2")


def test_runs_that_never_reach_the_accuracy_are_counted(tmp_path):
    for seed, last in ((0, 0.9), (1, 0.1)):
        write_run(tmp_path, "baseline", seed, [0.7, 0.8])
        write_run(tmp_path, "node_rk", seed, [0.5, last], init_from="b")
    row = table(tmp_path, "epochs").rows[1]
    assert row[4] == "2.0 (in 1 of 2)"
    assert row[5] == "4.0 (in 1 of 2)"


def test_what_the_first_epoch_costs_is_told_of_warm_starts(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7, 0.8])
    write_run(tmp_path, "node_rk", 0, [0.75, 0.8], init_from="b")
    cold, warm = table(tmp_path, "epochs").rows
    assert (cold[3], warm[3]) == ("-", "-5.0 (n=1)")


def test_runs_of_one_model_that_differ_are_not_averaged(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7])
    path = write_run(tmp_path, "baseline", 1, [0.7]) / "config.json"
    path.write_text(path.read_text().replace("EfficientNetB0", "EfficientNetV2B0"))
    with pytest.raises(UserError, match="backbone = 'EfficientNetB0'.*cannot be avera"):
        read_sweep(tmp_path)


def test_a_run_is_the_model_that_its_folder_is_named_after(tmp_path):
    paths = [write_run(tmp_path, name, 0, [0.7]) for name in ("baseline", "more_adam")]
    assert gather(paths).names == ["baseline", "more_adam"]
    with pytest.raises(UserError, match="are both baseline with seed 0"):
        gather([paths[0], paths[0]])
    with pytest.raises(UserError, match="no readable config.json"):
        gather([tmp_path / "nothing"])


def test_table_1_of_runs_that_lie_anywhere(tmp_path):
    path = write_run(tmp_path, "node_rk", 0, [0.5], test=0.125)
    done = subprocess.run(
        [sys.executable, "experiments/table_1.py", f"--runs={path}"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    row = next(line for line in done.stdout.splitlines() if "Proposed" in line)
    assert row.split(" | ")[1:3] == ["12.50 % (n=1)", "98.5 %"]
    assert "The paper's: EfficientNetB0" in done.stdout.replace("\n", " ")


def test_a_run_whose_loss_was_never_a_number_is_reported_on(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.7, 0.8]) / "history.csv"
    text = path.read_text().splitlines()
    rows = [line.split(",") for line in text]
    for column in (2, 4):
        for row in rows[1:]:
            row[column] = "nan"
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    write_report(tmp_path)
    stability = (tmp_path / "tables" / "stability.md").read_text(encoding="utf-8")
    loss = next(line for line in stability.splitlines() if "Validation loss" in line)
    assert loss.count("| - ") == 4


def test_the_steadiness_of_models_that_start_cold_is_over_the_same_epochs(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.1, 0.2, 0.9])
    write_run(tmp_path, "node_rk_cold", 0, [0.1, 0.2])
    row = table(tmp_path, "controls").rows[0]
    assert row[4] == "0.00 (one run)"


def test_markdown_escapes_the_bar_within_a_cell(sweep_folder):
    lines = (
        (sweep_folder / "tables" / "table_1.md").read_text(encoding="utf-8").splitlines()
    )
    row = next(line for line in lines if "EfficientNetB0" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert row.count("\\|") == 3


def test_every_number_has_the_path_of_its_run(sweep_folder):
    with (sweep_folder / "numbers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {
        f"seed-{s}/{name}" for s in range(3) for name in {**CLAIM_TRUE, **COLD}
    }
    tests = {
        row["path"]: row["value"] for row in rows if row["quantity"] == "test_accuracy"
    }
    run = read_run(sweep_folder / "seed-1" / "node_rk")
    assert float(tests["seed-1/node_rk"]) == run.metrics["test"]["accuracy"]


def test_every_figure_of_the_paper_is_drawn_twice(sweep_folder):
    stems = {f"figure_{n:02d}" for n in range(1, 13)}
    stems |= {"validation_curves", "nfe", "accuracy_against_seconds"}
    for kind in ("svg", "png"):
        files = {path.stem for path in (sweep_folder / "figures").glob(f"*.{kind}")}
        assert files == stems


def test_a_second_report_has_the_same_bytes(sweep_folder, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(sweep_folder, again)
    for name in ("tables", "figures"):
        shutil.rmtree(again / name)
    write_report(again)
    for path in sorted(sweep_folder.rglob("*")):
        if path.is_file():
            other = again / path.relative_to(sweep_folder)
            assert other.read_bytes() == path.read_bytes(), path


def test_a_folder_without_a_finished_run_is_an_error(tmp_path):
    with pytest.raises(UserError, match="has no finished run"):
        read_sweep(tmp_path)


def test_an_unfinished_run_is_named_and_left_out(tmp_path):
    write_run(tmp_path, "baseline", 0, [0.7])
    (write_run(tmp_path, "node_rk", 0, [0.7]) / "metrics.json").unlink()
    sweep = read_sweep(tmp_path)
    assert sweep.names == ["baseline"]
    assert sweep.unfinished == ("seed-0/node_rk",)
    write_report(tmp_path)
    assert "seed-0/node_rk: not finished" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )


def test_a_damaged_history_is_an_error_that_names_it(tmp_path):
    path = write_run(tmp_path, "baseline", 0, [0.7]) / "history.csv"
    path.write_text("epoch,val_accuracy\n1,abc\n")
    with pytest.raises(UserError, match="history.csv"):
        read_sweep(tmp_path)
    path.write_text("epoch,seconds,val_accuracy\n1,2,0.5\n")
    with pytest.raises(UserError, match="no accuracy in its history.csv"):
        read_sweep(tmp_path)


def test_the_report_asks_nothing_of_the_network(sweep_folder):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "@import" not in page and "url(" not in page


def test_the_report_has_verdict_commands_note_and_failures(sweep_folder):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    for text in (
        "Fewer epochs: holds",
        "python experiments/reproduce.py --preset=cpu",
        "A note &lt;with&gt; a &amp; b.",
        "seed-9/more_sgd: Boom.",
        "seed-8/more_sgd: not begun",
        "tensorflow 2.21.0",
    ):
        assert text in page, text
    assert "Once." not in page  # it is finished now


# In the page: what a browser makes of it. Texts and images count as cut off where they
# reach past the window outside a box that scrolls.
PROBE = """
<iframe id="frame" style="width:WIDTHpx;height:900px;border:0" srcdoc="PAGE"></iframe>
<script>
addEventListener("load", () => {
  const page = document.getElementById("frame").contentDocument;
  const view = page.documentElement;
  const cut = [...page.querySelectorAll("h1,h2,h3,p,li,dt,dd,pre,figure,img,.scroll")]
    .filter(e => { const r = e.getBoundingClientRect();
      return r.right > view.clientWidth + 0.5 || r.left < 0 || r.width === 0; })
    .map(e => e.tagName);
  const wide = [...page.querySelectorAll("table")].filter(e =>
      e.scrollWidth > e.parentElement.clientWidth
      && getComputedStyle(e.parentElement).overflowX !== "auto").length;
  const images = [...page.images];
  document.body.dataset.seen = JSON.stringify({
    images: images.length,
    loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
    width: view.scrollWidth, view: view.clientWidth, cut, wide,
    tables: page.querySelectorAll("table").length,
    background: getComputedStyle(page.body).backgroundColor,
  });
});
</script>
"""


def look_at(page: str, width: int, folder: Path, dark: bool = False) -> dict:
    """Opens a page in headless Chromium in a window so wide; returns what it saw."""
    probe = PROBE.replace("WIDTH", str(width)).replace("PAGE", html.escape(page))
    (folder / "probe.html").write_text(f"<!doctype html><body>{probe}</body>")
    dom = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=10000", "--window-size=1400,1000", "--dump-dom",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"file://{folder / 'probe.html'}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    return json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', dom).group(1)))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("which", ["made", "committed"])
def test_a_browser_loads_every_image_and_cuts_nothing_off(
    which, width, sweep_folder, tmp_path
):
    page = sweep_folder if which == "made" else COMMITTED
    seen = look_at((page / "report.html").read_text(encoding="utf-8"), width, tmp_path)
    assert seen["images"] == seen["loaded"] == 15
    assert seen["tables"] == 8
    assert seen["width"] <= seen["view"] == width
    assert seen["cut"] == [] and seen["wide"] == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("dark", "colour"), [(0, "255, 255, 255"), (1, "22, 24, 27")])
def test_the_page_is_light_or_dark_as_the_reader_prefers(
    dark, colour, sweep_folder, tmp_path
):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    seen = look_at(page, 1280, tmp_path, dark=bool(dark))
    assert seen["background"] == f"rgb({colour})"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_browser_test_sees_what_is_cut_off(sweep_folder, tmp_path):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    page = page.replace("<h2>", '<p style="width:900px">wide</p><h2>', 1)
    page = page.replace("data:image/svg+xml;base64,PD94", "data:image/png;base64,AAAA", 1)
    seen = look_at(page, 390, tmp_path)
    assert "P" in seen["cut"] and seen["width"] > 390
    assert seen["loaded"] == seen["images"] - 1


def test_report_only_needs_no_tensorflow(sweep_folder):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        f"sys.argv = ['reproduce.py', '--report_only', '--output_dir={sweep_folder}']\n"
        "import runpy; runpy.run_path('experiments/reproduce.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Table I. Performance, ours | paper" in done.stdout


def test_the_committed_tables_follow_from_the_committed_runs(tmp_path):
    for path in COMMITTED.glob("seed-*/*/*"):
        if path.name in ("config.json", "history.csv", "metrics.json"):
            copy = tmp_path / path.relative_to(COMMITTED)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    write_report(tmp_path)
    for name in ("numbers.csv", "verdict.md"):
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes()
    made = sorted((tmp_path / "tables").iterdir())
    assert len(made) == 14
    for path in made:
        assert path.read_bytes() == (COMMITTED / "tables" / path.name).read_bytes()


def test_readme_says_what_the_committed_tables_say():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    table_1 = (COMMITTED / "tables" / "table_1.md").read_text(encoding="utf-8")
    assert table_1.split("\n\n")[1] in readme
    assert (COMMITTED / "verdict.md").read_text(encoding="utf-8") in readme
