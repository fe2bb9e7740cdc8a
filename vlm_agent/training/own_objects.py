"""Environments, policies and prompts that Python gives to a training where names do not do.

A run is saved with their names, which begin with `own:`: resuming it asks for the objects again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training.environments import EnvSpec, env_specs, own_name
from vlm_agent.core.checks import check_kind, check_path
from vlm_agent.core.environments import OWN, EnvFactories, EnvFactory, env_list
from vlm_agent.core.prompt_builder import (
    PromptBuilder,
    PromptSource,
    is_registered,
    register_prompt,
    resolve_prompt,
)
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.training_state import load_training_state
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.saving.checkpoint_manager import Saved

Config = TypeVar("Config", bound=SFTConfig | PPOConfig)
OwnEnv = EnvFactories
OwnPrompt = PromptSource | PromptBuilder


@dataclass(frozen=True)
class OwnObjects:
    """What Python gave to a training; `None` where the configuration's names do.

    Attributes:
        policy: The policy to train.
        env: A function that makes the environment, or an id; or several of them.
        prompt: A prompt, as `PromptOptions.prompt`, but also any function; or a builder.
    """

    policy: VLMPolicy | None = None
    env: OwnEnv | None = None
    prompt: OwnPrompt | None = None

    def named(self, config: Config, kind: type[Config]) -> Config:
        """Returns the configuration of a new run, with the names of these objects.

        Args:
            config: The configuration.
            kind: Its class.

        Raises:
            ValueError: If an object cannot be used in such a run, or something is given nowhere.
        """
        expected = f"a {kind.__name__}, such as load_config({kind.__name__}, 'numberline', ...)"
        check_kind("config", config, kind, expected)
        names: dict[str, Any] = {}
        if self.env is not None:
            found = [own_name(each) if callable(each) else each for each in self._envs()]
            names["env"] = found[0] if len(found) == 1 else tuple(found)
        if self.prompt is not None:
            names.update(_named_prompt(self.prompt))
        if self.policy is not None:
            loaded = "a VLMPolicy, as VLMPolicy.load(..., options=config) returns"
            check_kind("policy", self.policy, VLMPolicy, f"{loaded}; a name is the option `model`")
            _check_trained(self.policy, config)
            if not _loads_alike(self.policy, config):
                names["model"] = own_name(self.policy)
            elif not config.model or config.model == "tiny":
                name = str(self.policy.network.name_or_path)
                names["model"] = name or type(self.policy).__name__
        config = replace(config, **names)
        if isinstance(config, SFTConfig):
            config.check_source()
        else:
            for name in ("env", "model", "out"):
                if not getattr(config, name):
                    own = {"env": " or env=", "model": " or policy="}.get(name, "")
                    raise ValueError(f"{name}='' in the configuration: give a name{own}")
        return config

    def again(self, config: SFTConfig | PPOConfig) -> None:
        """Checks that these are all objects that a saved run needs, and makes its prompt known.

        Raises:
            ValueError: If one is missing or of another name, or one is given that it does not need.
        """
        saved = env_specs(config.env, {})
        own = [spec.name for spec in saved if spec.name.startswith(OWN)]
        found = [own_name(each) if callable(each) else each for each in self._envs()]
        if (own or self.env is not None) and found != [spec.name for spec in saved]:
            raise _different("env", "the environment", [spec.name for spec in saved], found)
        prompt = str(config.prompt or "")
        if prompt.startswith(OWN):
            if callable(self.prompt):
                register_prompt(prompt, self.prompt, replace=True)
            if not is_registered(prompt):
                raise _different("prompt", "the prompt", [prompt], [])
        elif self.prompt is not None and _named_prompt(self.prompt)["prompt"] != config.prompt:
            raise ValueError(
                f"the run was trained with prompt={prompt!r:.80}, which is saved with it: leave "
                "out prompt="
            )
        if config.model.startswith(OWN) and self.policy is None:
            raise _different("policy", "the policy", [config.model], [])

    def specs(self, config: SFTConfig | PPOConfig) -> tuple[EnvSpec, ...]:
        """Returns the environments of a run: those that were given, in the place of their names."""
        specs = env_specs(config.env, config.env_kwargs, config.env_weights)
        if self.env is None:
            return specs
        given = zip(specs, self._envs(), strict=True)
        return tuple(replace(spec, env=env) for spec, env in given)

    def _envs(self) -> list[str | EnvFactory]:
        return [] if self.env is None else env_list(self.env)


def _named_prompt(prompt: OwnPrompt) -> dict[str, str]:
    """Returns the options of a prompt; one without a name to import it by is registered."""
    if isinstance(prompt, PromptBuilder):
        return {"prompt": prompt.prompt, "system_prompt": prompt.system_prompt}
    if not callable(prompt):
        check_path("prompt", prompt, "a template, the name of a file or function, or a function")
    try:
        return {"prompt": resolve_prompt(prompt)}
    except ValueError:
        if not callable(prompt):
            raise
        return {"prompt": register_prompt(own_name(prompt), prompt)}


def restored_policy(
    saved: Saved[Any], own: VLMPolicy | None, processes: Processes | None
) -> VLMPolicy:
    """Returns the policy of a checkpoint: a new one, or one that was given, with its weights."""
    if own is None:
        return saved.policy(processes)
    policy = saved.policy()
    own.model.load_state_dict(policy.model.state_dict())
    own.value_head = policy.value_head
    own.generation_config = policy.generation_config
    load_training_state(own, saved.state["policy"])
    return own


def _different(parameter: str, what: str, saved: Sequence[str], given: Sequence[str]) -> ValueError:
    found = f", and {', '.join(given)} was given" if given else ""
    return ValueError(
        f"the run was trained with {what} {', '.join(saved)}{found}: give what it was trained "
        f"with, by resuming it in Python with {parameter}="
    )


def _check_trained(policy: VLMPolicy, config: ModelOptions) -> None:
    """Checks that a policy is trained as the options say.

    Raises:
        ValueError: If it has no adapter and the options ask for one, the other way round, or if
            trained weights have too few bits.
    """
    if policy.has_adapter != config.lora:
        raise ValueError(
            f"lora={config.lora}, and the policy {'has an' if policy.has_adapter else 'has no'} "
            "adapter: give the option that fits it, or load it with "
            "VLMPolicy.load(..., options=config)"
        )
    trained = [each for each in policy.model.parameters() if each.requires_grad]
    formats = sorted({str(each.dtype) for each in trained} - {"torch.float32"})
    if not trained or formats:
        raise ValueError(
            f"the policy's trained weights are {', '.join(formats) or 'none'}: expected float32, "
            "as VLMPolicy.load(..., options=config) gives them"
        )


def _loads_alike(policy: VLMPolicy, config: ModelOptions) -> bool:
    """Returns whether `VLMPolicy.load` makes a policy from a checkpoint that is trained alike."""
    return type(policy) is VLMPolicy and all(
        each.requires_grad == (not config.lora or ".lora_" in name)
        for name, each in policy.model.named_parameters()
    )
