"""GRPO on NumberLine with TRL 1.16: `python examples/trl_grpo.py`.

Not run here in this size, which needs a GPU: the tests run the same trainer on a tiny model.
"""

from trl import GRPOConfig, GRPOTrainer

from vlm_agent.integrations.trl import environment_factory, episodes

if __name__ == "__main__":
    trainer = GRPOTrainer(
        model="Qwen/Qwen3-VL-2B-Instruct",
        args=GRPOConfig(
            output_dir="runs/trl",
            num_generations=8,
            max_completion_length=2048,
            max_tool_calling_iterations=10,
        ),
        train_dataset=episodes(1000),
        environment_factory=environment_factory("gym_cards/NumberLine-v0"),
    )
    trainer.train()
