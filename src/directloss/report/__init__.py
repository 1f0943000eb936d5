"""Results as tables and pictures: terminal, Markdown, a self-contained HTML page, still figures.

`directloss.report.figures` needs matplotlib and is imported by those who draw figures only.
"""

from __future__ import annotations

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)

from directloss.report.page import write_report
from directloss.report.schema import Results
from directloss.report.tables import console_table, markdown_table

__all__ = ["Results", "console_table", "markdown_table", "write_report"]
