from gym_cards.render.plain_canvas import Canvas as Canvas
