import hashlib
import http.server
import threading
from contextlib import contextmanager

import pytest
import torch
from merc_vision.weights import Published, read_tensors
from safetensors.torch import save_file

import merc

CONTENT = b"weights " * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()


@contextmanager
def served(answers):
    """A real server that gives ``(status, headers, body)`` by path, and what was asked of it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers, body = answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def test_a_file_is_fetched_once_and_kept(cache):
    with served({"/net-1234.pth": (200, {}, CONTENT)}) as (address, asked):
        published = Published(url=f"{address}/net-1234.pth", sha256=HASH[:8])
        paths = {published.path() for _ in range(3)}
        assert paths == {cache / "weights" / "net-1234.pth"}
        assert paths.pop().read_bytes() == CONTENT
        assert asked == ["/net-1234.pth"]
        # one that was damaged since is fetched anew
        (cache / "weights" / "net-1234.pth").write_bytes(CONTENT[:-1])
        assert published.path().read_bytes() == CONTENT
        assert len(asked) == 2


def left(cache):
    return list((cache / "weights").iterdir())


def test_another_content_than_the_published_is_not_kept(cache):
    with served({"/a.pth": (200, {}, b"<html>please log in</html>")}) as (address, _):
        with pytest.raises(merc.MercError) as caught:
            Published(url=f"{address}/a.pth", sha256=HASH[:8]).path()
        assert str(caught.value).startswith(f"what {address}/a.pth gave is not the published file: its SHA-256 begins")
        assert f"not {HASH[:8]}" in str(caught.value)
    assert left(cache) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, {}, b""), "the server answers 404 Not Found"),
        ((503, {}, b""), "the server answers 503 Service Unavailable"),
        ((200, {"Content-Length": str(len(CONTENT) + 5)}, CONTENT), f"{len(CONTENT)} bytes came of {len(CONTENT) + 5}"),
    ],
)
def test_what_cannot_be_fetched_says_what_to_do(cache, answer, reason):
    with served({"/a.pth": answer}) as (address, _), pytest.raises(merc.MercError) as caught:
        Published(url=f"{address}/a.pth", sha256=HASH[:8]).path()
    assert str(caught.value) == (
        f"{address}/a.pth could not be downloaded ({reason}); fetch it by other means and give its path instead of "
        "'download'"
    )
    assert left(cache) == []


def test_no_server(cache):
    with served({}) as (address, _):
        pass
    with pytest.raises(merc.MercError, match=r"could not be downloaded \(.*Connection refused\)"):
        Published(url=f"{address}/a.pth", sha256=HASH[:8]).path()
    assert left(cache) == []


def test_tensors_of_both_formats(tmp_path):
    tensors = {"a": torch.arange(3.0), "b.c": torch.ones(2, 2)}
    save_file(tensors, tmp_path / "t.safetensors")
    torch.save(tensors, tmp_path / "t.pth")
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "checkpoint.pt")
    for name in ("t.safetensors", "t.pth", "checkpoint.pt"):
        read = read_tensors(tmp_path / name)
        assert read.keys() == tensors.keys() and all(torch.equal(read[key], tensors[key]) for key in tensors)


class Evil:
    def __reduce__(self):
        return (print, ("a pickle ran code",))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("gone.pth", lambda p: None, r"the file with weights .*gone\.pth is not there"),
        ("gone.safetensors", lambda p: None, r"the file with weights .*gone\.safetensors is not there"),
        ("text.pth", lambda p: p.write_text("no weights"), r"text\.pth cannot be read as weights, a \.safetensors or"),
        ("text.safetensors", lambda p: p.write_text("no weights at all"), "cannot be read as weights"),
        ("empty.pth", lambda p: p.write_bytes(b""), "cannot be read as weights"),
        ("evil.pth", lambda p: torch.save({"a": Evil()}, p), "cannot be read as weights"),
        ("list.pth", lambda p: torch.save([torch.ones(1)], p), "holds no mapping of names to tensors"),
        ("mixed.pth", lambda p: torch.save({"a": 1}, p), "holds no mapping of names to tensors"),
    ],
)
def test_files_that_hold_no_weights(tmp_path, capsys, name, write, message):
    write(tmp_path / name)
    with pytest.raises(merc.MercError, match=message):
        read_tensors(tmp_path / name)
    assert "ran code" not in capsys.readouterr().out
