"""The local cloud keeps what it was given, says when it lost something, and answers as the template says."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from carevouch.cli.app import main as command
from carevouch.kernel.times import instant, later
from infra import local, ministack
from infra.faults import SetUpFault
from infra.stack import Cloud
from infra.story.client import Http
from infra.story.parties import Keys, Operator
from tests.contract.template import ROOT

pytestmark = pytest.mark.local_cloud
TABLE = "kept"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    ministack.stop(tmp_path)


def _start(folder: Path) -> Any:
    """A bare MiniStack with nothing deployed; returns its DynamoDB client."""
    process = ministack.start(folder, ministack.free_port(), detached=False)
    return Cloud("", process.endpoint_url, {}, {}).client("dynamodb")


def _make_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )


def test_state_survives_a_stop(folder: Path) -> None:
    dynamodb = _start(folder)
    _make_table(dynamodb)
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "here"}})
    assert ministack.stop(folder)
    assert "Item" in _start(folder).get_item(TableName=TABLE, Key={"pk": {"S": "here"}})


def test_a_stop_that_somebody_else_asked_for_keeps_state_too(folder: Path) -> None:
    _make_table(_start(folder))
    process = ministack.running(folder)
    assert process is not None
    os.kill(process.pid, signal.SIGTERM)
    _until_gone(folder)
    assert TABLE in _start(folder).list_tables()["TableNames"]


def test_state_that_a_kill_lost_is_named_with_its_mend(folder: Path) -> None:
    _make_table(_start(folder))
    process = ministack.running(folder)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    _until_gone(folder)
    with pytest.raises(SetUpFault, match="make clean"):
        _start(folder)


def test_a_busy_port_is_named_with_its_mend(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _start(folder)
    process = ministack.running(folder)
    assert process is not None
    with pytest.raises(SetUpFault, match=f"Port {process.port} .* PORT={process.port + 1}"):
        ministack.start(tmp_path_factory.mktemp("other"), process.port, detached=False)


def test_a_second_start_on_the_same_state_is_refused(folder: Path) -> None:
    _start(folder)
    with pytest.raises(SetUpFault, match="make stop"):
        _start(folder)


def test_a_cloud_too_busy_to_answer_is_stopped_too(folder: Path) -> None:
    """`make clean` removes the folder that knows of the process; one left behind would hold its port."""
    _start(folder)
    process = ministack.running(folder)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    # Asleep until the signal to stop is on its way: it cannot answer before, however long one waits.
    waker = threading.Timer(1.0, os.kill, (process.pid, signal.SIGCONT))
    waker.start()
    assert ministack.stop(folder)
    waker.join()
    assert not ministack.is_busy(process.port)


def test_a_process_that_is_not_ours_is_left_alone(folder: Path) -> None:
    """After a restart of the machine somebody else may bear the id that the folder remembers."""
    (folder / "running.json").write_text(json.dumps({"pid": os.getpid(), "port": 4566}))
    assert ministack.running(folder) is None
    assert not ministack.stop(folder)


def test_a_start_that_is_interrupted_leaves_no_process(folder: Path) -> None:
    deaf = folder / "server.py"
    deaf.write_text("import time; time.sleep(600)")
    code = (
        "import sys; from pathlib import Path; from infra import ministack as m; m.SERVER = Path(sys.argv[2])"
    )
    # As at a terminal: what a shell starts in the background is deaf to Ctrl-C, and all below it.
    code += "; import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code += "; m.start(Path(sys.argv[1]), m.free_port(), detached=True)"
    words = [sys.executable, "-c", code, str(folder), str(deaf)]
    starter = subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=ROOT)
    marker = folder / "running.json"
    while not (marker.exists() and marker.read_text()):
        assert starter.poll() is None
        time.sleep(0.01)
    pid = int(json.loads(marker.read_text())["pid"])
    starter.send_signal(signal.SIGINT)
    assert starter.wait(timeout=30) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not marker.exists()


@pytest.mark.parametrize("said", ["abc", "0", "65536", "99999", "-1", "4566x", "٤٥٦٦", "9" * 5000])
def test_what_is_no_port_is_named_with_its_mend(said: str) -> None:
    with pytest.raises(SetUpFault, match="give a number from 1 to 65535"):
        local.port_of(said)


@pytest.mark.parametrize(("said", "port"), [(None, 4566), ("", 4566), ("1", 1), ("65535", 65535)])
def test_a_port_is_a_number_or_the_usual_one(said: str | None, port: int) -> None:
    assert local.port_of(said) == port


@pytest.mark.parametrize("said", ["abc", "0", "65", "-1", "2x", "٤", "9" * 5000])
def test_what_is_no_number_of_strands_is_named_with_its_mend(said: str) -> None:
    with pytest.raises(SetUpFault, match="give 1 to 64"):
        local.strands_of(said)


@pytest.mark.parametrize(("said", "strands"), [(None, None), ("", None), ("1", 1), ("64", 64)])
def test_strands_are_a_number_or_as_they_were(said: str | None, strands: int | None) -> None:
    assert local.strands_of(said) == strands


def test_strands_that_the_log_does_not_have_are_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text(json.dumps({"strands": 2}))
    with pytest.raises(SetUpFault, match=r"STRANDS=4 .* genesis .* has 2.*`carevouch epoch`.*`make clean`"):
        local.start(tmp_path, strands=4, say=lambda line: None)
    assert not (tmp_path / "running.json").exists()


def _until_gone(folder: Path) -> None:
    for _ in range(600):
        if ministack.running(folder) is None and not _listed(folder):
            return
        time.sleep(0.05)
    raise AssertionError("the process did not end")


def _listed(folder: Path) -> bool:
    pid = json.loads((folder / "running.json").read_text())["pid"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _call(
    cloud: Cloud, path: str, method: str = "GET", **headers: str
) -> tuple[int, "Message[str, str]", bytes]:
    request = urllib.request.Request(cloud.base_url + path, headers=headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/fhir/Observation", {}, 401),
        ("/fhir/Observation", {"Authorization": "Basic eDp5"}, 401),
        ("/fhir/Observation", {"Authorization": "Bearer of.bad.news"}, 401),
        ("/no/such/path", {}, 404),
        ("/fhir/Claim/1/unknown", {}, 404),
    ],
)
def test_what_the_gateway_refuses_is_an_operation_outcome(
    cloud: Cloud,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    got, answered, body = _call(cloud, path, **headers)
    assert got == status
    assert answered["Content-Type"] == "application/fhir+json"
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert answered["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/fhir/Patient", "/ledger/0/tile/entries/000"])
def test_a_browser_may_ask_first(cloud: Cloud, path: str) -> None:
    status, headers, _ = _call(cloud, path, "OPTIONS", Origin="https://app.example")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Idempotency-Key" in headers["Access-Control-Allow-Headers"]
    assert "PUT" in headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    "headers", [{}, {"Accept": "text/html, */*"}, {"Accept": "application/octet-stream"}]
)
def test_a_tile_is_bytes_whatever_a_mirror_says_it_takes(
    cloud: Cloud, tmp_path: Path, headers: dict[str, str]
) -> None:
    """Go's http client and many others send no Accept header; base64 for them would be no log."""
    Operator(cloud, Http(cloud.base_url), tmp_path).admit("mirrored", ["provider"], Keys(tmp_path))
    cloud.seal()
    size = int(_bare(cloud, "/ledger/0/checkpoint", {}).splitlines()[1])
    tile = _bare(cloud, f"/ledger/0/tile/0/{size // 256:03d}.p/{size % 256}", headers)
    assert len(tile) == 32 * (size % 256)


