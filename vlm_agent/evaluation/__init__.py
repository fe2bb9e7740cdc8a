"""Evaluation of policies in environments: players, results, tables and plots."""

from vlm_agent.evaluation.comparison import compare
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import PolicyLike, Step, play
from vlm_agent.evaluation.players import (
    GenerationOverrides,
    LazyPolicy,
    find_player,
    resolve_policy,
)
from vlm_agent.evaluation.progress_log import fingerprint
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.evaluation.recorded_player import RecordedPlayer
from vlm_agent.evaluation.recorder import EvaluationRecorder, record_evaluation
from vlm_agent.evaluation.summary import wilson_interval
from vlm_agent.evaluation.tables import markdown_table, text_table

__all__ = [
    "Evaluation",
    "EvaluationRecorder",
    "GenerationOverrides",
    "LazyPolicy",
    "PolicyLike",
    "RecordedPlayer",
    "Step",
    "compare",
    "evaluate",
    "find_player",
    "fingerprint",
    "markdown_table",
    "play",
    "record_evaluation",
    "resolve_policy",
    "text_table",
    "wilson_interval",
]
