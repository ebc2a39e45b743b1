"""The verdict's part of the gallery: a figure, the same photos from each model, and the numbers behind both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from PIL import Image

from results.curves import data_uri, number
from results.ranking import HIGHER_IS_BETTER, label
from results.store import METRICS, ON_TEST, TEST_METRICS, StudyFolder
from results.verdict import told
from trainables.strip import rows_of

if TYPE_CHECKING:
    from results.verdict import Contender, Verdict

BASELINES = {"gray": "gray copied", "mean chroma": "true mean chroma (an oracle)"}

Baselines = Mapping[str, Mapping[str, float]]


def verdict_section(
    folder: StudyFolder, verdict: Verdict, baselines: Baselines, objectives: Sequence[str]
) -> str:
    """What the test split told, as HTML; nothing where it has not been read."""
    measured = [contender for contender in verdict.contenders if contender.measured]
    if not measured:
        return ""
    seeds = (
        f"Each dot is a training on a seed of its own, {verdict.seeds} of each. " if verdict.seeds > 1 else ""
    )
    tested = [ON_TEST[objective] for objective in objectives]
    return f"""<h2>Finalists and reference points on photos that nothing was chosen by</h2>
<p class="soft">{seeds}{verdict.photos} photos of the test split, read once, when the search had ended.</p>
<div class="figure">{_figure(verdict, baselines, objectives)}</div>
{_differences(verdict)}
{_photos(folder, measured)}
{measures_table(_lines(verdict, baselines), tested)}"""


def measures_table(
    lines: Sequence[tuple[str, str, Mapping[str, float | None]]], objectives: Sequence[str]
) -> str:
    """A table of metrics, of either split.

    Parameters
    ----------
    lines
        Kind (a style), name and values by metric of each row.
    objectives
        Metrics that stand out.
    """
    metrics = [
        metric
        for metric in (*METRICS, *TEST_METRICS)
        if any(values.get(metric) is not None for _, _, values in lines)
    ]
    marked = {metric: ' class="objective"' if metric in objectives else "" for metric in metrics}
    head = "".join(f'<th scope="col"{marked[metric]}>{heading(metric)}</th>' for metric in metrics)
    body = "".join(
        f'<tr class="{kind}"><th scope="row">{escape(name)}</th>'
        + "".join(f"<td{marked[metric]}>{number(values.get(metric))}</td>" for metric in metrics)
        + "</tr>"
        for kind, name, values in lines
    )
    return f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def heading(metric: str) -> str:
    """What a person calls a metric, with an arrow to where it is better."""
    higher = metric.replace("test_", "val_", 1) in HIGHER_IS_BETTER
    return f"{escape(label(metric))}\N{NO-BREAK SPACE}{'↑' if higher else '↓'}"


def _figure(verdict: Verdict, baselines: Baselines, objectives: Sequence[str]) -> str:
    from results import plots  # here, because matplotlib takes a while and most studies have no such part yet

    drawing = StringIO()
    figure = plots.verdict(verdict, {name: dict(scores) for name, scores in baselines.items()}, objectives)
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    picture = drawing.getvalue()
    return picture[picture.index("<svg") :]


def _differences(verdict: Verdict) -> str:
    if not verdict.comparisons:
        return ""
    metrics = list(verdict.comparisons[0].differences)
    head = "".join(
        f'<th scope="col">{escape(label(metric))}</th><th scope="col">lower in</th>' for metric in metrics
    )
    body = "".join(
        f'<tr><th scope="row">{escape(one.finalist.name)} {escape(one.relation)} {escape(one.reference.name)}</th>'
        + "".join(
            f"<td>{told(difference)}</td><td>{difference.probability:.0%}</td>"
            for difference in one.differences.values()
        )
        + "</tr>"
        for one in verdict.comparisons
    )
    return (
        '<p class="soft">Finalist less reference point, with 95 % intervals over seeds and photos, and how often a'
        " new training of the finalist would be the lower of two:</p>"
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _photos(folder: StudyFolder, contenders: Sequence[Contender]) -> str:
    shown = list(_rows(folder, contenders))
    if not shown:
        return ""
    rows = "".join(
        f'<div class="row"><span>{escape(name)}</span><img src="{picture}" alt="{escape(name)}: test photos"></div>'
        for name, picture in shown
    )
    return f'<div class="wide"><div class="photos">{rows}</div></div>'


def _rows(folder: StudyFolder, contenders: Sequence[Contender]) -> Iterator[tuple[str, str]]:
    """Names and pictures: the photos in gray and as they are, then each contender's first training."""
    is_first = True
    for contender in contenders:
        try:
            with Image.open(folder.test_strip(contender.runs[0])) as sheet:
                gray, output, truth = rows_of(sheet.convert("RGB"))
        except OSError:  # deleted, as samples may be
            continue
        if is_first:
            yield "gray", data_uri(gray)
            yield "truth", data_uri(truth)
            is_first = False
        yield contender.name, data_uri(output)


def _lines(verdict: Verdict, baselines: Baselines) -> list[tuple[str, str, Mapping[str, float | None]]]:
    lines: list[tuple[str, str, Mapping[str, float | None]]] = []
    for contender in verdict.contenders:
        values = {metric: sum(own) / len(own) for metric, own in contender.measured.items()}
        kind, name = "best", f"Finalist: {contender.name}"
        if contender.reference is not None:
            kind, name = "reference", f"Reference: {contender.name}"
        if values:
            lines.append((kind, name, values))
    lines += [
        ("baseline", f"Baseline: {BASELINES.get(name, name)}", _of_test(scores))
        for name, scores in baselines.items()
        if _of_test(scores)
    ]
    return lines


def _of_test(scores: Mapping[str, float]) -> dict[str, float]:
    return {metric: value for metric, value in scores.items() if metric in TEST_METRICS}
