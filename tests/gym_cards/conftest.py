import os

# Before pygame is imported anywhere: windows open without a display.
os.environ["SDL_VIDEODRIVER"] = "dummy"
