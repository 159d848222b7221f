"""Where a run says that it comes from, against git, hashlib and the files themselves."""

import hashlib
import re
import subprocess

import numpy as np
import pytest

import node_transfer
from node_transfer import checksums
from node_transfer.data import digits
from node_transfer.training import provenance


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository with one committed source file."""
    (tmp_path / "node_transfer").mkdir()
    (tmp_path / "node_transfer" / "code.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_commit_is_gits_and_the_tree_is_clean_until_code_changes(checkout):
    expected = {
        "version": node_transfer.__version__,
        "commit": git(checkout, "rev-parse", "HEAD"),
        "clean": True,
    }
    assert provenance.project(checkout) == expected
    (checkout / "results").mkdir()
    (checkout / "results" / "history.csv").write_text("epoch\n")
    assert provenance.project(checkout)["clean"]
    (checkout / "node_transfer" / "code.py").write_text("x = 2\n")
    assert not provenance.project(checkout)["clean"]


def test_untracked_code_makes_the_tree_unclean(checkout):
    (checkout / "node_transfer" / "more.py").write_text("")
    assert not provenance.project(checkout)["clean"]


def test_package_in_someone_elses_repository_has_no_commit(checkout):
    installed = checkout / "venv" / "site-packages"
    installed.mkdir(parents=True)
    assert provenance.project(installed)["commit"] is None


def test_package_outside_any_repository_has_no_commit(tmp_path):
    found = provenance.project(tmp_path)
    assert (found["commit"], found["clean"]) == (None, None)


def test_command_can_be_typed_again(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    script = str(tmp_path / "experiments" / "run_baseline.py")
    assert (
        provenance.command([script, "--data_note=two words"])
        == "python experiments/run_baseline.py '--data_note=two words'"
    )
    module = "/somewhere/site-packages/node_transfer/__main__.py"
    assert (
        provenance.command([module, "train", "baseline"])
        == "python -m node_transfer train baseline"
    )
    assert (
        provenance.command(["/usr/bin/node-transfer", "table"]) == "node-transfer table"
    )
    assert provenance.command(["/elsewhere/run.py"]) == "python run.py"


def test_date_is_in_utc_and_to_the_second():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance.now())


def test_checksum_of_a_file_is_sha256_of_its_bytes(tmp_path):
    content = bytes(range(256)) * 9000  # more than one chunk
    (tmp_path / "file").write_bytes(content)
    assert checksums.of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_checksum_of_a_folder_tells_bytes_and_names(tmp_path):
    def checksum(files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return checksums.of_files(folder)

    one = checksum({"a": b"1", "b": b"2"})
    assert one == checksum({"b": b"2", "a": b"1"})
    assert one["of"] == "names and bytes of 2 files"
    for others in ({"a": b"1", "b": b"3"}, {"a": b"1", "c": b"2"}, {"a": b"12"}):
        assert checksum(others)["sha256"] != one["sha256"]


def test_folder_too_large_to_read_is_told_by_names_and_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "WHOLE_FILES_BYTES", 1)
    (tmp_path / "a").write_bytes(b"12")
    first = checksums.of_files(tmp_path)
    assert first["of"] == "names and sizes of 1 files"
    (tmp_path / "a").write_bytes(b"34")
    assert checksums.of_files(tmp_path) == first


def test_checksum_of_digits_is_of_the_images_as_decoded():
    digest = hashlib.sha256()
    for images, labels in digits.arrays().values():
        digest.update(np.asarray(images).tobytes())
        digest.update(np.asarray(labels).tobytes())
    assert digits.source()["checksum"]["sha256"] == digest.hexdigest()
