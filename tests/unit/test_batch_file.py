"""Files of many requests are read whole, in every format alike, and every bad line is named."""

import json
from pathlib import Path

import pytest

from media.staging import folder_staging
from starter.batch_file import read_batch_file
from starter.batch_order import BatchOrder, InvalidBatch, read_order
from starter.request_file import RequestFileUnreadable
from starter.staging import LocalMedia

BODY = {"model": "sd2_manxue_720p", "prompt": "a boat, far out", "duration": 4, "ratio": "9:16"}


def order(path: Path, skip: bool = False, **defaults: object) -> BatchOrder:
    media = LocalMedia(folder_staging(path.parent / "staging", "http://127.0.0.1:1/staging/"))
    return read_order(read_batch_file(str(path)), defaults, {}, media, skip_invalid=skip)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(InvalidBatch) as raised:
        order(path)
    return [f"{found.line}: {found.problem.field}: {found.problem.rule}" for found in raised.value.problems]


def test_the_same_requests_are_the_same_order_in_every_format(tmp_path: Path) -> None:
    whole = {"request": {**BODY, "prompt": "no\u2028"}, "name": "b", "priority": 2, "extra": {"seed": 7}}
    items = [BODY, whole]
    text = {
        "a.jsonl": "\n\n".join(json.dumps(item, ensure_ascii=False) for item in items),
        "a.json": json.dumps(items, indent=1),
        "a.yaml": "# two\n- {model: sd2_manxue_720p, prompt: 'a boat, far out', duration: 4, ratio: 9:16}\n- "
        + json.dumps(whole),
        "a.yml": f"{json.dumps(BODY)}\n---\n{json.dumps(whole)}\n",
        "a.csv": "\ufeffprompt,model,duration,ratio,name,priority,extra.seed\n"
        '"a boat, far out",sd2_manxue_720p,4,9:16,,,\n"no\u2028",sd2_manxue_720p,4,9:16,b,2,7\n',
        "b.csv": "prompt;model;duration;ratio;name;priority;extra.seed\r\n"
        "a boat, far out;sd2_manxue_720p; 4 ;9:16;;;\r\n\r\nno\u2028;sd2_manxue_720p;4;9:16;b;2;7\r\n",
    }
    read = {name: order(written(tmp_path, name, content)) for name, content in text.items()}
    assert {one.fingerprint for one in read.values()} == {read["a.jsonl"].fingerprint}
    assert all([line.fields for line in one.lines] == [{"request": BODY}, whole] for one in read.values())
    numbers = {name: [line.number for line in one.lines] for name, one in read.items()}
    assert numbers == {
        "a.jsonl": [1, 3],
        "a.json": [2, 8],
        "a.yaml": [2, 3],
        "a.yml": [1, 3],
        "a.csv": [2, 3],
        "b.csv": [2, 4],
    }


def test_a_cell_can_hold_a_list_a_time_and_several_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "a.csv",
        "model,prompt,referenceImages,deadline,poll.interval,strict_media\n"
        'sd2_manxue_720p,"one\ntwo",https://a.example/1.png | https://a.example/2.png,2h,10s,TRUE\n'
        "sd2_manxue_720p,three,,,,\n",
    )
    first, second = order(path).lines
    assert first.request.reference_images == ("https://a.example/1.png", "https://a.example/2.png")
    assert first.request.prompt == "one\ntwo"
    assert first.fields["deadline"] == 7200
    assert first.fields["poll"] == {"interval": 10}
    assert first.fields["strict_media"] is True
    assert (first.number, second.number) == (2, 4)


