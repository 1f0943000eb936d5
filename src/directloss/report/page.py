"""The report: one HTML file that needs no network, no server and no other file."""

from __future__ import annotations

import base64
import json
import math
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from directloss.files import write_whole
from directloss.report import curves, names, style, summary, tables
from directloss.report.schema import Document, Results

if TYPE_CHECKING:
    from PIL import Image

_PLOTTED_DIGITS = 5
"""Significant digits of plotted values: far below a pixel."""


def write_report(results_path: Path | str, html_path: Path | str) -> None:
    """Draw `results.json` as a self-contained page; the file appears whole or not at all.

    Raises `OSError` if a file cannot be read or written, and `pydantic.ValidationError` (a
    `ValueError`) if `results_path` does not hold results of the known schema.
    """
    results = Results.model_validate_json(Path(results_path).read_bytes())
    write_whole(Path(html_path), render(results).encode())


def render(
    results: Results,
    template: str = "comparison.html.j2",
    *,
    drawn: Sequence[tuple[curves.Quantity, Results]] | None = None,
    **more: Any,
) -> str:
    """The text of the page.

    Args:
        results: what its tables show.
        template: the usual one, or one that is like it.
        drawn: quantities with the results that hold them; None: those of `results`, and the mean
            over the columns, too.
        more: entries that the template wants besides.
    """
    quantities = curves.quantities(results) if drawn is None else [kind for kind, _ in drawn]
    return render_page(
        template,
        results=results,
        tables=tables,
        summary=summary,
        how_to_read=names.HOW_TO_READ,
        glossary=names.glossary(results.methods),
        styles=style.line_styles(results.methods),
        quantities=quantities,
        plot_data=plot_data(results) if drawn is None else plot_data_of(drawn, results.columns),
        unit=curves.unit(results),
        **origin(results),
        **more,
    )


def origin(document: Document) -> dict[str, str]:
    """When, by which command and with which settings results were made: entries of a page."""
    return {
        "created": moment(document.created),
        "command": shlex.join(document.command),
        "configuration": json.dumps(document.configuration, indent=2, ensure_ascii=False),
    }


def render_page(template: str, **context: Any) -> str:
    """Render a template of this package; `page.html.j2` is the base that others extend."""
    environment = Environment(
        loader=PackageLoader("directloss.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset
    environment.globals["plotly"] = lambda: Markup(get_plotlyjs())
    environment.globals["palette"] = style
    return environment.get_template(template).render(**context)


def plot_data(results: Results) -> dict[str, Any]:
    """What the page's script draws: for each quantity, column and method a centre and a band.

    The first entry of `columns` is the mean over columns, the others follow `results.columns`.
    """
    several = len(results.columns) > 1
    columns: list[str | None] = [None, *results.columns] if several else [results.columns[0]]
    return plot_data_of([(kind, results) for kind in curves.quantities(results)], columns)


def plot_data_of(
    kinds: Sequence[tuple[curves.Quantity, Results]], columns: Sequence[str | None]
) -> dict[str, Any]:
    """The same for quantities that come each from its own results, with the same methods."""
    results = kinds[0][1]
    return {
        "higher_is_better": results.metric.higher_is_better,
        "methods": results.methods,
        "columns": [curves.AVERAGE if column is None else column for column in columns],
        "quantities": [{"key": kind.key, "axis": kind.axis, "log": kind.log} for kind, _ in kinds],
        "curves": {
            kind.key: [
                [_packed(curves.curve(source, kind, method, column)) for method in results.methods]
                for column in columns
            ]
            for kind, source in kinds
        },
    }


def _packed(curve: curves.Curve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    lines = {"x": curve.iteration, "y": curve.centre}
    if curve.seeds > 1:
        lines |= {"low": curve.low, "high": curve.high}
    return {name: [_short(float(value)) for value in line] for name, line in lines.items()}


def _short(value: float) -> float | None:
    # JSON has no NaN; null is a gap in the line.
    return float(f"{value:.{_PLOTTED_DIGITS}g}") if math.isfinite(value) else None


def embedded(image: Image.Image) -> str:
    """A photograph as a data address, which a page holds in itself."""
    content = BytesIO()
    image.save(content, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")


def moment(iso: str) -> str:
    """A date and time for the eye, in UTC."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _asset(name: str) -> Markup:
    """A style sheet or script of the templates folder, as it stands."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))
