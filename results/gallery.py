"""`python -m results.gallery STUDY` writes `gallery.html`: a study's pictures, trials side by side, best first.

One self-contained page: pictures, style and script are inside, nothing is fetched, so that it can be mailed. It shows
the strips that the trials saved (rows of gray, output, truth) and draws no picture anew; it works while the study
runs. The pictures are put in as JPEG at full colour resolution, a tenth of the PNG files' size.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from PIL import Image

from results.curves import Curves, Scale, data_uri, finite, number
from results.page import SCRIPT, STYLE
from results.ranking import HIGHER_IS_BETTER, LABELS, Ranked, label, objectives_of, photos_of, rank
from results.store import (
    METRICS,
    PARAMS,
    TEST_METRICS,
    StudyError,
    StudyFolder,
    open_study,
    read_config,
    read_epochs,
    read_resamples,
    read_trials,
    write_file,
)
from results.verdict import Verdict, judge
from results.verdict_page import BASELINES, measures_table, verdict_section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

STATES = {"COMPLETE": "complete", "PRUNED": "stopped early", "RUNNING": "running", "FAIL": "failed"}


def write_gallery(study: str | Path | StudyFolder) -> Path:
    """Write a study's `gallery.html` anew and return its path.

    Raises
    ------
    StudyError
        Where the folder is no study, its tables cannot be read, or the page cannot be written.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    write_file(folder, folder.gallery, gallery_page(folder).encode())
    return folder.gallery


def gallery_page(folder: StudyFolder) -> str:
    """A study's gallery as a page of HTML that fetches nothing.

    Raises
    ------
    StudyError
        The study's tables cannot be read.
    """
    config = read_config(folder)
    objectives = objectives_of(config)
    # The curves are of one metric: the last, in which models differ most where there are several.
    objective = objectives[-1]
    trials = read_trials(folder)
    ranking = rank(trials, objectives)
    verdict = judge(trials, read_resamples(folder), objectives, photos_of(config))
    rows = {row["trial"]: row for row in trials.to_pylist()}
    standings = {
        entry.trial: _Standing(place, len(objectives) > 1 and entry.level == 0)
        for place, entry in enumerate(ranking, start=1)
    }
    order = [entry.trial for entry in ranking] + [
        trial
        for trial, row in sorted(rows.items(), key=lambda item: _unranked(item[1]))
        if trial not in standings
    ]
    curves = _curves(folder, objective)
    baselines: dict[str, dict[str, float]] = config.get("baselines") or {}
    scale = Scale(curves, baselines.get("gray", {}).get(objective))
    cards = [_card(folder, rows[trial], standings.get(trial), objectives, scale) for trial in order]
    name = str(config.get("name", folder.path.name))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}: gallery</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="eyebrow">Hyperparameter search for image colorization</p>
<h1>{escape(name)}</h1>
<p class="verdict">{escape(str(verdict))}</p>
</header>
<main>
{verdict_section(folder, verdict, baselines, objectives)}
<h2>The best and the reference points on the validation split</h2>
{_table(rows, ranking, verdict, baselines, objectives)}
<h2>The study</h2>
{_facts(config, rows.values(), objectives)}
<h2 id="trials">Trials</h2>
<p class="soft">The same validation photos in every strip: gray input, output, truth. {scale.legend(objective)}</p>
{_tools(rows.values(), objectives)}
<div class="cards">
{"".join(cards)}
</div>
<p id="empty" class="soft"{" hidden" if cards else ""}>No trial to show.</p>
</main>
{_footer(folder, ranking)}
<dialog aria-label="Enlarged strip"><img alt=""><p></p></dialog>
<script>{SCRIPT}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class _Standing:
    """A trial's place in the ranking, from 1, and whether it is one of several objectives' best trade-offs."""

    place: int
    in_front: bool


def _curves(folder: StudyFolder, objective: str) -> Curves:
    curves: Curves = {}
    for row in read_epochs(folder).select(["trial", "epoch", objective]).to_pylist():
        if finite(row[objective]):
            curves.setdefault(row["trial"], []).append((row["epoch"], row[objective]))
    return curves


