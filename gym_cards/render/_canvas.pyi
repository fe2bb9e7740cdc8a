from gym_cards.render.plain_canvas import Canvas as Canvas
from gym_cards.render.plain_canvas import finish as finish
from gym_cards.render.plain_canvas import finish_into as finish_into
