"""`make lab` and `make explore`: on the loopback address, behind a token, whatever a personal configuration says."""

import asyncio
import json
import re
import stat
import subprocess
import sys

import psutil
import pytest
import serving_tools
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from avsep_lib.errors import ConfigError
from avsep_lib.serving import HOST, MESSAGE_BYTES, free_port, write_settings

FOREIGN = "attacker.example"
CODE = "import pathlib; pathlib.Path('executed').touch()"


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    with serving_tools.explorer(tmp_path_factory.mktemp("explorer")) as served:
        yield served


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with serving_tools.lab(tmp_path_factory.mktemp("lab")) as served:
        yield served


@pytest.fixture(params=["explorer", "lab"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def page(explorer):
    """The page, its kernel id and the headers it came with."""
    status, text, headers = explorer.get("/", token=True)
    assert status == 200
    assert "the page works" in text
    return text, re.search(r'"kernelId": *"([\w-]+)"', text)[1], headers


def channel(served, kernel, message=None, **headers):
    """Open the kernel's channel and send a message; what came back within seconds, or the status of a refusal."""

    async def talk():
        request = HTTPRequest(f"ws://{HOST}:{served.port}/api/kernels/{kernel}/channels?session_id=t", headers=headers)
        try:
            connection = await websocket_connect(request)
        except HTTPClientError as error:
            return error.code
        if message is None:
            connection.close()
            return 101
        await connection.write_message(json.dumps(message))
        seen = []
        try:
            while True:
                seen.append(await asyncio.wait_for(connection.read_message(), 3))
        except TimeoutError:
            connection.close()
        return seen

    return asyncio.run(talk())


def request_of(kind, **content):
    header = {"msg_id": "m", "msg_type": kind, "username": "", "session": "t", "version": "5.3", "date": ""}
    return {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}


def test_only_the_loopback_address_is_listened_to(server):
    assert server.addresses() == {HOST}


def test_a_child_that_ended_meanwhile_listens_on_nothing(server, monkeypatch):
    """JupyterLab's children come and go; one was gone between the list and the question, and a check fell."""
    short = subprocess.Popen([sys.executable, "-c", ""])
    gone = psutil.Process(short.pid)
    short.wait()
    children = psutil.Process.children
    monkeypatch.setattr(psutil.Process, "children", lambda self, **how: [gone, *children(self, **how)])
    assert server.addresses() == {HOST}
    assert server.command_lines()


def test_without_the_token_there_is_a_login_and_no_more(server):
    for path in ("/", "/lab", "/api/kernels", "/api/contents", "/api/status", "/voila/tree", "/tree"):
        status, text, headers = server.get(path)
        assert status in (302, 403, 404), path
        assert status != 302 or re.match(r"/(login|lab/tree/)", headers["Location"])  # / leads on to what is refused
        assert "the page works" not in text
    assert server.get("/?token=" + "0" * 48)[0] in (302, 403)
    assert server.get("/?token=")[0] in (302, 403)


def test_with_the_token_it_works(server):
    assert server.get(f"/?token={server.token}")[0] in (200, 302)
    assert server.get("/", token=True)[0] in (200, 302)


@pytest.mark.parametrize("host", [FOREIGN, f"{FOREIGN}:80", "127.0.0.1.attacker.example", "0.0.0.0", "192.168.0.7"])
def test_another_name_of_this_machine_is_refused(server, host):
    """A page elsewhere whose name is made to point here (DNS rebinding) sends its own name as Host."""
    for path in ("/login", "/api/kernels/0-0-0-0-0"):
        assert server.get(path, token=True, host_=host)[0] == 403


def test_the_token_is_on_no_command_line_and_in_no_readable_file(server):
    assert server.token not in server.command_lines()
    for path in server.folder.rglob("*.json"):
        if path.is_file() and server.token in path.read_text():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_settings_are_never_written_over_a_file_that_lies_there(tmp_path):
    (tmp_path / "voila.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_settings(tmp_path, "voila", settings={})
    assert not (tmp_path / "elsewhere").exists()


def test_a_port_in_use_is_passed_over_and_none_left_is_said(explorer):
    assert free_port(explorer.port) > explorer.port
    with pytest.raises(ConfigError, match="no port from 65536"):
        free_port(65536)


def test_another_origin_reaches_neither_page_nor_kernel(explorer, page):
    assert channel(explorer, page[1], Authorization=f"token {explorer.token}") == 101
    cookie = explorer.get(f"/login?token={explorer.token}", method="GET")[2].get("Set-Cookie", "")
    assert channel(explorer, page[1], Cookie=cookie, Origin=f"http://{FOREIGN}") == 403
    shut = explorer.get(f"/voila/api/shutdown/{page[1]}", method="POST", cookie=cookie, origin=f"http://{FOREIGN}")
    assert shut[0] in (403, 404)


def test_the_kernel_is_closed_to_strangers(explorer, page):
    assert channel(explorer, page[1]) == 403
    assert channel(explorer, page[1], Authorization="token wrong") == 403
    assert explorer.get(f"/api/kernels/{page[1]}")[0] == 403
    assert explorer.get(f"/voila/api/shutdown/{page[1]}", method="POST")[0] in (403, 404)


def test_even_with_the_token_no_code_is_taken(explorer, page):
    allowed = {"Authorization": f"token {explorer.token}"}
    info = channel(explorer, page[1], request_of("kernel_info_request"), **allowed)
    assert any("kernel_info_reply" in str(answer) for answer in info)  # the channel works
    run = request_of(
        "execute_request", code=CODE, silent=False, store_history=True, user_expressions={}, allow_stdin=False
    )
    answers = channel(explorer, page[1], run, **allowed)
    assert not any("execute_reply" in str(answer) for answer in answers)
    assert not list(explorer.folder.rglob("executed"))


@pytest.mark.parametrize("path", [
    "/voila/files/12_explorer.ipynb", "/voila/files/voila.json", "/voila/files/../voila.json", "/voila/files/%2e%2e/voila.json",
    "/voila/files//etc/passwd", "/voila/tree/", "/voila/render/12_explorer.ipynb", "/voila/api/contents/", "/12_explorer.ipynb",
    "/voila/static/../../../../../../etc/passwd", "/voila/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/voila/templates/avsep/static/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd", "/static/../voila.json",
    "/?template=../../../../tmp", "/?template=gridstack",
])  # fmt: skip
def test_no_file_of_the_machine_is_served(explorer, page, path):
    status, text, _ = explorer.get(path, token=True)
    served_page = status == 200 and "the page works" in text  # an unknown template or address is not listened to
    assert status in (302, 400, 403, 404, 500) or served_page
    for leaked in ("root:", explorer.token, '"nbformat"', "raise ValueError"):
        assert leaked not in text


def test_a_page_shows_no_traceback_and_no_source(explorer, page):
    text = page[0]
    assert serving_tools.SECRET[::-1] not in text
    assert "Traceback" not in text
    assert "raise ValueError" not in text


def test_the_page_asks_no_other_host_and_tells_none_its_address(page):
    headers = page[2]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert f"ws://{HOST}" in policy
    assert "*" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"


def test_an_upload_fits_one_message():
    from avsep_lib.explorer.uploads import LARGEST

    assert LARGEST + 1_000_000 <= MESSAGE_BYTES


def test_lab_refuses_another_origin_and_forged_forms(lab):
    contents = lab.get("/api/contents", token=True)
    assert contents[0] == 200
    names = {entry["name"] for entry in json.loads(contents[1])["content"]}
    assert "00_start_here.ipynb" in names
    assert not names & {"Makefile", "avsep_lib"}  # of the checkout, notebooks only
    cookie = lab.get(f"/login?token={lab.token}")[2].get("Set-Cookie", "")
    assert lab.get("/api/contents", cookie=cookie, origin=f"http://{FOREIGN}")[0] in (403, 404)
    assert lab.get("/api/kernels", method="POST", body="{}", cookie=cookie)[0] == 403  # no _xsrf
    assert channel(lab, "00000000-0000-0000-0000-000000000000") in (403, 404)
    for path in ("/api/contents/../Makefile", "/api/contents/%2e%2e/Makefile", "/files/%2e%2e/Makefile"):
        assert lab.get(path, token=True)[0] in (400, 403, 404)
