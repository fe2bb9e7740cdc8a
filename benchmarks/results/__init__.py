"""Every result of docs/results.md: what is run, running it, its records, and the page.

python -m benchmarks.results run --part games     # resumes where it was interrupted
python -m benchmarks.results page                 # docs/results.md from the records
"""
