"""The results: what is run, that it is run once, and what the page makes of the records."""

import json
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from baselines.train import parse as parse_baseline
from benchmarks.results import __main__ as command
from benchmarks.results import agreement, experiments, page, records, runner, tables
from benchmarks.results.jobs import Job, by_name
from vlm_agent.cli.train import parse_training
from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.training.ppo_config import PPOConfig

JOBS = by_name(experiments.all_jobs())
NUMBER_LINE = "gym_cards/NumberLine-v0"


@pytest.mark.parametrize("name", [name for name in JOBS if name.split("/")[-1][0] in "0re"])
def test_every_command_is_one_that_the_programs_take(name, tmp_path, capsys):
    words = JOBS[name].command(tmp_path, JOBS)
    if words[:3] == ["python", "-m", "baselines.train"]:
        parse_baseline(words[3:])
    elif words[:2] == ["vlm-agent", "eval"]:
        parser = OptionParser(EvalConfig, "vlm-agent eval")
        parser.build(parser.parse(words[2:])[0])
    else:
        kind = {"sft": SFTConfig, "ppo": PPOConfig}[words[1]]
        assert isinstance(parse_training(kind, words[1], words[2:]), kind)
    assert not any("@" in word for word in words)


def test_a_fingerprint_is_that_of_all_that_a_job_depends_on(monkeypatch):
    name = "NumberLine/lambda-0.3/1-evaluated"
    before = JOBS[name].fingerprint(JOBS)
    assert by_name(experiments.all_jobs())[name].fingerprint(JOBS) == before
    start = JOBS["NumberLine/sft/1"]
    changed = {**JOBS, start.name: replace(start, words=(*start.words, "--samples", "9"))}
    assert JOBS[name].fingerprint(changed) != before
    monkeypatch.setattr("benchmarks.results.jobs.read_options", lambda *_: {"epochs": 7})
    changed = by_name(experiments.all_jobs())
    assert changed[name].fingerprint(changed) != before


def test_a_fingerprint_is_that_of_the_prompt_too(tmp_path, monkeypatch):
    name = "NumberLine/smollm2/ppo/0"
    before = JOBS[name].fingerprint(JOBS)
    (prompt,) = (word for word in JOBS["NumberLine/smollm2/sft/0"].words if ".jinja" in word)
    place = tmp_path / prompt
    place.parent.mkdir(parents=True)
    place.write_text("{{ task }}?")
    monkeypatch.setattr("benchmarks.results.jobs.ROOT", tmp_path)
    changed = by_name(experiments.all_jobs())
    assert changed[name].fingerprint(changed) != before


def test_words_name_places_of_jobs(tmp_path):
    name = "EZPoints/cnn/1"
    evaluated = JOBS[f"{name}-evaluated"]
    assert evaluated.needs == (name,)
    words = evaluated.command(tmp_path, JOBS)
    assert words[words.index("--policy") + 1] == f"sb3:{tmp_path / name}"
    assert words[words.index("--json") + 1] == str(tmp_path / f"{name}-evaluated.json")


def test_a_job_needs_one_before_it():
    with pytest.raises(ValueError, match=r"b needs \['a'\]"):
        by_name([Job("b", ("vlm-agent", "eval", "--policy", "@a"), "games")])


PLAYED = ("vlm-agent", "eval", "--episodes", "4", "--env")
RANDOM = Job("random", (*PLAYED, NUMBER_LINE, "--policy", "random", "--json", "@"), "games")


def listed(monkeypatch, *jobs):
    monkeypatch.setattr(command, "all_jobs", lambda seeds: jobs)


def states(out, capfd):
    capfd.readouterr()
    command.main(["list", "--out", str(out)])
    return [line[:4].strip() for line in capfd.readouterr().out.splitlines()]