def _facts(config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], objectives: Sequence[str]) -> str:
    rows = list(rows)
    data, asked, encoder = config.get("data") or {}, config.get("config") or {}, config.get("encoder") or {}
    counts = data.get("counts") or {}
    states = [(label, sum(row["state"] == state for row in rows)) for state, label in STATES.items()]
    versions = config.get("versions") or {}
    facts = {
        "Model": config.get("model"),
        "Minimised": " and ".join(LABELS[objective] for objective in objectives),
        "Trials": ", ".join(f"{count} {label}" for label, count in states if count) or "none yet",
        "Training time": _duration(sum(row["seconds"] or 0 for row in rows)),
        "Data": data.get("source"),
        "Photos": " + ".join(f"{count} {part}" for part, count in counts.items()),
        "Skipped photos": len(data.get("skipped") or ()),
        "Image size": f"{asked['image_size']} pixels" if "image_size" in asked else None,
        "Started": str(config.get("created", "")).replace("T", " ")[:16],
        "Encoder weights": encoder.get("note") or encoder.get("spec"),
        "Scaled down": "; ".join(map(str, config.get("fitted") or ())),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Git commit": str(config.get("git_commit") or "")[:10],
    }
    said = "".join(
        f"<div><dt>{name}</dt><dd>{escape(str(fact))}</dd></div>" for name, fact in facts.items() if fact
    )
    return f'<dl class="facts">{said}</dl>'


def _table(
    rows: Mapping[int, Mapping[str, Any]],
    ranking: Sequence[Ranked],
    verdict: Verdict,
    baselines: Mapping[str, Mapping[str, float]],
    objectives: Sequence[str],
) -> str:
    lines: list[tuple[str, str, Mapping[str, Any]]] = []
    for entry in ranking:
        if verdict.best is not None and entry.trial == verdict.best.trial:
            lines.append(("best", f"Best of the search: {entry.name}", _validation(rows[entry.trial])))
        elif entry.reference is not None:
            lines.append(("reference", f"Reference: {entry.reference}", _validation(rows[entry.trial])))
    lines += [
        ("baseline", f"Baseline: {BASELINES.get(name, name)}", _validation(values))
        for name, values in baselines.items()
    ]
    return measures_table(lines, objectives) if lines else '<p class="soft">Nothing measured yet.</p>'


def _validation(values: Mapping[str, Any]) -> dict[str, Any]:
    return {metric: values[metric] for metric in METRICS if values.get(metric) is not None}


def _unranked(row: Mapping[str, Any]) -> tuple[bool, bool, int]:
    """Order of what has no place: what is or was trained longest first, then confirmations, then what failed."""
    return row["state"] == "FAIL", row["role"] == "confirmation", -row["epochs"]


def _tools(rows: Iterable[Mapping[str, Any]], objectives: Sequence[str]) -> str:
    rows = list(rows)
    counts = {state: sum(row["state"] == state for row in rows) for state in STATES}
    choices = [("ALL", f"All {len(rows)}")] + [
        (state, f"{label.capitalize()} {counts[state]}") for state, label in STATES.items() if counts[state]
    ]
    buttons = "".join(
        f'<button type="button" data-state="{state}" aria-pressed="{str(state == "ALL").lower()}">{label}</button>'
        for state, label in choices
    )
    several = len(objectives) > 1
    options = '<option value="rank" selected>best trade-off</option>' if several else ""
    options += "".join(
        f'<option value="{metric}"{" selected" if not several and metric in objectives else ""}'
        f"{' data-higher=1' if metric in HIGHER_IS_BETTER else ''}>{escape(LABELS[metric])}</option>"
        for metric in _shown_metrics([*rows, dict.fromkeys(objectives, 0.0)])
    )
    return (
        f'<div class="tools"><div class="states" role="group" aria-label="Trials to show">{buttons}</div>'
        f'<label>Sort by <select id="metric">{options}</select></label></div>'
    )


