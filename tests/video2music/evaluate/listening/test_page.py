"""The page's script, run by node where there is one: what was played, what is answered, and the table that is saved."""

import json
import shutil
import subprocess

import pytest

from tests.video2music.evaluate.listening.kits import drawn_key
from video2music.evaluate.listening import kit
from video2music.evaluate.listening.trials import read_answers

KEY_FILE = drawn_key(3, seed=4)


@pytest.fixture(scope="module")
def ask():
    """Evaluate an expression in which `page` is the script and `kit` the kit's data."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node to run the page's script")

    def run(expression):
        given = f"const kit = {json.dumps(kit.page_data(KEY_FILE))}"
        script = f"const page = require({json.dumps(str(kit.SCRIPT))})"
        code = f"{given}; {script}; process.stdout.write(JSON.stringify({expression}))"
        return json.loads(subprocess.run([node, "-e", code], capture_output=True, text=True, check=True).stdout)

    return run


def state(heard=(True, True), comment="", **answers):
    whole = {"fits": "1", "feels": "2", "nicer": "same"} | answers
    return {"heard": list(heard), "answers": whole, "certain": "sure", "comment": comment}


def test_what_was_skipped_was_not_played(ask):
    ranges = "{length: 2, start: i => [0, 50][i], end: i => [10, 55][i]}"
    assert ask(f"page.playedSeconds({ranges})") == 15
    cases = [(8, 10, True), (7.9, 10, False), (30, 600, True), (29, 600, False), (0, 0, False), (5, None, False)]
    assert [ask(f"page.heardEnough({played}, {json.dumps(length)})") for played, length, _ in cases] == [
        enough for *_, enough in cases
    ]
    assert ask("page.heardEnough(1, NaN)") is False


def test_a_pair_is_answered_when_both_were_played_and_every_question_has_a_choice(ask):
    states = {1: state(), 2: state(heard=(True, False)), 3: state(feels=""), 4: {**state(), "certain": ""}}
    assert ask(f"page.open(kit, {json.dumps(states)})") == [2, 3, 4]
    assert ask("page.open(kit, {})") == [trial.number for trial in KEY_FILE.trials]
    assert ask("page.complete(kit.trials[0], page.stateOf(kit.trials[0], undefined))") is False


@pytest.mark.parametrize(
    "comment", ["", 'both, "nearly" alike', "one\r\nline\u2028more", "ein schöner Schluß 🎻", "a 'b'"]
)
def test_the_table_that_is_saved_is_the_table_that_is_read(ask, tmp_path, comment):
    states = {1: state(comment=comment), 2: state(heard=(False, True)), 4: state(fits="same")}
    text = ask(f"page.table(kit, page.listenerName('Änne, B.', '0a1b2c3d'), {json.dumps(states)})")
    path = tmp_path / "answers.csv"
    path.write_text(text, newline="", encoding="utf-8")
    found = read_answers([path], KEY_FILE)
    assert [answer.trial.number for answer in found] == [1, 4]
    assert found[0].listener == "Änne-B-0a1b2c3d"
    assert found[0].comment == " ".join(comment.split())
    systems = KEY_FILE.trials[0].systems
    assert found[0].choices == {"fits": systems[0], "feels": systems[1], "nicer": "same"}
    assert found[1].choices["fits"] == "same"


@pytest.mark.parametrize("formula", ["=1+1", "+49", "-3", "@SUM(A1)"])
def test_no_cell_is_a_formula(ask, formula):
    assert ask(f"page.cell({json.dumps(formula)})") == f"'{formula}"


def test_a_nickname_is_safe_in_a_name_of_a_file(ask):
    named = {"": "id", "  ": "id", "../../x": "x-id", 'a"b\\c:d': "a-b-c-d-id", "x" * 99: "x" * 30 + "-id"}
    assert [ask(f"page.listenerName({json.dumps(typed)}, 'id')") for typed in named] == list(named.values())


def test_the_page_is_whole_and_keeps_to_itself():
    page = kit.page(drawn_key(2))
    assert page.count("<script") == page.count("</script>") == 2
    assert "default-src 'none'" in page and "connect-src" not in page  # nothing can be sent or fetched
    assert "/*KIT*/" not in page and "/*SCRIPT*/" not in page
