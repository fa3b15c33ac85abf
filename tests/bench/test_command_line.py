"""What `python -m bench` understands, and that no scenario is forgotten."""

from pathlib import Path

import bench.scenarios
import pytest
from bench.__main__ import read_order
from bench.harness import FULL, QUICK
from bench.results import local_path, write_results


def test_without_words_everything_runs_quickly() -> None:
    order, json_path = read_order([])
    assert order.size is QUICK
    assert order.repeats == 1
    assert list(order.scenarios) == list(bench.scenarios.ALL)
    assert json_path is None


def test_full_runs_everything_three_times() -> None:
    order, _ = read_order(["full"])
    assert order.size is FULL
    assert order.repeats == 3
    assert list(order.scenarios) == list(bench.scenarios.ALL)


def test_scenarios_may_be_named_and_repeated() -> None:
    order, json_path = read_order(["steady", "lone", "--repeat", "5", "--json", "out.json"])
    assert [scenario.name for scenario in order.scenarios] == ["lone", "steady"]
    assert order.repeats == 5
    assert json_path == Path("out.json")


@pytest.mark.parametrize(
    "arguments",
    [["no-such"], ["--url", "http://127.0.0.1:1"], ["--viewers", "v"], ["--repeat", "0"]],
)
def test_wrong_use_ends_with_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_order(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_every_scenario_module_is_run() -> None:
    folder = Path(bench.scenarios.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {scenario.name for scenario in bench.scenarios.ALL} == modules


def test_results_are_kept_where_git_ignores_them(tmp_path: Path) -> None:
    path = local_path({"measured_at": "2026-11-22T08:00:00Z", "size": "quick"})
    assert path.parts[-4:] == ("bench", "results", "local", "2026-11-22T080000Z-quick.json")
    write_results(tmp_path / "new" / "out.json", {"schema": 1})
    assert (tmp_path / "new" / "out.json").read_text() == '{\n  "schema": 1\n}\n'
