"""What is written aside takes no file that is not ours."""

import pytest

from node_transfer import durable


def write(path, text: str, **kwargs) -> None:
    with durable.written_aside(path, **kwargs) as partial:
        partial.write_text(text)
        durable.publish(partial, path)


def test_beside_the_users_files_nothing_is_taken_for_a_rest_of_ours(tmp_path):
    (tmp_path / "partial-a.csv").write_text("mine")
    (tmp_path / "partial-b").mkdir()
    (tmp_path / "partial-b" / "c").write_text("mine, too")
    for name in ("a.csv", "b"):
        write(tmp_path / name, "new", users=True)
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "partial-a.csv").read_text() == "mine"
    assert (tmp_path / "partial-b" / "c").read_text() == "mine, too"


def test_a_folder_in_place_of_another_leaves_no_other(tmp_path):
    mine = tmp_path / "partial-replaced-served"
    mine.mkdir()
    for text in ("old", "new"):
        with durable.written_aside(tmp_path / "served", users=True) as partial:
            partial.mkdir()
            (partial / "model").write_text(text)
            durable.publish(partial, tmp_path / "served")
    assert (tmp_path / "served" / "model").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, "served"}


def test_a_run_takes_away_what_an_interrupted_one_left(tmp_path):
    (tmp_path / "partial-a.json").write_text("half of")
    write(tmp_path / "a.json", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json"}


@pytest.mark.parametrize("users", [False, True])
def test_what_failed_leaves_nothing(users, tmp_path):
    with (
        pytest.raises(RuntimeError),
        durable.written_aside(tmp_path / "a", users=users) as partial,
    ):
        partial.write_text("half of")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