def test_jobs_are_run_once_and_recorded(tmp_path, capfd, monkeypatch):
    wrong = Job("wrong", (*PLAYED, "A", "--policy", "random", "--json", "@"), "games")
    after = Job("after", (*PLAYED, NUMBER_LINE, "--policy", "@wrong", "--json", "@"), "games")
    listed(monkeypatch, RANDOM, wrong, after)
    out = tmp_path / "out"
    assert command.main(["run", "--out", str(out), "--jobs", "2"]) == 1
    shown = capfd.readouterr()
    assert "wrong ended with status" in shown.err
    assert "no environment 'A'" in shown.err
    assert "/3 random: " in shown.out
    assert "after" not in shown.out
    found = records.Records(out / "records.jsonl")
    assert list(found.by_name) == ["random"]
    assert found.seeds("random").evaluations[0]["episodes"] == 4
    assert found.command("random").endswith("--policy random --json runs/results/random.json")
    assert states(out, capfd) == ["done", "", ""]

    ran = []
    monkeypatch.setattr(runner.Runner, "_run", lambda self, job: ran.append(job.name))
    command.main(["run", "--out", str(out)])
    assert ran == ["wrong"]  # and not what needs it
    listed(monkeypatch, replace(RANDOM, words=(*RANDOM.words, "--seed", "1")))
    assert states(out, capfd) == [""]


@pytest.mark.slow
def test_an_interrupted_training_is_resumed(tmp_path, capfd, monkeypatch):
    words = ("vlm-agent", "sft", "--model", "tiny", "--env", NUMBER_LINE, "--out", "@")
    options = ("--samples", "640", "--checkpoint-every", "1")
    trained = Job("sft/0", (*words, *options), "games")
    played = (*PLAYED, NUMBER_LINE, "--policy", "@sft/0", "--json", "@")
    listed(monkeypatch, trained, Job("sft/0-evaluated", played, "games"))
    out = tmp_path / "out"

    def interrupt(*_, **__):
        """Waits for a checkpoint, and is then the user."""
        while not list((out / "sft/0").glob("checkpoints/step-*")):
            time.sleep(0.1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "wait", interrupt)
        assert command.main(["run", "--out", str(out)]) == 130
    assert states(out, capfd) == ["", ""]
    ran, words_of = [], runner.Runner._words

    def noted(self, job, *, resumed):
        ran.append(words_of(self, job, resumed=resumed))
        return ran[-1]

    monkeypatch.setattr(runner.Runner, "_words", noted)
    assert command.main(["run", "--out", str(out)]) == 0
    assert states(out, capfd) == ["done", "done"]
    assert ran[0] == ["-m", "vlm_agent", "sft", "--resume", str(out / "sft/0")]
    assert "--resume" not in records.Records(out / "records.jsonl").command("sft/0")
    assert "sft: 100%" in (out / "sft/0.log").read_text()


def evaluation(rate, episodes=1000):
    return {"success_rate": rate, "episodes": episodes, "perception": 1.0, "illegal_rate": 0.0,
            "mean_return": 0.5}  # fmt: skip


def test_tables_show_means_and_ranges_over_seeds(tmp_path):
    rates = {"sft": (0.2, 0.3, 0.25), "ppo": (0.9, 1.0, 0.95)}
    rows = [
        {"name": f"EZPoints/{kind}/{seed}-evaluated", "seconds": 60.0 * seed, "command": "c",
         "evaluation": evaluation(rate)}
        for kind, each in rates.items() for seed, rate in enumerate(each)
    ]  # fmt: skip
    rows.append({"name": "EZPoints/random", "seconds": 1, "evaluation": evaluation(0.5, 4)})
    for kind, rate in (("start", 0.3), ("sft", 0.7), ("ppo", 0.5)):
        name = f"Points24/{kind}/0-evaluated"
        rows.append({"name": name, "seconds": 1, "command": "c", "evaluation": evaluation(rate)})
    path = tmp_path / "records.jsonl"
    records.write(rows, path)
    found = records.Records(path)
    lines = tables.games(found).splitlines()
    assert lines[3] == "| random | – | 50.0 [15.0, 85.0] | – | – |"
    # Reinforcement learning of Points24 starts from fewer demonstrations than fine-tuning can use.
    shown = [line.split(" | ")[2:4] for line in lines[6:10]]
    assert shown == [
        ["25.0 (20.0 to 30.0)", "30.0 [27.2, 32.9]"],
        ["95.0 (90.0 to 100.0)", "50.0 [46.9, 53.1]"],
        ["+70.0 (+70.0 to +70.0)", "+20.0 (+20.0 to +20.0)"],
        ["–", "70.0 [67.1, 72.8]"],
    ]


