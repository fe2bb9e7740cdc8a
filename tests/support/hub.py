"""A local stand-in of the Hugging Face hub: the parts of its HTTP API that its client needs.

Repositories are kept in memory, as branches of commits, each a whole tree of files.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_of_the_stand_in"
USER = "someone"


class Repository:
    def __init__(self, private=False):
        self.private = private
        self.commits = {}  # files by the commit's number
        self.branches = {}
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})

    def commit(self, branch, files):
        listing = json.dumps([len(self.commits), *sorted((n, _sha1(f)) for n, f in files.items())])
        number = _sha1(listing.encode())
        self.commits[number] = dict(files)
        self.branches[branch] = number
        return number

    def files(self, branch="main"):
        return self.commits[self.branches[branch]]


class Hub:
    """What the server holds.

    Attributes:
        repositories: By their full names.
        asked: Method and path of each request.
    """

    def __init__(self):
        self.repositories, self.asked, self.lfs = {}, [], {}
        self.url = ""


@contextmanager
def running():
    """Runs a stand-in on a free port."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(monkeypatch, url, folder, token=TOKEN):
    """Lets the client of this process use the stand-in, with a cache of its own."""
    from huggingface_hub import constants

    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # ----- answers ------------------------------------------------------------------------------

    def _send(self, status, body=b"", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _error(self, status, code):
        self._send(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    @property
    def _token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _handle(self):
        parts = urlsplit(self.path)
        words = [unquote(word) for word in parts.path.split("/")[1:]]
        self.hub.asked.append((self.command, parts.path))
        body = self._body()
        if self._token not in ("", TOKEN):
            return self._error(401, "InvalidToken")
        writes = self.command in ("POST", "PUT") and words[:2] != ["api", "validate-yaml"]
        if (writes or words[-1] == "whoami-v2") and self._token != TOKEN and words[0] != "lfs":
            return self._error(401, "NoToken")
        match [self.command, *words]:
            case ["GET", "api", "whoami-v2"]:
                self._send(200, {"name": USER, "type": "user", "orgs": []})
            case ["POST", "api", "repos", "create"]:
                self._create(json.loads(body))
            case ["POST", "api", "validate-yaml"]:
                self._send(200, {"errors": [], "warnings": []})
            case ["PUT", "lfs", oid]:
                assert hashlib.sha256(body).hexdigest() == oid
                self.hub.lfs[oid] = body
                self._send(200)
            case ["POST", user, name, "info", "lfs", "objects", "batch"]:
                assert f"{user}/{name.removesuffix('.git')}" in self.hub.repositories
                self._batch(json.loads(body))
            case [_, "api", "models", user, name, *rest]:
                self._repository(f"{user}/{name}", rest, body, parse_qs(parts.query))
            case ["GET" | "HEAD", user, name, "resolve", revision, *path]:
                self._file(f"{user}/{name}", revision, "/".join(path))
            case _:
                self._error(404, "RepoNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    # ----- requests -----------------------------------------------------------------------------

    def _create(self, wanted):
        name = f"{wanted['organization'] or USER}/{wanted['name']}"
        if not name.startswith(f"{USER}/"):
            return self._error(403, "Forbidden")
        if name in self.hub.repositories:
            return self._send(409, {"error": "exists", "url": f"{self.hub.url}/{name}"})
        self.hub.repositories[name] = Repository(wanted.get("visibility") == "private")
        self._send(200, {"url": f"{self.hub.url}/{name}"})

    def _batch(self, wanted):
        answers = []
        for each in wanted["objects"]:
            action = {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}
            known = each["oid"] in self.hub.lfs
            answers.append({**each, **({} if known else {"actions": action})})
        self._send(200, {"transfer": "basic", "objects": answers})

    def _found(self, name):
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self._token != TOKEN):
            # As the hub does, which does not tell who may not know.
            self._error(401 if self._token != TOKEN else 404, "RepoNotFound")
            return None
        return found

    def _commit_of(self, found, revision):
        number = found.branches.get(revision, revision)
        if number not in found.commits:
            self._error(404, "RevisionNotFound")
            return None
        return number

    def _repository(self, name, rest, body, query):
        found = self._found(name)
        if found is None:
            return
        match [self.command, *rest]:
            case ["GET"] | ["GET", "revision", _]:
                revision = rest[1] if rest else "main"
                if (number := self._commit_of(found, revision)) is not None:
                    siblings = [{"rfilename": path} for path in found.commits[number]]
                    about = {"id": name, "sha": number, "private": found.private, "tags": []}
                    self._send(200, {**about, "siblings": siblings})
            case ["GET", "tree", revision]:
                if (number := self._commit_of(found, revision)) is not None:
                    tree = found.commits[number]
                    self._send(200, [_entry(path, data) for path, data in sorted(tree.items())])
            case ["POST", "branch", branch]:
                if branch in found.branches:
                    return self._error(409, "Exists")
                found.branches[branch] = found.branches["main"]
                self._send(200, {})
            case ["POST", "preupload", revision]:
                if self._commit_of(found, revision) is not None:
                    self._send(200, {"files": [_mode(e) for e in json.loads(body)["files"]]})
            case ["POST", "commit", branch]:
                self._commit(found, name, branch, body)
            case _:
                self._error(404, "EntryNotFound")

    def _commit(self, found, name, branch, body):
        files = dict(found.files(branch))
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        number = found.commit(branch, files)
        url = f"{self.hub.url}/{name}/commit/{number}"
        self._send(200, {"success": True, "commitOid": number, "commitUrl": url})

    def _file(self, name, revision, path):
        found = self._found(name)
        if found is None or (number := self._commit_of(found, revision)) is None:
            return
        data = found.commits[number].get(path)
        if data is None:
            return self._send(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=number)
        etag = _entry(path, data).get("lfs", {}).get("oid") or _entry(path, data)["oid"]
        self._send(200, data, ETag=f'"{etag}"', X_Repo_Commit=number)


def _is_lfs(path):
    return path.endswith((".safetensors", ".png", ".bin"))


def _mode(file):
    mode = "lfs" if _is_lfs(file["path"]) else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}


def _entry(path, data):
    blob = _sha1(f"blob {len(data)}\0".encode() + data)
    entry = {"type": "file", "path": path, "size": len(data), "oid": blob}
    if _is_lfs(path):
        oid = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(data), "pointerSize": 130}
    return entry


def _sha1(data):
    return hashlib.sha1(data).hexdigest()