def _bare(cloud: Cloud, path: str, headers: dict[str, str]) -> bytes:
    """A GET with no header but Host and these."""
    url = urlsplit(cloud.base_url)
    with closing(http.client.HTTPConnection(url.netloc, timeout=30)) as connection:
        connection.putrequest("GET", url.path + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()


def test_a_deployment_has_its_genesis(cloud: Cloud) -> None:
    genesis = cloud.client("s3").get_object(Bucket=cloud.ledger_bucket, Key="genesis")["Body"].read()
    assert genesis.decode().splitlines()[0]


def test_nobody_but_the_sealer_may_write_the_log(cloud: Cloud) -> None:
    """The bucket's own policy is what MiniStack enforces; the table's is read in test_template_policies."""
    policy = json.loads(cloud.client("s3").get_bucket_policy(Bucket=cloud.ledger_bucket)["Policy"])
    (denial,) = [statement for statement in policy["Statement"] if statement["Sid"] == "OnlyTheSealerWrites"]
    assert denial["Effect"] == "Deny"


def test_the_exporter_may_read_the_log_and_write_exports(cloud: Cloud, tmp_path: Path) -> None:
    """The span ends before the log has a block that old, so what is exported is that there was none."""
    end = later(instant(datetime.now(UTC)), -200)
    answer = cloud.export(later(end, -3_600), end, "contract/")
    assert answer["status"] == "completed"
    s3, bucket = cloud.client("s3"), cloud.outputs["ExportsBucket"]
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="contract/")["Contents"]:
        path = tmp_path / item["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
    assert command(["export", str(tmp_path), "--key", local.log_key(cloud)]) == 0
