"""The score function beside REINFORCE: what agrees to the bit, and the variance of each weight against the horizon."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, emph, ends, figure, formula, paragraph
from gradmark.reports.layout.numbers import NONE, plain
from gradmark.reports.layout.style import MARKERS, PALETTE, breakable

HEIGHT = 1.9  # inches of the panel

FORMULA = (
    "nabla EE[-G_1] = -EE sum_t (G_t - b_t (s_t)) nabla log pi(a_t | s_t), quad "
    "G_t = sum_(u >= t) r_u, quad z = (s_1, a_1, s_2, a_2, ...)"
)
CAPTION = (
    "Total variance of the gradient over the squared length of the exact one, against the horizon, at the uniform "
    "policy; bars are 95 % intervals."
)


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The policy gradient as a formula, then a figure and a table for each experiment."""
    found = [
        formula(FORMULA),
        paragraph(
            "Yes: with a trajectory for z, its probability for q and minus the return for the cost, the score function "
            "draws REINFORCE's trajectories and weighs the same scores, as what the environment does has no "
            "parameters. Its relatives have their names too. A reward depends on the actions before it, through the "
            "environment, and on none after it: leaving out the rest (Rao-Blackwell) is the ",
            emph("reward-to-go"),
            ". What it leaves is judged against the value function, which is a baseline.",
        ),
    ]
    for number, outcome in enumerate(outcomes):
        name, tables = f"{key}-{number}", outcome.tables or {}
        count = tables["setting"][0]["num_samples"]
        found += [
            figure(
                f"{name}.svg",
                _drawn(tables["variances"]),
                [f"{breakable(outcome.inquiry.experiment)}, {count} trajectories. {CAPTION}"],
                name,
            ),
            _table(tables["agreement"], f"{name}-table"),
        ]
    return found


def _drawn(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(row["weight"] for row in rows))
    with drawing():
        shown, ((axes,),) = panels((1, 1), HEIGHT, left=0.62, top=0.08, bottom=0.62, between=0.2)
        handles, every = [], []
        for i, name in enumerate(names):
            mine = [row for row in rows if row["weight"] == name]
            at = [row["horizon"] for row in mine]
            scaled = [[part / row["squared_gradient"] for part in ends(row["variance"])] for row in mine]
            style: dict[str, Any] = {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 3.5, "linewidth": 1.2}
            reach = [[row[0] - row[1] for row in scaled], [row[2] - row[0] for row in scaled]]
            axes.errorbar(at, [row[0] for row in scaled], reach, **style, elinewidth=0.8)
            handles.append(Line2D([], [], label=name, **style))
            every += [value for row in scaled for value in row]
        logarithmic(axes, "x", room([float(row["horizon"]) for row in rows]))
        logarithmic(axes, "y", room(every))
        grid(axes, "both")
        axes.set_xlabel("horizon")
        axes.set_ylabel("variance / |∇J|²")
        shown.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _table(rows: list[dict[str, Any]], label: str) -> Block:
    weights = [name for name in rows[0] if name not in ("horizon", "enumeration", "paths_that_differ")]
    table = Table(
        [
            "Largest difference between the exact gradient by dynamic programming and by enumeration of all paths, and "
            "between our estimates and a hand-written REINFORCE of the same seed."
        ],
        label,
    )
    for head in ("horizon", "enumeration", "trajectories that differ", *weights):
        table.column(head, "right")
    for row in rows:
        shown = [NONE if row[name] is None else plain(row[name], 2) for name in ("enumeration", *weights)]
        table.row(str(row["horizon"]), shown[0], str(row["paths_that_differ"]), *shown[1:])
    table.note("Beyond 262\u202f144 paths there is no enumeration. A difference of 0 is to the bit.")
    return table.block()
