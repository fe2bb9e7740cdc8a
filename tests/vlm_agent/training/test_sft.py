import itertools

import pytest
import torch

from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.training.sft.lessons import Lessons
from vlm_agent.training.sft.loss import accumulate
from vlm_agent.training.sft.trainer import train_sft

NUMBER_LINE = "gym_cards/NumberLine-v0"


def test_accumulated_micro_batches_equal_one_batch(make_policy):
    """Though replies differ in length, each of their tokens counts the same."""
    policy = make_policy()
    demonstrator = Demonstrator("gym_cards/Points24-v0", num_envs=6, history_length=1)
    batch = next(itertools.islice(demonstrator, 3, None))
    demonstrator.close()
    found = []
    sizes = []
    decoder = policy.network.get_decoder()
    decoder.register_forward_pre_hook(
        lambda _, args, inputs: sizes.append(inputs["inputs_embeds"][..., 0].numel()),
        with_kwargs=True,
    )
    for size, most_tokens, passes in ((1, None, 6), (4, None, 2), (6, None, 1), (6, 600, 3)):
        policy.zero_grad()
        sizes.clear()
        losses, tokens = accumulate(policy, batch, size, micro_batch_tokens=most_tokens)
        assert len(sizes) == passes
        assert (max(sizes) > 600) == (passes < 3)
        found.append(
            (
                losses["loss"],
                [p.grad.clone() for p in policy.model.parameters() if p.grad is not None],
            )
        )
        assert tokens == sum(len(policy.encode_reply(item.reply)) for item in batch)
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradients, found[0][1], atol=1e-5, rtol=1e-3)


def test_demonstrations_are_scored_by_the_whole_distribution(make_policy):
    """However few tokens a policy may write, it is to learn what it would not write yet."""
    demonstrator = Demonstrator(NUMBER_LINE, num_envs=2)
    batch = next(iter(demonstrator))
    demonstrator.close()
    losses = [
        accumulate(make_policy(**cut), batch, 2)[0] for cut in ({}, {"top_k": 2, "top_p": 0.5})
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("options", [{"lora": True}, {"dtype": "bfloat16"}])
def test_the_tiny_model_takes_no_options_that_it_would_not_heed(options):
    with pytest.raises(ValueError, match="trained from scratch"):
        SFTConfig(env=NUMBER_LINE, out="out", **options)


def test_lessons_begin_with_reading_and_deal_reasoning_out_among_the_rest():
    asked = {"caption_samples": 13, "reasoning_samples": 24, "samples": 8, "batch_size": 4}
    lessons = Lessons(SFTConfig(env=NUMBER_LINE, out="out", **asked))
    assert lessons.steps == 4 + 6 + 2
    names = [lessons.of(step, [])[0] for step in range(1, lessons.steps + 1)]
    dealt = (["reasoning"] * 3 + ["demonstrations"]) * 2
    assert names == ["captions"] * 2 + ["readouts"] * 2 + dealt
    del asked["reasoning_samples"]  # without thoughts there is no state to read after a prompt
    silent = Lessons(SFTConfig(env=NUMBER_LINE, out="out", cot=False, **asked))
    names = [silent.of(step, [])[0] for step in range(1, silent.steps + 1)]
    assert names == ["captions"] * 4 + ["demonstrations"] * 2
    alone = Lessons(SFTConfig(env=NUMBER_LINE, out="out", samples=8, batch_size=4))
    assert [alone.of(step, [])[0] for step in (1, 2)] == ["demonstrations"] * 2


def test_a_thread_that_prepares_batches_changes_nothing(tmp_path):
    """Nor does it matter to the lessons which pictures an environment draws."""
    asked = {"caption_samples": 8, "reasoning_samples": 16, "samples": 8, "batch_size": 4}
    rows, weights = [], []
    for ahead in (0, 3):
        out = tmp_path / str(ahead)
        config = SFTConfig(
            env="gym_cards/EZPoints-v0",
            out=str(out),
            random_share=0.5,
            shown_share=0.5,
            probe_weight=1.0,
            prefetch_batches=ahead,
            **asked,
        )
        train_sft(config)
        assert all(0 <= row["time/data_share"] < 1 for row in read_metrics(out))
        rows.append(
            [
                {k: v for k, v in row.items() if not k.startswith(("time/", "system/"))}
                for row in read_metrics(out)
            ]
        )
        weights.append((out / "model.safetensors").read_bytes())
    assert len(rows[0]) == 8
    assert rows[0] == rows[1]
    assert weights[0] == weights[1]
