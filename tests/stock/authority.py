"""A time-stamping authority on loopback: `openssl ts` under a root of its own, answering over HTTP (RFC 3161 §3.4)."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIG = """[req]
distinguished_name = none
prompt = no
[none]
CN = unused
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[signer]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
serial = serial
signer_cert = signer.pem
signer_key = signer.key
certs = signer.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """Its files lie in `folder`; it answers until `close`."""

    def __init__(self, folder, name):
        self.folder, self.turn = folder, threading.Lock()
        folder.mkdir()
        (folder / "openssl.cnf").write_text(CONFIG)
        (folder / "serial").write_text("01\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf"]
        self.openssl("req", *key, "-x509", "-extensions", "root", "-subj", f"/CN={name}", "-days", "100", "-keyout", "root.key", "-out", "root.pem")
        self.openssl("req", *key, "-subj", f"/CN=stamps of {name}", "-keyout", "signer.key", "-out", "signer.csr")
        self.openssl("x509", "-req", "-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "100",
                     "-extfile", "openssl.cnf", "-extensions", "signer", "-out", "signer.pem")
        self.root = folder / "root.pem"
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answer = authority.reply(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def reply(self, query):
        """A TimeStampResp for a TimeStampReq, both DER; one at a time, since they share a file of serial numbers."""
        with self.turn:
            (self.folder / "query").write_bytes(query)
            self.openssl("ts", "-reply", "-config", "openssl.cnf", "-section", "tsa", "-queryfile", "query", "-out", "reply")
            return (self.folder / "reply").read_bytes()

    def close(self):
        self.server.shutdown()
