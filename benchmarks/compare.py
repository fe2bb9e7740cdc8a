"""Comparison of random, expert, CNN, and the tiny model before and after RL on all card games.

    python benchmarks/compare.py                        # all games, seed 0, in runs/compare
    python benchmarks/compare.py --seeds 0 1 --games EZPoints Blackjack
    python benchmarks/compare.py --quick                # a few steps of each, as a test

Each game's CNN is that of `python -m baselines.train`, its vision-language model that of the
configuration `GAME-tiny`, both trained from scratch on a CPU. All players of a game play the same
episodes, which none trained on; language models sample at temperature 0.2. Finished parts are
listed in `parts.jsonl` with their options and are not repeated, so that the same command continues
after an interruption. The directory also holds `evaluations.jsonl`, `table.md`, `success.png` and
`report/`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm
from transformers.utils import logging

from baselines.checkpoints import find_checkpoint
from baselines.config import PPOConfig as CNNConfig
from baselines.config import tuned
from baselines.player import SB3Player
from baselines.runs import CHECKPOINT
from baselines.training import train as train_cnn
from vlm_agent.config.files import load_config
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.json_lines import read_json_lines
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import PolicyLike, Step
from vlm_agent.evaluation.plots import save_comparison
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.evaluation.recorder import record_evaluation
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.reporting import ReportConfig, write_report
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.saving.checkpoints import CheckpointError
from vlm_agent.training.sft.trainer import resume_sft, train_sft

Trained = TypeVar("Trained", SFTConfig, PPOConfig)

# Games, with the episodes per evaluation; Blackjack's are short, and depend more on chance.
GAMES = {"NumberLine": 200, "EZPoints": 200, "Points24": 200, "Blackjack": 1000}
PLAYERS = {
    "random": "random",
    "expert": "expert",
    "cnn": "CNN, PPO",
    "sft": "VLM before RL",
    "ppo": "VLM after RL",
}
TEMPERATURE = 0.2
# Keys of records that those of `vlm-agent eval` lack.
_OWN_KEYS = ("player", "train_seed")
RECORDED = 20
QUICK: dict[str, dict[str, int]] = {
    "cnn": {"total_steps": 512, "eval_episodes": 8},
    "sft": {"samples": 64},
    "ppo": {"total_steps": 64, "num_envs": 4, "rollout_steps": 16, "minibatch_size": 32,
            "micro_batch_size": 32},
    "eval": {"episodes": 8},
}  # fmt: skip


class Comparison:
    """Comparison in a directory, with what is finished in it.

    Args:
        out: The directory.
        quick: Run only a few steps of everything.
    """

    def __init__(self, out: Path, *, quick: bool = False) -> None:
        self.out, self.quick = out, quick
        out.mkdir(parents=True, exist_ok=True)
        self._parts, self._records = out / "parts.jsonl", out / "evaluations.jsonl"
        lines = read_json_lines(self._parts) if self._parts.is_file() else ()
        self._last = {value["part"]: value for _, value in lines}

    def records(self) -> list[dict[str, Any]]:
        """Returns the newest record of every player, game and training seed."""
        if not self._records.is_file():
            return []
        lines = [value for _, value in read_json_lines(self._records)]
        return list({(v["env"], v["player"], v["train_seed"]): v for v in lines}.values())

    def run(self, game: str, seed: int) -> None:
        """Trains and evaluates all players of one game."""
        place = self.out / game / f"seed{seed}"
        env = f"gym_cards/{game}-v0"
        for player in ("random", "expert"):
            self._evaluate(player, game, None, player, {})
        cnn = CNNConfig(env=env, out=str(place / "cnn"), seed=seed, device="cpu",
                        **{**tuned(env, "ppo"), **self._changes("cnn")})  # fmt: skip
        name = f"{game}/seed{seed}"
        made = self._part(f"{name}/cnn", cnn.record(), lambda begun: _train_cnn(cnn, begun))
        self._evaluate("cnn", game, seed, str(place / "cnn"), made)
        source = f"{game.lower()}-tiny"
        sft = load_config(SFTConfig, source, "sft", out=str(place / "sft"), seed=seed,
                          overwrite=True, **self._changes("sft"))  # fmt: skip
        made = self._part(
            f"{name}/sft",
            asdict(sft),
            lambda begun: _train(sft, train_sft, resume_sft, begun),
        )
        self._evaluate("sft", game, seed, str(place / "sft"), made)
        ppo = load_config(PPOConfig, source, "ppo", model=str(place / "sft"), seed=seed,
                          out=str(place / "ppo"), overwrite=True,
                          **self._changes("ppo"))  # fmt: skip
        options = {**asdict(ppo), "from": made}
        made = self._part(
            f"{name}/ppo", options, lambda begun: _train(ppo, train_ppo, resume_ppo, begun)
        )
        self._evaluate("ppo", game, seed, str(place / "ppo"), made)

    def summarise(self, games: Sequence[str]) -> None:
        """Writes the table, the plot and the report of the results so far."""
        records = self.records()
        (self.out / "table.md").write_text(table(records, games), encoding="utf-8")
        save_comparison([_evaluation(record) for record in records], self.out / "success.png")
        title = "Random, expert, CNN, and a tiny VLM before and after RL"
        write_report(ReportConfig((str(self.out),), out=str(self.out / "report"), title=title))

    def _changes(self, kind: str) -> dict[str, Any]:
        return dict(QUICK[kind]) if self.quick else {}

    def _part(
        self, name: str, options: dict[str, Any], work: Callable[[bool], object]
    ) -> dict[str, Any]:
        """Does a part unless it was done with the same options, and returns these.

        Options of paths and display are ignored, so that a directory may be moved. The work is
        told whether it was begun with the same options before.
        """
        aside = ("out", "model", "overwrite", "progress", "record", "record_episodes")
        kept = {key: value for key, value in options.items() if key not in aside}
        kept = json.loads(json.dumps(kept))
        last = self._last.get(name, {})
        begun = last.get("options") == kept
        if begun and last["done"]:
            return kept
        print(f"--- {name}", flush=True)
        self._note(name, kept, done=False)
        start = time.perf_counter()
        work(begun)
        self._note(name, kept, done=True, seconds=round(time.perf_counter() - start, 1))
        return kept

    def _note(self, name: str, options: dict[str, Any], **how: Any) -> None:
        self._last[name] = {"part": name, **how, "options": options}
        self._append(self._parts, self._last[name])

    def _evaluate(
        self, player: str, game: str, seed: int | None, policy: str, made: dict[str, Any]
    ) -> None:
        episodes = self._changes("eval").get("episodes", GAMES[game])
        options = {"episodes": episodes, "temperature": TEMPERATURE, "from": made}
        name = game if seed is None else f"{game}/seed{seed}"

        def work(begun: bool) -> None:
            place = self.out / name
            progress = place / f"{player}.progress"
            shown = PLAYERS[player] if seed is None else f"{PLAYERS[player]}, seed {seed}"
            folder = place / "episodes" / player
            if not begun:
                shutil.rmtree(folder, ignore_errors=True)
                progress.unlink(missing_ok=True)
            place.mkdir(parents=True, exist_ok=True)
            loaded = _load(player, policy)
            env = f"gym_cards/{game}-v0"
            with (
                tqdm(total=episodes, desc=shown, unit=" episodes") as bar,
                record_evaluation(
                    folder, loaded, name=shown, env=env, env_kwargs={}, episodes=RECORDED
                ) as recorder,
            ):

                def count(step: Step) -> None:
                    if recorder is not None:
                        recorder(step)
                    bar.update(step.last)

                result = evaluate(
                    loaded,
                    env,
                    episodes=episodes,
                    num_envs=32,
                    name=shown,
                    on_step=count,
                    progress=progress,
                )
            self._append(self._records, {**result.record(), "player": player, "train_seed": seed})

        self._part(f"{name}/{player} evaluated", options, work)

    def _append(self, path: Path, record: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _train_cnn(config: CNNConfig, begun: bool) -> None:
    if begun and find_checkpoint(config.directory / CHECKPOINT) is not None:
        train_cnn(config, resume=True)
    else:
        shutil.rmtree(config.directory, ignore_errors=True)
        train_cnn(config)


def _train(
    config: Trained,
    train: Callable[[Trained], object],
    resume: Callable[[str], object],
    begun: bool,
) -> None:
    """Trains a language model, from its last checkpoint if there is one."""
    if begun:
        try:
            resume(config.out)
            return
        except (FileNotFoundError, CheckpointError) as error:
            print(f"starting from scratch: {error}", flush=True)
    train(config)


def _load(player: str, policy: str) -> PolicyLike:
    if player in ("random", "expert"):
        return player
    if player == "cnn":
        return SB3Player.load(policy, device="cpu")
    loaded = VLMPolicy.load(policy)
    loaded.generation_config = replace(loaded.generation_config, temperature=TEMPERATURE)
    return loaded


# ----- results ------------------------------------------------------------------------------------


def table(records: Sequence[dict[str, Any]], games: Sequence[str]) -> str:
    """Returns success rates with 95% intervals in Markdown: a row per game and training seed."""
    seeds = sorted({r["train_seed"] for r in records if r["train_seed"] is not None})
    lines = ["| | " + " | ".join(PLAYERS.values()) + " |", "| --- " * (len(PLAYERS) + 1) + "|"]
    for game in games:
        for seed in seeds:
            cells = [_cell(_find(records, game, player, seed)) for player in PLAYERS]
            lines.append(f"| {game}, seed {seed} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(record: dict[str, Any] | None) -> str:
    if record is None:
        return "-"
    low, high = record["success_interval"]
    return f"{record['success_rate']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def _evaluation(record: dict[str, Any]) -> Evaluation:
    known = {name: value for name, value in record.items() if name not in _OWN_KEYS}
    return Evaluation.of(known)


def _find(
    records: Sequence[dict[str, Any]], game: str, player: str, seed: int
) -> dict[str, Any] | None:
    for record in records:
        mine = record["train_seed"] in (None, seed) and record["player"] == player
        if mine and record["env"] == f"gym_cards/{game}-v0":
            return record
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is not finished, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog="The same command continues an interrupted comparison.",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/compare"))
    parser.add_argument("--games", nargs="+", default=list(GAMES), choices=list(GAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="training seeds")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--quick", action="store_true", help="a few steps of everything")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    comparison = Comparison(options.out, quick=options.quick)
    try:
        for seed in options.seeds:
            for game in options.games:
                comparison.run(game, seed)
    except KeyboardInterrupt:
        print("\ninterrupted: the same command continues", file=sys.stderr)
        return 130
    comparison.summarise(options.games)
    print((options.out / "table.md").read_text(encoding="utf-8"), end="")
    print(f"saved in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
