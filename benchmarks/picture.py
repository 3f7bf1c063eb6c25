"""Bar charts beside the tables of the report, one SVG each."""

from pathlib import Path

FOLDER = Path(__file__).with_name("pictures")


def bars(name: str, title: str, unit: str, values: dict[str, float], reach: float | None = None) -> str:
    """Draw `pictures/NAME.svg` with a bar for each value, and give the Markdown that shows it.

    Ours are those whose label begins with "ours". `reach`, in the same unit, is a line that bars may not pass.
    """
    from matplotlib.figure import Figure  # of the extra `bench`

    figure = Figure(figsize=(8, 0.9 + 0.35 * len(values)), layout="constrained")
    axes = figure.subplots()
    labels = list(values)
    colours = ["#2563eb" if label.startswith("ours") else "#9ca3af" for label in labels]
    axes.bar_label(axes.barh(labels, list(values.values()), color=colours), fmt="{:,.4g}", padding=3)
    if reach is not None:
        axes.axvline(reach, color="#dc2626", linestyle="--", linewidth=1)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    return f"![{title}](pictures/{name}.svg)"
