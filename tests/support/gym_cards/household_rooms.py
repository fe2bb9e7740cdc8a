"""Small rooms to draw."""

from dataclasses import replace

from gym_cards.alfworld.scene import Pose, Receptacle, Scene, Thing

FLOOR = frozenset((x / 4, z / 4) for x in range(-6, 7) for z in range(-4, 9))
MIDDLE = Pose(0.0, 0.0, 0, 30)


def things(n, kind="Mug", start=1):
    return tuple(Thing(f"{kind.lower()} {start + i}", kind) for i in range(n))


def standing(index):
    """A place to stand for each receptacle of a room."""
    return Pose(index % 13 / 4 - 1.5, index // 13 / 4, index % 4, 30)


def receptacle(kind, number=1, *, stand=None, contents=None, **state):
    stand = stand or standing(number)
    x, z = stand.x * 1.3, stand.z * 1.2
    name = f"{kind.lower()} {number}"
    return Receptacle(name, kind, (x, 0.9, z), stand, contents=contents, **state)


def before(kind, contents=(), *, held=None, others=(), **state):
    """A scene in which the agent stands before one receptacle."""
    one = receptacle(kind, stand=MIDDLE, contents=contents, **state)
    return Scene(MIDDLE, (one, *others), FLOOR, held)


def in_the_middle(kinds):
    """A scene in which the agent stands before nothing, in a room of these receptacles."""
    numbers = {}
    room = []
    for index, kind in enumerate(kinds):
        numbers[kind] = numbers.get(kind, 0) + 1
        room.append(receptacle(kind, numbers[kind], stand=standing(index)))
    return Scene(Pose(0.0, 2.0, 2, 45), tuple(room), FLOOR)


def at(scene, index, contents=()):
    """The scene after the agent went to one of the receptacles."""
    stand = scene.receptacles[index].stand
    room = tuple(
        replace(one, contents=contents if one.stand == stand else None) for one in scene.receptacles
    )
    return replace(scene, agent=stand, receptacles=room)
