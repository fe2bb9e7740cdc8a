"""The commands of `vlm-agent` other than training: each parses its options and prints its result.

What needs torch is imported after the options are parsed, so that help and mistakes come at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.commands import (
    BenchmarkConfig,
    DemoConfig,
    ExportConfig,
    MergeConfig,
    PlayConfig,
    PullConfig,
    PushConfig,
    ReportConfig,
    ServeConfig,
    ShowConfig,
)
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.model import quiet_transformers
from vlm_agent.config.options import Options

Config = TypeVar("Config", bound=Options)


def merge(words: Sequence[str]) -> None:
    """Merges an adapter into its model."""
    config = _parse(MergeConfig, "merge", words)
    quiet_transformers()
    from vlm_agent.engines.merging import merge

    merge(config)
    print(f"saved in {config.out}")


def push(words: Sequence[str]) -> None:
    """Pushes a policy to the hub."""
    config = _parse(PushConfig, "push", words)
    from vlm_agent.reporting.hub import push

    place = push(config)
    print(f"saved in {place}: look at README.md" if config.dry_run else f"pushed to {place}")


def pull(words: Sequence[str]) -> None:
    """Downloads a policy from the hub."""
    config = _parse(PullConfig, "pull", words)
    from vlm_agent.reporting.hub import pull

    print(f"saved in {pull(config)}")


def demo(words: Sequence[str]) -> None:
    """Runs the demo."""
    config = _parse(DemoConfig, "demo", words)
    quiet_transformers()
    from vlm_agent.cli.demo import run_demo
    from vlm_agent.evaluation.tables import text_table

    result = run_demo(config)
    print(text_table([result.before, result.after]))
    print(
        f"\n{config.out} holds the learning curve (success.png), episodes as pictures, "
        f"both policies\n(sft, ppo) and the evaluations (result.json). Next:\n"
        f"  vlm-agent report {config.out}/ppo           # a page with every recorded step\n"
        f"  vlm-agent play --policy {config.out}/ppo    # watch the policy play; needs pygame\n"
        "  vlm-agent ppo --help                     # all options of training\n"
        "docs/start/your-model-and-environment.md shows the same with your own."
    )


def eval_(words: Sequence[str]) -> None:
    """Evaluates policies."""
    config = _parse(EvalConfig, "eval", words)
    from vlm_agent.cli.eval_command import run_eval

    run_eval(config)


def benchmark(words: Sequence[str]) -> None:
    """Plays a benchmark."""
    config = _parse(BenchmarkConfig, "benchmark", words)
    from vlm_agent.cli.benchmark import run

    run(config)


def serve(words: Sequence[str]) -> None:
    """Serves a policy until it is interrupted."""
    config = _parse(ServeConfig, "serve", words)
    quiet_transformers()
    import threading

    from vlm_agent.models.places import check_name
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.serving.server import serving

    check_name(config.policy)
    policy = VLMPolicy.load(config.policy, options=config)
    name = str(config.name)
    with serving(policy, name, port=config.port, batch_size=config.batch_size) as url:
        print(f"{name} is served at {url} until Ctrl-C; in another terminal, for example:")
        print(f"  vlm-agent eval --policy api:{name} --api-base-url {url} --env ID", flush=True)
        threading.Event().wait()


def report(words: Sequence[str]) -> None:
    """Writes a report."""
    config = _parse(ReportConfig, "report", words)
    from vlm_agent.reporting import write_report

    path = write_report(config)
    print(f"saved {path}, {path.stat().st_size / 2**20:.1f} MiB")


def export(words: Sequence[str]) -> None:
    """Exports recorded episodes."""
    config = _parse(ExportConfig, "export", words)
    from vlm_agent.data.export import export_episodes

    print(f"saved {export_episodes(config)} samples in {config.out}")


def play(words: Sequence[str]) -> None:
    """Opens a window in which a policy plays."""
    config = _parse(PlayConfig, "play", words)
    from vlm_agent.cli.players import player_of
    from vlm_agent.core.environments import make_env
    from vlm_agent.evaluation.players import resolve_policy
    from vlm_agent.reporting.viewer import watch

    player = player_of(config.policy, config)
    make_env(str(config.env), **config.env_kwargs).close()
    watch(config, resolve_policy(player))


def show(words: Sequence[str]) -> None:
    """Shows the prompt and picture that a model gets."""
    config = _parse(ShowConfig, "show", words)
    from vlm_agent.cli.show import show

    show(config)


def _parse(kind: type[Config], command: str, words: Sequence[str]) -> Config:
    parser = OptionParser(kind, f"vlm-agent {command}")
    options, _ = parser.parse(words)
    return parser.build(options)