def test_every_bad_line_is_named_with_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    lines = [BODY, {**BODY, "duration": 99, "ratio": "2:1"}, {"request": BODY, "prority": 1}, [1], {**BODY, "x": 1}]
    text = "\n".join([*map(json.dumps, lines), '{"model": ', json.dumps({**BODY, "first_image": "gone.png"})])
    assert told(written(tmp_path, "a.jsonl", text)) == [
        "2: duration: range",
        "2: ratio: choice",
        "3: prority: unknown_field",
        "4: request: type",
        "5: x: unknown_field",
        "6: line: format",
        "7: first_image: file",
    ]
    csv = "model,prompt,lenght,model\nsd2_manxue_720p,x,1,\nsd2_manxue_720p,x,,,too,many\nsd2_manxue_720p,,,\n"
    assert told(written(tmp_path, "a.csv", csv))[:3] == [
        "1: lenght: unknown_field",
        "1: model: conflict",
        "2: model: required",
    ]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.jsonl", json.dumps({"request": BODY, "output": "ftp://x/y/"}), "1: output: url"),
        ("a.jsonl", json.dumps({"request": BODY, "output": "a\0b"}), "1: output: url"),
        ("a.jsonl", json.dumps({"request": BODY, "output": "~nobody-has-this-name/"}), "1: output: url"),
        ("a.jsonl", json.dumps({"request": BODY, "output": "\ud800/"}), "1: output: type"),
        ("a.jsonl", json.dumps({**BODY, "first_image": "\ud800.png"}), "1: first_image: file"),
        ("a.yaml", "- prompt: !!bool perhaps", "1: line: format"),
        ("a.csv", f"prompt,model,deadline\nx,{BODY['model']},{'9' * 400}d", "2: deadline: type"),
        ("a.csv", f"prompt,model,poll.interval\nx,{BODY['model']},nan", "2: poll.interval: type"),
    ],
)
def test_what_is_no_path_no_place_and_no_number_is_named(tmp_path: Path, name: str, text: str, found: str) -> None:
    assert found in told(written(tmp_path, name, text))


def test_a_cell_says_yes_or_no_wherever_the_input_does(tmp_path: Path) -> None:
    csv = f"prompt,model,preview,strict_media\nx,{BODY['model']},false,TRUE"
    (line,) = order(written(tmp_path, "a.csv", csv)).lines
    assert (line.fields["preview"], line.fields["strict_media"]) == (False, True)


def test_right_lines_go_on_alone_only_when_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", f"{json.dumps(BODY)}\n{{}}\n")
    with pytest.raises(InvalidBatch):
        order(path)
    skipped = order(path, skip=True)
    assert [line.number for line in skipped.lines] == [1]
    assert {found.line for found in skipped.problems} == {2}
    with pytest.raises(InvalidBatch):
        order(written(tmp_path, "b.jsonl", "{}\n"), skip=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "{}"),
        ("a.jsonl", "\n"),
        ("a.yaml", "a: [b"),
        ("a.json", "{}"),
        ("a.json", "[{} {}]"),
        ("a.csv", "prompt"),
        ("a.json", f"[{json.dumps(BODY)}]\n[{json.dumps(BODY)}]"),
        ("a.yaml", f"- prompt: {'[' * 2000}{']' * 2000}"),
        ("a.yaml", "- prompt: !!timestamp soon"),
    ],
)
def test_a_file_that_is_no_list_of_requests_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(RequestFileUnreadable):
        read_batch_file(str(written(tmp_path, name, text)))


def test_options_hold_for_lines_that_do_not_say_otherwise(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.jsonl", '{"prompt": "a"}\n{"request": {"prompt": "b", "duration": 9}, "output": "s3://b/"}'
    )
    first, second = order(path, model="sd2_manxue_4k", duration=5, output="out").lines
    assert [first.request.duration, second.request.duration] == [5, 9]
    assert first.request.model == second.request.model == "sd2_manxue_4k"
    assert first.fields["output"].endswith("/out/")
    assert second.fields["output"] == "s3://b/"


def test_a_line_keeps_its_run_wherever_it_stands_and_a_second_one_like_it_has_its_own(tmp_path: Path) -> None:
    other = {**BODY, "prompt": "another"}
    before = order(written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, [BODY, BODY, other])))).batch_lines("b")
    after = order(written(tmp_path, "b.jsonl", "\n".join(map(json.dumps, [other, BODY])))).batch_lines("b")
    assert len({line.workflow_id for line in before}) == 3
    assert [line.workflow_id for line in after] == [before[2].workflow_id, before[0].workflow_id]


def test_equal_files_of_media_are_staged_once_and_are_the_same_request_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for place in ("a.png", "sub/b.png"):
        (tmp_path / place).write_bytes(b"the same picture")
    text = "\n".join(json.dumps({**BODY, "first_image": place}) for place in ("a.png", "sub/b.png"))
    read = order(written(tmp_path, "a.jsonl", text))
    assert len(read.media.names) == 1
    assert read.lines[0].fingerprint == read.lines[1].fingerprint
