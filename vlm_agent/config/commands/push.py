"""Options of the command push."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.options import Options
from vlm_agent.config.values import NonEmpty, NonNegativeInt, PathText, Positional


@dataclass
class PushConfig(Options):
    """Pushes the policy of a run to the Hugging Face hub, with a model card made from the run.

    Args: Push
        run: Directory of a run, or of another saved policy; or the name of one in the package.
        name: Name on the hub, such as USER/NAME.
        private: Make a new repository private.
        revision: Branch to push to, which is created if it is missing; by default main.
        dry_run: Directory for the files, in place of pushing them; must be empty or not exist.
        value_head: Include the value head, with which PPO can continue.
        unfinished: Push a run that ended before all of its steps.

    Args: Model card
        evaluation: Files of `vlm-agent eval --json` to show; by default those in the directory of
            the run, and the result.json of a demo.
        eval_episodes: Number of episodes to evaluate the policy on now, in the run's environments.
        license: License of the weights, by its identifier on the hub, such as apache-2.0.
    """

    run: Positional[PathText]
    name: Positional[str]
    private: bool = False
    revision: str | None = None
    dry_run: PathText | None = None
    value_head: bool = False
    unfinished: bool = False
    evaluation: NonEmpty[PathText] | None = None
    eval_episodes: NonNegativeInt = 0
    license: str | None = None
