import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest

from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.options import Options, description_of, options_of
from vlm_agent.config.values import JsonObject, NonEmpty, Positional, PositiveFloat, PositiveInt


@dataclass(kw_only=True)
class Loading(Options):
    """Loads something.

    Args: Model
        dtype: Data type; auto is
            that of the weights.
    """

    dtype: Literal["auto", "float32"] = "auto"


@dataclass
class Training(Loading):
    """Trains something.

    In two paragraphs.

    Args: Run
        out: Where it goes.

    Args: Model
        model: What it starts from, 100 % of it.

    Args: Loss
        rate: Learning rate.
        steps: Number of steps.
        parts: Parts to train.
        cot: Reason first.
        extra: More of it.

    Raises:
        ValueError: Never.
    """

    out: Positional[str]
    model: str
    rate: PositiveFloat | None = None
    steps: PositiveInt = 10
    parts: NonEmpty[str] = ("a", "b")
    cot: bool = True
    extra: JsonObject = field(default_factory=dict)


def parse(*words):
    parser = OptionParser(Training, "program")
    options, own = parser.parse(words)
    assert own == {}
    return options


def test_the_docstring_says_what_help_shows():
    assert description_of(Training) == "Trains something.\n\nIn two paragraphs."
    options = {option.name: option for option in options_of(Training)}
    assert {name: option.group for name, option in options.items()} == {
        "out": "Run",
        "model": "Model",
        "dtype": "Model",
        "rate": "Loss",
        "steps": "Loss",
        "parts": "Loss",
        "cot": "Loss",
        "extra": "Loss",
    }
    assert list(options)[:3] == ["out", "model", "dtype"], "inherited options follow in their group"
    assert options["dtype"].help == "Data type; auto is that of the weights."
    assert options["out"].is_positional
    assert options["model"].is_required
    assert options["extra"].default == {}


def test_options_without_documentation_are_still_options(monkeypatch):
    monkeypatch.setattr(Training, "__doc__", None)
    monkeypatch.setattr(Loading, "__doc__", None)
    assert len(options_of(Training)) == len(dataclasses.fields(Training))
    assert parse("o", "--steps", "3") == {"out": "o", "steps": 3}


def test_values_are_checked_and_converted_in_python_too():
    config = Training("out", "m", rate=1, parts=["a"])
    assert (config.rate, config.parts) == (1.0, ("a",))
    assert isinstance(config.rate, float)
    for changes, message in (
        ({"steps": 0}, "steps=0: expected at least 1"),
        ({"steps": "many"}, "steps='many': expected a whole number"),
        ({"dtype": "int8"}, "dtype='int8': expected one of 'auto', 'float32'"),
        ({"cot": 1}, "cot=1: expected true or false"),
    ):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            Training("out", "m", **changes)
        assert str(caught.value) == message


def test_only_given_options_are_parsed():
    assert parse() == {}
    assert parse("x", "--no-cot", "--rate", "1e-3", "--parts", "a", "--parts", "c", "d") == {
        "out": "x",
        "cot": False,
        "rate": 1e-3,
        "parts": ("a", "c", "d"),
    }
    assert parse("--rate=None", '--extra={"a": 1}', "--steps=7") == {
        "rate": None,
        "extra": {"a": 1},
        "steps": 7,
    }


def test_the_rest_are_the_defaults():
    parser = OptionParser(Training, "program")
    assert parser.build({"out": "x", "model": "m"}) == Training("x", "m")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stpes", "3"], "unknown option --stpes (did you mean '--steps'?)"),
        (["--steps=3", "--no-cott"], "unknown option --no-cott (did you mean '--no-cot'?)"),
        (["--ste", "3"], "unknown option --ste (did you mean '--steps'?)"),
        (["a", "b"], "unexpected argument 'b'"),
        (["--steps", "many"], "steps='many': expected a whole number"),
        (["--steps", "0"], "steps=0: expected at least 1"),
        (["--steps"], "argument --steps: expected one argument"),
        (["--dtype", "int8"], "dtype='int8': expected one of 'auto', 'float32'"),
        (["--parts"], "parts=(): expected at least one"),
        (["--extra", "x"], "extra='x' is not JSON"),
    ],
)
def test_a_mistake_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(*words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"program: {message}")
    assert error.endswith("; `program --help` lists the options\n")
    assert error.count("\n") == 1


def test_missing_options_are_all_named(capsys):
    parser = OptionParser(Training, "program")
    with pytest.raises(SystemExit):
        parser.build({"steps": 3})
    assert "program: missing OUT, --model;" in capsys.readouterr().err


def test_help_is_grouped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = OptionParser(Training, "program")
    parser.add("Run", "--resume", help="Continue.")
    with pytest.raises(SystemExit) as stopped:
        parser.parse(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: program OUT --model MODEL [options]\n\nTrains something.\n\nIn")
    titles = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["Run:", "Model:", "Loss:", "Help:"]
    run = text[text.index("Run:") : text.index("Model:")]
    assert "OUT" in run
    assert "--resume" in run
    assert "What it starts from, 100 % of it. (required)" in text
    assert "(default: a b)" in text
    assert "(default: on)" in text
    assert "{auto,float32}" in text
    assert max(map(len, text.splitlines())) <= 80


def test_options_of_the_command_are_apart():
    parser = OptionParser(Training, "program")
    parser.add("Run", "--config", action="append")
    assert parser.parse(["--config", "a", "--steps", "3", "--config=b"]) == (
        {"steps": 3},
        {"config": ["a", "b"]},
    )
