import base64
import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from results.gallery import write_gallery
from results.store import StudyError, StudyWriter, read_trials


class Page(HTMLParser):
    """What the tests look at: cards in order, their attributes, images, text, and everything that is fetched.

    `rows` are the headings of the tables' rows, `figures` the drawings that are no card's learning curve.
    """

    VOID = frozenset({"meta", "img", "circle", "polyline", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cards: list[dict[str, str]] = []
        self.images: list[dict[str, str]] = []
        self.fetched: list[str] = []
        self.badges: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.rows: list[str] = []
        self.in_row = False
        self.figures = 0
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = {name: value or "" for name, value in attributes}
        if tag not in self.VOID:
            self.open.append(tag)
        self.figures += tag == "svg" and values.get("class") != "curve"
        if values.get("scope") == "row":
            self.rows.append("")
        self.in_row = values.get("scope") == "row"
        if tag == "article":
            self.cards.append(values)
        if tag == "img" and "src" in values:
            self.images.append(values)
        if "badge" in values.get("class", "").split():
            self.badges.append((values["class"], values["title"]))
        self.fetched += [
            values[name] for name in ("src", "href", "xlink:href", "srcset", "action") if name in values
        ]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.in_row = False

    def handle_data(self, data):
        self.text.append(data)
        if self.in_row:
            self.rows[-1] += data


@pytest.fixture
def page(study):
    return Page(write_gallery(study.path).read_text(encoding="utf-8"))


def picture(image: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))


def test_the_page_is_whole_and_fetches_nothing(study, page):
    text = study.gallery.read_text(encoding="utf-8")
    assert page.open == []
    assert all(address.startswith("data:image/") for address in page.fetched)
    assert not re.search(r"@import|url\(|https?://|fetch\(", text)


def test_a_page_with_a_verdict_is_whole_and_fetches_nothing_either(confirmed_study):
    text = write_gallery(confirmed_study).read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    # The figure refers to parts of its own, and names its formats by addresses that nothing fetches.
    assert all(address.startswith(("data:image/", "#")) for address in page.fetched)
    assert not re.search(r"@import|url\((?!#)|fetch\(", text)


def test_complete_trials_stand_first_the_front_before_all_and_failed_trials_last(page):
    ranks = [int(card["data-rank"]) for card in page.cards if "data-rank" in card]
    assert ranks == list(range(1, 6))
    # The study's front is trials 1 to 4, and its knee trial 3.
    assert page.cards[0]["data-val_swd"] == "2.75"
    assert {card["data-val_swd"] for card in page.cards[:4]} == {"2", "2.5", "2.75", "3.5"}
    assert [card["data-state"] for card in page.cards] == [
        *5 * ["COMPLETE"],
        "RUNNING",
        "PRUNED",
        "PRUNED",
        "FAIL",
    ]


@pytest.mark.parametrize("state", ["PRUNED", "RUNNING"])
def test_what_did_not_come_to_its_end_has_no_place_however_good(study, state):
    good = {"val_delta_e": 0.1, "val_swd": 0.1}
    StudyWriter(study.path).record_trial({"trial": 9, "state": state, "epochs": 1, "best_epoch": 1, **good})
    page = Page(write_gallery(study).read_text(encoding="utf-8"))
    (card,) = [card for card in page.cards if card.get("data-val_swd") == "0.1"]
    assert "data-rank" not in card
    assert page.cards.index(card) >= 5
    assert page.images[0]["alt"].startswith("Strip of trial 3")


def test_with_one_objective_trials_stand_by_its_value(make_study):
    page = Page(write_gallery(make_study(objectives=("val_swd",))).read_text(encoding="utf-8"))
    values = [float(card["data-val_swd"]) for card in page.cards[:5]]
    assert values == sorted(values)
    assert page.badges[0] == ("badge first", "best")
    assert "Trial 2 is the best of the search. Whether it beats" in "".join(page.text)
    assert "trade-off" not in "".join(page.text)


def test_the_strip_of_the_best_epoch_is_shown_rather_than_a_newer_one(study):
    row = next(row for row in read_trials(study).to_pylist() if row["trial"] == 3)
    StudyWriter(study.path).record_trial({**row, "best_epoch": 3})
    page = Page(write_gallery(study).read_text(encoding="utf-8"))
    assert "after epoch 3" in page.images[0]["alt"]


def test_every_strip_is_the_best_epochs_and_says_in_words_what_it_shows(page):
    assert len(page.images) == 8  # all but the failed trial, which saved none
    assert page.images[0]["alt"].startswith("Strip of trial 3 after epoch 4: gray input, output and truth")
    red, green, _ = picture(page.images[0]).getpixel((16, 48))
    # The output's disc of epoch 4 is (180, 120, 40); JPEG moves it by a few levels.
    assert abs(red - 180) < 12
    assert abs(green - 120) < 12


def test_badges_mark_the_best_the_references_the_stopped_and_the_failed(page):
    assert page.badges[0] == ("badge first", "best trade-off: the knee of the front")
    assert page.badges.count(("badge front", "in the front")) == 3
    assert ("badge reference", "reference: pix2pix as published") in page.badges
    assert ("badge pruned", "stopped after epoch 1") in page.badges
    assert ("badge fail", "failed: the generator's loss became NaN") in page.badges


def test_confirmations_stand_behind_all_but_what_failed_and_say_what_they_train_once_more(confirmed_study):
    page = Page(write_gallery(confirmed_study).read_text(encoding="utf-8"))
    assert [card["data-state"] for card in page.cards[5:8]] == ["RUNNING", "PRUNED", "PRUNED"]
    assert [card["data-state"] for card in page.cards[8:]] == [*10 * ["COMPLETE"], "FAIL"]
    assert not any("data-rank" in card for card in page.cards[5:])
    for seed in (1, 2):
        for trial in (0, 1, 2, 3, 4):
            assert page.badges.count(("badge reference", f"trial {trial} once more, seed {seed}")) == 1
    # What a confirmation trains has the reference's badge, so that it is there once.
    assert page.badges.count(("badge reference", "reference: pix2pix as published")) == 1


def test_where_nothing_is_confirmed_that_is_said_and_the_validation_split_has_the_only_table(page):
    text = "".join(page.text)
    assert (
        "Trial 3, the knee of 4 best trade-offs, is the best of the search. Whether it beats the reference points is"
        " not confirmed: one seed." in text
    )
    assert "nothing was chosen by" not in text
    assert page.figures == 0
    assert page.rows == [
        "Best of the search: trial 3",
        "Reference: pix2pix, varied",
        "Reference: pix2pix as published",
        "Baseline: gray copied",
        "Baseline: true mean chroma (an oracle)",
    ]


def test_a_confirmed_study_opens_with_what_the_test_split_told(confirmed_study):
    page = Page(write_gallery(confirmed_study).read_text(encoding="utf-8"))
    text = "".join(page.text)
    assert (
        "Trained anew on 2 fresh seeds and measured on 20 photos that nothing was chosen by:"
        " Trial 3 is a trade-off with pix2pix, varied; dominates pix2pix as published. Trial 2 is" in text
    )
    assert (
        "Each dot is a training on a seed of its own, 2 of each. 20 photos of the test split, read once"
        in text
    )
    assert page.rows == [
        "trial 3 is a trade-off with pix2pix, varied",
        "trial 3 dominates pix2pix as published",
        "trial 2 is a trade-off with pix2pix, varied",
        "trial 2 dominates pix2pix as published",
        "trial 4 is a trade-off with pix2pix, varied",
        "trial 4 is a trade-off with pix2pix as published",
        "Finalist: trial 3",
        "Finalist: trial 2",
        "Finalist: trial 4",
        "Reference: pix2pix, varied",
        "Reference: pix2pix as published",
        "Baseline: gray copied",
        "Baseline: true mean chroma (an oracle)",
        # The same of the validation split.
        "Best of the search: trial 3",
        "Reference: pix2pix, varied",
        "Reference: pix2pix as published",
        "Baseline: gray copied",
        "Baseline: true mean chroma (an oracle)",
    ]
    # Of trial 3 the means over its seeds: 6.2 and 2.75 and 0.31 each.
    assert page.figures == 1
    cells = text[text.index("Finalist: trial 3") :]
    assert cells.startswith("Finalist: trial 36.513.06")


def test_the_same_test_photos_are_shown_of_every_finalist_and_reference_point(confirmed_study):
    page = Page(write_gallery(confirmed_study).read_text(encoding="utf-8"))
    shown = {image["alt"].removesuffix(": test photos"): picture(image) for image in page.images}
    names = [name for name in shown if not name.startswith("Strip")]
    assert names == [
        "gray",
        "truth",
        "trial 3",
        "trial 2",
        "trial 4",
        "pix2pix, varied",
        "pix2pix as published",
    ]
    assert {shown[name].size for name in names} == {shown["gray"].size}
    for name, colour in (
        ("gray", (88, 88, 88)),
        ("truth", (200, 40, 30)),
        ("trial 3", (0, 0, 250)),
        ("trial 2", (0, 0, 210)),
    ):
        assert shown[name].getpixel((16, 16)) == pytest.approx(colour, abs=6)  # JPEG moves it by a few levels


def test_a_strip_of_test_photos_that_was_deleted_is_left_out(confirmed_study):
    confirmed_study.test_strip(9).unlink()  # the first training of trial 3
    page = Page(write_gallery(confirmed_study).read_text(encoding="utf-8"))
    assert [image["alt"] for image in page.images[:3]] == [
        f"{name}: test photos" for name in ("gray", "truth", "trial 2")
    ]
    for file in confirmed_study.path.glob("trials/*/samples/test.png"):
        file.unlink()
    page = Page(write_gallery(confirmed_study).read_text(encoding="utf-8"))
    assert page.images[0]["alt"].startswith("Strip of trial 3")
    assert "Finalist: trial 3" in "".join(page.text)


def test_the_best_of_the_search_is_in_the_table_also_where_a_reference_point_dominates_it(study):
    writer = StudyWriter(study.path)
    writer.record_trial(
        {"trial": 9, "state": "COMPLETE", "reference": "good", "val_delta_e": 1.0, "val_swd": 1.0}
    )
    assert "Best of the search: trial 3" in Page(write_gallery(study).read_text(encoding="utf-8")).rows


def test_what_others_wrote_is_shown_and_not_run(study):
    writer = StudyWriter(study.path)
    evil = "<script>alert('x')</script>\"'&"
    writer.record_trial(
        {"trial": 9, "state": "FAIL", "reason": evil, "reference": evil, "params.encoder": evil}
    )
    writer.write_config(
        {"name": evil, "objectives": ["val_swd"], "data": {"source": evil}, "baselines": {evil: {}}}
    )
    text = write_gallery(study).read_text(encoding="utf-8")
    page = Page(text)
    assert text.count("<script>") == 1
    assert "".join(page.text).count(evil) >= 5
    assert page.open == []


def test_a_half_written_strip_gives_way_to_the_one_before(study):
    newest = study.samples(3) / "epoch-004.png"
    newest.write_bytes(newest.read_bytes()[:60])
    page = Page(write_gallery(study).read_text(encoding="utf-8"))
    assert "after epoch 3" in page.images[0]["alt"]


def test_a_study_without_trials_has_a_page_too(tmp_path):
    writer = StudyWriter(tmp_path / "new")
    writer.write_config({"name": "new"})
    page = Page(write_gallery(tmp_path / "new").read_text(encoding="utf-8"))
    assert page.cards == []
    assert "No trial to show." in "".join(page.text)


def test_the_page_names_the_command_that_colours_a_photo_once_weights_are_there(study, page):
    assert "results.colorize" not in "".join(page.text)
    study.checkpoint(3).mkdir(parents=True)
    study.best_weights(3).write_bytes(b"weights")
    again = Page(write_gallery(study).read_text(encoding="utf-8"))
    assert "python -m results.colorize" in "".join(again.text)


def test_text_of_the_tables_is_shown_and_not_run(study):
    table = read_trials(study)
    evil = pa.array(['"><script>alert(1)</script>'] * table.num_rows)
    for column in ("reference", "reason", "device"):
        table = table.set_column(table.column_names.index(column), table.field(column), evil)
    pq.write_table(table, study.trials)
    page = write_gallery(study).read_text(encoding="utf-8")
    assert page.count("<script>") == 1
    assert "&gt;&lt;script&gt;alert(1)" in page


def test_a_page_that_finds_no_room_leaves_the_old_one(study, full_disk):
    old = write_gallery(study).read_text(encoding="utf-8")
    with full_disk(), pytest.raises(StudyError, match=r"gallery\.html could not be written \(No space left"):
        write_gallery(study)
    assert study.gallery.read_text(encoding="utf-8") == old


def test_the_command_line_prints_the_path_and_refuses_what_is_no_study(study, tmp_path):
    def run(folder):
        command = [sys.executable, "-m", "results.gallery", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(study.path).stdout == f"{study.gallery}\n"
    refused = run(tmp_path / "absent")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"{tmp_path / 'absent'} does not exist")
    assert refused.stderr.count("\n") == 1