def test_variants_that_were_not_run_are_left_out(tmp_path):
    path = tmp_path / "records.jsonl"
    names = ("EZPoints/expert", "EZPoints/ppo/0-evaluated", "EZPoints/red-suits/ppo/0")
    records.write([{"name": name, "evaluation": evaluation(0.5, 4)} for name in names], path)
    assert tables.generalisation(records.Records(path)).splitlines()[2:] == [
        "| EZPoints | as trained | – | 50.0 [15.0, 85.0] | – | 50.0 [15.0, 85.0] |",
        "|  | red suits | – | – | – | 50.0 [15.0, 85.0] |",
    ]


def test_the_household_is_shown_by_type_of_task(tmp_path):
    def played(split, kind, *rates):
        name = f"ALFWorld/{split}/{kind}"
        by_type = {"pick": {"success_rate": rates[0], "episodes": 3}}
        shown = {**evaluation(rates[-1], 4), "by_task_type": by_type}
        shown["unaided_success_rate"] = 0.25
        return {"name": name, "evaluation": shown}

    path = tmp_path / "records.jsonl"
    seen = played("valid_seen", "random", 0.25, 0.25)
    trained = [played("valid_unseen", f"ppo/{seed}", 0.4 + seed / 5, 0.5) for seed in range(2)]
    records.write([seen, *trained], path)
    assert tables.household(records.Records(path)).splitlines()[2:] == [
        "| `pick` | 3 | – | – | – | 50.0 (40.0 to 60.0) |",
        "| all of `valid_unseen` | 4 | – | – | – | 50.0 (50.0 to 50.0) |",
        "| without a random command |  | – | – | – | 25.0 (25.0 to 25.0) |",
        "| replies without action |  | – | – | – | 0.0% |",
        "| all of `valid_seen` | 4 | 25.0 [4.6, 69.9] | – | – | – |",
        "| without a random command |  | 25.0 [4.6, 69.9] | – | – | – |",
        "| replies without action |  | 0.0% | – | – | – |",
    ]


def test_parsers_are_compared_where_replies_fail(tmp_path):
    path = tmp_path / "records.jsonl"
    records.write(
        [
            {"name": f"NumberLine/hot/published-before/{seed}",
             "evaluation": {**evaluation(rate, 10), "unaided_success_rate": rate - 0.25}}
            for seed, rate in enumerate((0.25, 0.75))
        ],
        path,
    )  # fmt: skip
    assert tables.parsers(records.Records(path)).splitlines()[2:] == [
        "| json, before RL | – | – | – | – |",
        "| json, after | – | – | – | – |",
        "| published, before RL | 0.0% | 100.0% | 50.0 (25.0 to 75.0) | 25.0 (0.0 to 50.0) |",
        "| published, after | – | – | – | – |",
    ]


def test_hands_that_were_never_demonstrated_stand_beside_those_that_were(tmp_path):
    path = tmp_path / "records.jsonl"
    records.write(
        [
            {"name": "Points24/hands-train/plan/0", "evaluation": evaluation(0.9, 10)},
            *(
                {"name": f"Points24/hands-test/search/{seed}", "evaluation": evaluation(rate, 10)}
                for seed, rate in enumerate((0.4, 0.6))
            ),
        ],
        path,
    )
    assert tables.hands(records.Records(path)).splitlines()[2:] == [
        "| a plan | 90.0 [59.6, 98.2] | – |",
        "| a search | – | 50.0 (40.0 to 60.0) |",
    ]


def test_a_pretrained_model_is_shown_before_and_after(tmp_path):
    path = tmp_path / "records.jsonl"
    before = {"name": "NumberLine/smollm2/sft/0-evaluated", "evaluation": evaluation(0.5, 200)}
    records.write([before, {"name": "NumberLine/smollm2/sft/0", "seconds": 90.0}], path)
    assert tables.pretrained(records.Records(path)).splitlines()[2:] == [
        "| after fine-tuning | 50.0 [43.1, 56.9] | 100.0% | 0.0% | 2 |",
        "| after RL | – | – | – | – |",
    ]