def _card(
    folder: StudyFolder,
    row: Mapping[str, Any],
    standing: _Standing | None,
    objectives: Sequence[str],
    scale: Scale,
) -> str:
    trial, state, metrics = row["trial"], row["state"], _shown_metrics([row])
    data = "".join(f' data-{metric}="{row[metric]:.6g}"' for metric in metrics)
    if standing:
        data += f' data-rank="{standing.place}"'
    epoch, picture = _strip(folder, trial, row["best_epoch"])
    caption = f"epoch {epoch}" + (f", best epoch {row['best_epoch']}" if row["best_epoch"] else "")
    if picture:
        said = f"Strip of trial {trial} after epoch {epoch}: gray input, output and truth of the validation photos"
        shown = (
            '<div class="picture"><div class="rows" aria-hidden="true">'
            "<span>gray</span><span>output</span><span>truth</span></div>"
            f'<div class="wide"><button type="button" class="strip" title="Enlarge">'
            f'<img src="{picture}" alt="{said}"></button></div></div>'
        )
    else:
        shown = f'<div class="none">{escape("No picture" if state == "FAIL" else "No picture yet")}</div>'
    params = {name.removeprefix(PARAMS): value for name, value in row.items() if name.startswith(PARAMS)}
    measured = {LABELS[metric]: row[metric] for metric in metrics}
    run = {
        "seed": row["seed"],
        "epoch that counts": row["best_epoch"],
        "epochs": row["epochs"],
        "training time": _duration(row["seconds"] or 0),
        "images a second": row["images_per_second"],
        "trainable encoder weights": row["trainable_encoder_parameters"],
        "node": row["node"],
        "device": row["device"],
    }
    measured |= {f"test: {label(metric)}": row[metric] for metric in TEST_METRICS if row[metric] is not None}
    best = f'<span class="place">#{standing.place}</span> ' if standing else ""
    value = " · ".join(number(row[objective]) for objective in objectives)
    named = " · ".join(LABELS[objective] for objective in objectives)
    return f"""<article class="card" data-state="{escape(state)}" data-caption="{caption}"{data}>
<div class="top"><div class="title"><h3>{best}Trial {trial}</h3>
<span class="value" title="{escape(named)}" data-ranked="{value}" data-named="{escape(named)}">{value}</span></div>
<div class="badges">{_badges(row, standing)}</div></div>
{shown}
<div class="under">{_pairs(params)}<div>{scale.draw(trial, row["best_epoch"])}{_pairs(measured)}</div>
<details><summary>Run</summary>{_pairs(run)}</details></div>
</article>
"""


def _badges(row: Mapping[str, Any], standing: _Standing | None) -> str:
    badges = []
    if standing and standing.place == 1:
        badges.append(("first", "best trade-off: the knee of the front" if standing.in_front else "best"))
    elif standing and standing.in_front:
        badges.append(("front", "in the front"))
    if row["role"] == "confirmation":
        badges.append(("reference", f"trial {row['confirms']} once more, seed {row['seed']}"))
    elif row["reference"]:
        badges.append(("reference", f"reference: {row['reference']}"))
    if row["state"] == "PRUNED":
        badges.append(("pruned", f"stopped after epoch {row['epochs']}"))
    if row["state"] == "FAIL":
        badges.append(("fail", f"failed: {row['reason'] or 'reason unknown'}"))
    if row["state"] == "RUNNING":
        badges.append(("running", f"running, epoch {row['epochs']}"))
    return "".join(
        f'<span class="badge {kind}" title="{escape(text)}">{escape(text)}</span>' for kind, text in badges
    )


def _strip(folder: StudyFolder, trial: int, best_epoch: int | None) -> tuple[int, str]:
    """Epoch and data URI of the strip of a trial's best epoch, or its newest; (0, "") where there is none."""
    for file in folder.strips(trial, best_epoch):
        try:
            with Image.open(file) as image:
                picture = data_uri(image.convert("RGB"))
        except OSError:  # deleted or half written by a running trial: another one will do
            continue
        return _epoch(file), picture
    return 0, ""


def _epoch(strip: Path) -> int:
    digits = strip.stem.removeprefix("epoch-")
    return int(digits) if digits.isdecimal() else 0


def _footer(folder: StudyFolder, ranking: Iterable[Ranked]) -> str:
    command = ""
    if any(folder.best_weights(entry.trial).exists() for entry in ranking):
        line = f"python -m results.colorize {shlex.quote(os.path.relpath(folder.path))} PHOTO --out colored"
        command = f"<p>Colour a photo with the best trial:</p><pre><code>{escape(line)}</code></pre>"
    keys = "<p>Click a strip to enlarge it; the arrow keys then step through the trials.</p>"
    return f"<footer>{command}{keys}</footer>"


def _shown_metrics(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [metric for metric in METRICS if any(finite(row.get(metric)) for row in rows)]


def _pairs(values: Mapping[str, Any]) -> str:
    said = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(_text(value))}</dd></div>"
        for name, value in values.items()
        if value is not None
    )
    return f'<dl class="pairs">{said}</dl>' if said else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def main(study: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="STUDY")]) -> None:
    """Write a study's gallery.html: every trial's pictures side by side, best first.

    Parameters
    ----------
    study
        The study's folder, such as results/studies/NAME.
    """
    try:
        sys.stdout.write(f"{write_gallery(study)}\n")
    except StudyError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    tyro.cli(main, prog="python -m results.gallery")
