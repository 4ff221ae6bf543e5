"""`replicator simulate`: what it prints, as text, as JSON, as a plot; what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from replicator.cli.main import main

FEW = ("simulate", "--stations", "20", "--outage", "10min")
SVG = "{http://www.w3.org/2000/svg}"


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_the_summary_and_the_load_as_bars() -> None:
    text = said(*FEW)
    assert text.startswith("20 stations, 3,360 rows an hour each, without their centre for 10 min")
    assert "20 naive stations" in said(*FEW, "--naive")
    for name in ("rows", "requests", "centre", "caught up", "requests/s", "backlog"):
        assert f"\n{name} " in text


def test_json_has_plan_summary_and_series() -> None:
    options = ("--seed", "7", "--windows", "06:00-07:30", "--at", "06:30", "--rtt", "0.5s")
    told = json.loads(said(*FEW, *options, "--json"))
    assert told["plan"]["seed"] == 7
    assert told["plan"]["begins"] == "2026-03-01T06:30:00+00:00"
    assert told["plan"]["shipping"]["windows"] == ["06:00-07:30"]
    assert told["plan"]["line"]["rtt"] == 0.5
    assert told["summary"]["left_behind"] == 0
    lengths = {len(values) for name, values in told["series"].items() if name != "step"}
    assert len(lengths) == 1
    assert said(*FEW, *options, "--json") == json.dumps(told) + "\n"


def test_the_plot_is_an_svg_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "load.svg"
    assert f"plot       {file}" in said(*FEW, "--plot", str(file))
    root = ElementTree.parse(file).getroot()
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 7
    assert len({len(line.get("points", "").split()) for line in lines}) == 1
    assert "http" not in file.read_text().replace("http://www.w3.org/2000/svg", "")


def test_an_end_before_all_have_caught_up_is_told() -> None:
    assert "20 stations not at the end" in said(*FEW, "--until", "5min")


def test_a_plot_that_cannot_be_written(tmp_path: Path) -> None:
    said(*FEW, "--plot", str(tmp_path / "none" / "load.svg"), code=2)


@pytest.mark.parametrize(
    "wrong",
    [("--outage", "soon"), ("--outage", "0"), ("--stations", "0"), ("--loss", "1"),
     ("--windows", "8-9"), ("--at", "25:00"), ("--rows-per-hour", "0")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: tuple[str, str]) -> None:
    assert "Invalid value" in said(*FEW, *wrong, code=2)
