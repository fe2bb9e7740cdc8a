"""Runs, evaluations and recorded episodes -> one HTML page that needs no network."""

from vlm_agent.config.tools import ReportConfig
from vlm_agent.reporting.page import write_report

__all__ = ["ReportConfig", "write_report"]
