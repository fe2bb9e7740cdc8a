import itertools
import json
from dataclasses import replace

import pytest
import torch

from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.types import Demonstration
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.training.sft.lessons import Lessons, caption, readout, reasoning
from vlm_agent.training.sft.loss import LearnedReply, accumulate, reply_losses
from vlm_agent.training.sft.reading_probe import ReadingProbe, picture_embeddings

NUMBER_LINE = "gym_cards/NumberLine-v0"


def demonstrations(env=NUMBER_LINE, count=4, **kwargs):
    demonstrator = Demonstrator(env, num_envs=count, random_share=0.5, **kwargs)
    batch = next(itertools.islice(demonstrator, 2, None))
    demonstrator.close()
    return batch


def test_a_caption_is_the_picture_and_what_no_prompt_tells_of_it(make_policy):
    (item,) = demonstrations("gym_cards/Points24-v0", 1, history_length=2)
    seen = item.observation
    assert "current formula" in seen.given
    assert len(seen.images) == 3
    learned = caption(item)
    assert json.loads(learned.reply) == {"cards": seen.state["cards"]}
    assert learned.observation.images == (seen.image,)
    prompt = make_policy().prompt(learned.observation)
    assert prompt == "<image><reply>"


def test_thoughts_and_action_are_learned_from_what_was_read_alone(make_policy):
    policy = make_policy()
    batch = demonstrations()
    learned = [reasoning(item) for item in batch]
    assert all(not item.observation.images for item in learned)
    assert policy.prompt(learned[0].observation) == "<reply>"
    for item in learned:
        known, rest = item.reply[: item.learned[0]], item.reply[item.learned[0] :]
        assert json.loads(known + "}") == dict(item.observation.state)
        assert rest.startswith(', "thoughts"')
    # By hand: what is given is as if its tokens were not there, and the others count as they are.
    replies = [policy.encode_reply(item.reply) for item in learned]
    scores = policy.score([item.observation for item in learned], replies, temperature=1.0)
    by_hand = 0.0
    for row, (item, reply) in enumerate(zip(learned, replies, strict=True)):
        given = [
            at
            for at in range(len(reply))
            if len(policy.tokenizer.decode(reply[: at + 1])) <= item.learned[0]
        ]
        assert len(given) > 3
        by_hand -= scores.log_probs[row, len(given) : len(reply)].sum()
    found = [LearnedReply.of(policy, item) for item in learned]
    torch.testing.assert_close(reply_losses(policy, learned, found).sum(), by_hand)
    losses, tokens = accumulate(policy, learned, 2)
    assert losses["loss"] == pytest.approx(by_hand.item() / tokens, rel=1e-5)


def test_derived_fields_are_learned_with_the_reasoning():
    (item,) = demonstrations("gym_cards/Blackjack-v0", 1)
    state = dict(item.observation.state)
    learned = reasoning(item, ["player total"])
    known, rest = item.reply[: learned.learned[0]], item.reply[learned.learned[0] :]
    total = state.pop("player total")
    assert json.loads(known + "}") == state
    assert rest.startswith(f', "player total": "{total}", "thoughts"')
    assert learned.learned[1] == len(item.reply)
    assert not learned.observation.images
    with pytest.raises(ValueError, match=r"'dealer card',\) are not the last .* 'player total'\]"):
        reasoning(item, ["dealer card"])
    config = SFTConfig(
        env="gym_cards/Blackjack-v0", out="out", samples=1, reasoning_samples=1,
        derived_fields=("player total",), batch_size=1,
    )  # fmt: skip
    assert Lessons(config).of(1, [item]) == ("reasoning", [learned])
    wrong = Lessons(replace(config, caption_samples=4, derived_fields=("total",)))
    with pytest.raises(ValueError, match=r"'total',\) are not the last"):
        wrong.of(1, [item])  # and not when reasoning begins
    with pytest.raises(ValueError, match="derived_fields=.* are for reasoning_samples"):
        replace(config, reasoning_samples=0)


def test_where_a_reply_begins_to_be_learned_is_looked_for_once(make_policy, monkeypatch):
    policy = make_policy()
    learned = [reasoning(item) for item in demonstrations()]
    action_token, looked = policy.action_token, []
    monkeypatch.setattr(
        policy, "action_token", lambda *args: looked.append(args) or action_token(*args)
    )
    accumulate(policy, learned, 2)
    assert len(looked) == len(learned)


def test_a_readout_is_learned_up_to_the_end_of_the_state(make_policy):
    policy = make_policy()
    batch = demonstrations("gym_cards/Points24-v0", 3)
    learned = [readout(item) for item in batch]
    losses, tokens = accumulate(policy, learned, 3)
    by_hand, count = 0.0, 0
    for item in batch:
        reply = policy.encode_reply(item.reply)
        ends = item.reply.index('", "thoughts"')
        # Up to the token that holds the last quote.
        read = next(n for n in range(99) if len(policy.tokenizer.decode(reply[:n])) > ends)
        score = policy.score([item.observation], [reply], temperature=1.0)
        by_hand -= score.log_probs[0, :read].sum().item()
        count += read
    assert tokens == count
    assert losses["loss"] == pytest.approx(by_hand / count, rel=1e-4)


