"""Games as pictures: importing this package registers its environments with Gymnasium."""

from gymnasium.envs.registration import register

# Entry points are text, so that a game's own imports wait until it is made.
for _name, _entry_point, _kwargs in (
    ("NumberLine", "number_line:NumberLineEnv", {}),
    ("EZPoints", "points:EZPointsEnv", {}),
    ("Points24", "points:Points24Env", {}),
    ("Points24Exact", "points:Points24Env", {"rules": "exact"}),
    ("Blackjack", "blackjack:BlackjackEnv", {}),
):
    register(
        id=f"gym_cards/{_name}-v0",
        entry_point=f"gym_cards.{_entry_point}",
        max_episode_steps=300,
        kwargs=_kwargs,
    )
register(
    id="gym_cards/ALFWorld-v0",
    entry_point="gym_cards.alfworld.env:ALFWorldEnv",
    max_episode_steps=50,
)
