"""Runs in the clients' environment: a script as LCO's documentation teaches, with `requests` and nothing else.

Log in, ask for frames, follow `next` to the end, download each `url`. The last line is JSON: what was found.
"""

import hashlib
import json
import os
import sys

import requests

ARCHIVE = sys.argv[1]
response = requests.post(
    f"{ARCHIVE}api-token-auth/",
    data={"username": os.environ["ARCHIVE_USERNAME"], "password": os.environ["ARCHIVE_PASSWORD"]},
    timeout=60,
)
response.raise_for_status()
headers = {"Authorization": "Token " + response.json()["token"]}
profile = requests.get(f"{ARCHIVE}profile/", headers=headers, timeout=60).json()

frames = []
response = requests.get(
    f"{ARCHIVE}frames/?limit=2&RLEVEL=91&PROPID={sys.argv[2]}&start=2026-01-01&end=2026-12-31",
    headers=headers,
    timeout=60,
).json()
pages = 1
frames += response["results"]
while response["next"]:
    response = requests.get(response["next"], headers=headers, timeout=60).json()
    frames += response["results"]
    pages += 1

found = {}
for frame in frames:
    content = requests.get(frame["url"], timeout=60).content
    header = requests.get(f"{ARCHIVE}frames/{frame['id']}/headers/", headers=headers, timeout=60).json()["data"]
    found[frame["filename"]] = {
        "md5": hashlib.md5(content).hexdigest(),
        "md5_told": frame["version_set"][0]["md5"],
        "object": header["OBJECT"],
    }
without = requests.get(f"{ARCHIVE}frames/?PROPID={sys.argv[2]}", timeout=60).json()["count"]
print(json.dumps({"proposals": profile["proposals"], "pages": pages, "found": found, "without_token": without}))
