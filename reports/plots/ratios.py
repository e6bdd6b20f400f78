"""The figure of the first pages: every method's ratio to the best, wherever it was measured."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg, text_width
from gradmark.reports.layout.style import FAINT, MUTED, Look, wrapped
from gradmark.reports.results.ranking import Ranking

ROW = 0.15  # inches
MOST_ROWS = 60  # on one page
NAME = 46  # characters of a problem's text before it is shortened: the tables have it whole

Lines = list[tuple[str, tuple[Ranking, Ranking] | None]]


def overview(
    pairs: list[tuple[Ranking, Ranking]], where: Callable[[Ranking], str], looks: dict[str, Look]
) -> str | None:
    """Ratios to the best at equal samples (left) and at equal seconds (right); None where nothing was compared."""
    pairs = [pair for pair in pairs if pair[0].next is not None][:MOST_ROWS]
    lines = _lines(pairs, where)
    if not lines:
        return None
    ratios = [ranked.ratio.value for pair in pairs for ranking in pair for ranked in ranking.methods]
    limits = (0.8, room([1.0, *(value for value in ratios if value)])[1])
    used = dict.fromkeys(ranked.entry.estimator for pair in pairs for ranked in pair[0].methods)
    across = columns(map(wrapped, used), 0.4)
    rows = -(-sum(wrapped(name).count("\n") + 1 for name in used) // across)
    with drawing():
        left = text_width(text for text, _ in lines) + 0.1
        height = (len(lines) + 0.2) * ROW
        figure, axes = panels((1, 2), height, left=left, top=0.22, bottom=0.42 + 0.16 * rows, between=0)
        titles = ("total variance, ratio to the smallest", "variance × seconds, ratio to the smallest")
        for number, (each, title) in enumerate(zip(axes[0], titles, strict=True)):
            logarithmic(each, "x", limits)
            each.set_title(title)
            _draw(each, lines, number, looks)
        _name(axes[0, 0], lines)
        handles = [_handle(name, looks[name]) for name in used]
        figure.legend(
            handles=handles,
            loc="lower left",
            ncols=across,
            frameon=False,
            fontsize=7.5,
            borderaxespad=0,
            handletextpad=0.1,
        )
        return svg(figure)


def _lines(pairs: list[tuple[Ranking, Ranking]], where: Callable[[Ranking], str]) -> Lines:
    """A line for each problem's name, and one for each of its comparisons."""
    lines: Lines = []
    last = None
    for pair in pairs:
        problem = pair[0].where[0]
        if problem != last:
            last = problem
            lines.append((problem if len(problem) <= NAME else problem[: NAME - 1] + "…", None))
        lines.append((where(pair[0]), pair))
    return lines


def _draw(axes: Axes, lines: Lines, number: int, looks: dict[str, Look]) -> None:
    grid(axes, "x")
    axes.axvline(1, color=FAINT, linewidth=0.8, zorder=1)
    for row, (_, pair) in enumerate(lines):
        for ranked in reversed(pair[number].methods if pair else []):
            if ranked.ratio.value is None:
                continue
            look = looks[ranked.entry.estimator]
            if ranked.ratio.ci is not None:
                axes.plot(
                    ranked.ratio.ci, [row, row], color=look.colour, linewidth=1.2, solid_capstyle="butt", zorder=2
                )
            face = "white" if ranked.entry.record.cell.state == "cold" else look.colour
            axes.plot([ranked.ratio.value], [row], look.marker, color=look.colour, markerfacecolor=face, markersize=4)


def _name(axes: Axes, lines: Lines) -> None:
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks(range(len(lines)), [text for text, _ in lines])
    for each in axes.figure.axes:
        each.tick_params(axis="y", length=0)
    for text, (_, pair) in zip(axes.get_yticklabels(), lines, strict=True):
        text.set_color(MUTED if pair else "black")
        text.set_fontweight("normal" if pair else "bold")


def _handle(name: str, look: Look) -> Line2D:
    return Line2D([], [], marker=look.marker, color=look.colour, linestyle="", markersize=4, label=wrapped(name))