def test_what_was_read_is_found_though_it_holds_the_name_of_the_thoughts():
    (item,) = demonstrations(count=1)
    odd = replace(item.observation, state={"note": 'a "thoughts": "b', "x": "1"})
    learned = reasoning(Demonstration(odd, build_reply(odd, 0, "c")))
    assert learned.reply[learned.learned[0] :].startswith(', "thoughts": "c"')


def test_lessons_about_what_replies_do_not_read_out_are_refused():
    (item,) = demonstrations("gym_cards/Points24-v0", 1)
    now = item.observation

    def told(**changes):
        task = replace(now.task, repeats_given=False)
        changed = replace(now, task=task, **changes)
        return Demonstration(changed, build_reply(changed, 0, "so"))

    learned = readout(told()).learned
    assert told().reply[: learned[1]] == json.dumps({"cards": now.state["cards"]})[:-1]
    with pytest.raises(ValueError, match=r"do not read out \['current formula'\]"):
        reasoning(told())
    with pytest.raises(ValueError, match="the picture shows nothing that the prompt does not say"):
        readout(told(given=now.state))


def test_a_probe_reads_what_pictures_show_off_their_embeddings(make_policy):
    policy = make_policy()
    batch = demonstrations(count=8)
    torch.manual_seed(0)
    probe = ReadingProbe.of(policy, batch)
    optimizer = torch.optim.Adam([*policy.model.parameters(), *probe.linear.parameters()], lr=3e-3)
    found = []
    for _ in range(30):
        optimizer.zero_grad()
        losses, _ = accumulate(policy, [caption(item) for item in batch], 8, probe, 1.0)
        found.append(losses["probe_loss"])
        optimizer.step()
    assert found[-1] < 0.3 * found[0]
    with torch.no_grad(), picture_embeddings(policy) as seen:
        policy.score([item.observation for item in batch], [[5]] * 8, temperature=1.0)
        # The prompt comes behind the picture and cannot change what it is embedded as.
        whole = probe.loss(policy, seen[0], [item.observation for item in batch])
    again = accumulate(policy, [caption(item) for item in batch], 8, probe, 1.0)[0]["probe_loss"]
    assert whole.item() == pytest.approx(again, rel=1e-4)


def test_a_probe_teaches_the_vision_part_through_its_own_loss_alone(make_policy):
    """With the weight doubled, so is the gradient that only the probe makes."""
    batch = [caption(item) for item in demonstrations(count=4)]
    gradients = []
    for weight in (0.0, 1.0, 2.0):
        policy = make_policy()
        torch.manual_seed(0)
        probe = ReadingProbe.of(policy, batch)
        accumulate(policy, batch, 2, probe, weight)
        part = policy.network.get_encoder(modality="image")
        gradients.append(
            torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None])
        )
        assert weight or not probe.linear.weight.grad.any()
    first, second = gradients[1] - gradients[0], gradients[2] - gradients[0]
    assert first.norm() > 0
    torch.testing.assert_close(second, 2 * first, atol=1e-5, rtol=1e-3)


def test_a_probe_does_not_depend_on_micro_batches_and_comes_back(make_policy):
    policy = make_policy()
    batch = demonstrations(count=6)
    probe = ReadingProbe.of(policy, batch)
    other = ReadingProbe.of_state(probe.state_dict())
    other.load_state_dict(probe.state_dict())
    found = [accumulate(policy, batch, size, probe, 1.0)[0] for size in (1, 4, 6)]
    found.append(accumulate(policy, batch, 6, other, 1.0)[0])
    for losses in found[1:]:
        assert losses == pytest.approx(found[0], rel=1e-5)


def test_pictures_of_which_a_probe_knows_nothing_are_refused(make_policy):
    policy = make_policy()
    batch = demonstrations(count=2, history_length=1)
    probe = ReadingProbe.of(policy, batch)
    observations = [item.observation for item in batch]
    assert [len(each.images) for each in observations] == [1, 2]
    with picture_embeddings(policy) as seen:
        policy.states(observations)
    assert probe.loss(policy, seen[0], observations).item() > 0
    with pytest.raises(ValueError, match="1 pictures of 35 tokens together.* 36 for each"):
        probe.loss(policy, [rows[1:] for rows in seen[0]], observations)


def test_there_has_to_be_something_to_read(make_policy):
    blind = [
        replace(item, observation=replace(item.observation, state={})) for item in demonstrations()
    ]
    with pytest.raises(ValueError, match="that the prompt does not say"):
        ReadingProbe.of(make_policy(), blind)
    with pytest.raises(ValueError, match="shows nothing"):
        caption(blind[0])
    with pytest.raises(ValueError, match="replies have no thoughts"):
        SFTConfig(env=NUMBER_LINE, out="out", cot=False, reasoning_samples=8)
    (item,) = demonstrations(count=1, cot=False)
    for lesson in (readout, reasoning):
        with pytest.raises(ValueError, match="does not begin with"):
            lesson(item)
    with pytest.raises(ValueError, match="probe_weight=-1"):
        SFTConfig(env=NUMBER_LINE, out="out", probe_weight=-1)