def test_curves_are_thinned_and_keep_their_end(tmp_path):
    rows = [{"step": step, "rollout/success_rate": step / 1000} for step in range(1, 251)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = records.curve(tmp_path)
    assert len(found["step"]) <= 100
    assert found["step"][-1] == 250
    assert found["rollout/success_rate"][-1] == 0.25


def test_records_of_a_new_run_replace_old_ones(tmp_path):
    path = tmp_path / "records.jsonl"
    records.write([{"name": "a", "seconds": 1}, {"name": "b", "seconds": 2}], path)
    merged = records.merge(path, [{"name": "b", "seconds": 3}])
    assert merged == [{"name": "a", "seconds": 1}, {"name": "b", "seconds": 3}]


def test_the_page_is_that_of_the_records():
    found = records.Records(command.RECORDS)
    assert (command.ROOT / "docs" / "results.md").read_text(encoding="utf-8") == page.text(found)
    readme = (command.ROOT / "README.md").read_text(encoding="utf-8")
    assert page.with_rows(readme, found) == readme


def test_the_readme_gets_rows_in_its_first_table(tmp_path):
    path = tmp_path / "records.jsonl"
    played = {
        "EZPoints/expert": (0.5, 10),
        "ALFWorld/valid_seen/random": (0.5, 30),
        "ALFWorld/valid_unseen/random": (0.25, 10),
        "ALFWorld/valid_seen/sft/0": (1, 30),
    }
    records.write(
        [{"name": name, "evaluation": evaluation(*each)} for name, each in played.items()], path
    )  # fmt: skip
    models = ("small VLM before RL", "small VLM after RL", "small VLM, demonstrations alone")
    names = ("random player", "CNN, trained by PPO", *models)
    readme = "".join(
        f"| {name} | 1 | 2 | 3 | 4 | 5 | 6 |\n" for name in (*names, "expert", "expert")
    )
    lines = page.with_rows(readme, records.Records(path)).splitlines()
    assert lines[0] == "| random player | – | – | – | – | 43.8% | 6 |"
    assert lines[2] == "| small VLM before RL | – | – | – | – | – | 6 |"
    assert lines[5] == "| expert | – | 50.0% | – | – | – | 6 |"
    assert lines[6] == "| expert | 1 | 2 | 3 | 4 | 5 | 6 |"
    with pytest.raises(ValueError, match="no row 'random player'"):
        page.with_rows("", records.Records(path))


def test_a_rerun_agrees_if_its_interval_reaches_what_another_seed_may_be(tmp_path, capsys):
    jobs = [JOBS["EZPoints/ppo/0-evaluated"], JOBS["EZPoints/ppo/0"], JOBS["EZPoints/expert"]]
    found = {}
    several = [(0, 0.80), (1, 0.84), (2, 0.88)]
    files = {"kept": several, "one": several[:1], "near": [(0, 0.66)], "far": [(0, 0.60)]}
    for file, rows in files.items():
        path = tmp_path / file
        records.write(
            [{"name": f"EZPoints/ppo/{seed}-evaluated", "evaluation": evaluation(rate)}
             for seed, rate in rows], path,
        )  # fmt: skip
        found[file] = records.Records(path)
    # By hand: mean 0.84, deviation 0.04, and 4.30 · 0.04 · √(4/3) = 0.199.
    low, high = agreement.expected(found["kept"].seeds("EZPoints/ppo/*-evaluated"))
    assert (low, high) == (pytest.approx(0.641, abs=1e-3), 1.0)
    # 600 of 1000 is [57.0, 63.0] by Wilson, and 800 is [77.4, 82.4].
    assert agreement.disagreements(found["near"], found["kept"], jobs) == []
    assert "1 compared, 0 disagree; 1 not run, or not on the page" in capsys.readouterr().out
    assert agreement.disagreements(found["far"], found["kept"], jobs) == [jobs[0].name]
    assert "60.0%   page: 84.0%, another seed 64.1% to 100.0%  DIS" in capsys.readouterr().out
    assert agreement.disagreements(found["near"], found["one"], jobs) == [jobs[0].name]
    with pytest.raises(ValueError, match="nothing to compare"):
        agreement.disagreements(found["near"], found["kept"], [JOBS["EZPoints/random"]])


def test_check_ends_with_a_status(tmp_path, monkeypatch, capsys):
    rows = [{"name": "EZPoints/expert", "evaluation": evaluation(1.0)}]
    monkeypatch.setattr(command, "RECORDS", tmp_path / "kept.jsonl")
    records.write(rows, command.RECORDS)
    out = tmp_path / "out"
    check = ["check", "--out", str(out)]
    assert command.main(check) == 2
    assert "nothing to compare" in capsys.readouterr().err
    records.write(rows, out / "records.jsonl")
    assert command.main(check) == 0
    records.write([{**rows[0], "evaluation": evaluation(0.5)}], out / "records.jsonl")
    assert command.main(check) == 1


def test_what_another_command_left_is_not_resumed(tmp_path):
    finished = runner.Finished(tmp_path)
    before = Job("a/sft/0", ("vlm-agent", "sft", "--out", "@", "--seed", "0"), "games")
    finished.began(before, {before.name: before})
    (tmp_path / "a/sft/0/checkpoints").mkdir(parents=True)
    finished.add_seconds(before, 1.0, done=True)
    changed = replace(before, words=(*before.words[:-1], "1"))
    jobs = {changed.name: changed}
    assert not finished.began(changed, jobs)
    assert not changed.place(tmp_path).exists()
    changed.place(tmp_path).mkdir()
    assert finished.began(changed, jobs)  # interrupted
    assert changed.place(tmp_path).exists()


def test_records_are_those_of_the_commands_of_today():
    """A changed recipe or command makes its records out of date: run it again."""
    found = records.Records(command.RECORDS)
    for name, record in found.by_name.items():
        assert name in JOBS
        assert record["fingerprint"] == JOBS[name].fingerprint(JOBS), name


def test_the_page_has_the_sections_that_were_run(tmp_path):
    path = tmp_path / "records.jsonl"
    rows = [{"name": "EZPoints/expert", "evaluation": evaluation(1.0), "machine": {
        "machine": "x86_64", "cores": 2, "system": "Linux"}}]  # fmt: skip
    records.write(rows, path)
    short = page.text(records.Records(path))
    assert "| expert | – | 100.0 [99.6, 100.0] | – | – |" in short
    assert "## λ" not in short
    rows.append({**rows[0], "name": "NumberLine/lambda-0.1/0-evaluated"})
    records.write(rows, path)
    longer = page.text(records.Records(path))
    assert "## λ" in longer
    assert "## Chain of thought" not in longer
    assert "{{" not in longer


def test_variants_are_compared_with_the_seeds_that_played_them(tmp_path):
    path = tmp_path / "records.jsonl"
    played = {
        **{f"EZPoints/ppo/{seed}-evaluated": (rate, 10) for seed, rate in enumerate((0.2, 0.4, 1))},
        "EZPoints/red-suits/ppo/1": (0.3, 10),
    }
    records.write(
        [{"name": name, "evaluation": evaluation(*each)} for name, each in played.items()], path
    )  # fmt: skip
    found = records.Records(path)
    assert found.seeds("EZPoints/ppo/*-evaluated", {1, 2}).ids == (1, 2)
    assert found.seeds("EZPoints/ppo/*-evaluated", {3}) is None
    rows = [line.split(" | ") for line in tables.generalisation(found).splitlines()]
    assert [row[5].split()[0] for row in rows[2:]] == ["40.0", "30.0"]


def test_without_thoughts_a_start_has_fewer_demonstrations_too():
    words = {kind: JOBS[f"Points24/no-cot/{kind}/0"].words for kind in ("sft", "start")}
    for kind, captions, replies in (("sft", None, "132000"), ("start", "4800", "81400")):
        options = dict(pairwise(words[kind]))
        assert options["--samples"] == replies
        assert options["--reasoning-samples"] == "0"
        assert options.get("--caption-samples") == captions
    assert JOBS["Points24/no-cot/ppo/0"].needs == ("Points24/no-cot/start/0",)


def test_a_loss_over_tokens_has_the_kl_weight_of_its_algorithm():
    for game, method, weight in (
        ("EZPoints", "grpo", "0.04"),
        ("Blackjack", "gigpo", "0.01"),
        ("Blackjack", "gtr", None),
        ("NumberLine", "grpo", None),  # whose recipe leaves it to the algorithm
    ):
        words = JOBS[f"{game}/{method}/0"].words
        assert dict(pairwise(words)).get("--kl-coef") == weight
