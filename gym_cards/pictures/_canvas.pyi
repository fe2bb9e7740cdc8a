from gym_cards.pictures.plain_canvas import Canvas as Canvas
