"""Report of runs, evaluations and episodes as an HTML page, and a window that shows live play."""

from vlm_agent.config.commands import ReportConfig
from vlm_agent.reporting.page import write_report

__all__ = ["ReportConfig", "write_report"]
