"""The environments as other trainers take them: TRL, verl-agent and VAGEN.

None of these is imported: each module offers what its trainer calls, as
docs/training/other-trainers.md describes.
"""
