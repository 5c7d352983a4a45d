"""The access key that botocore finds for each case in a file: JSON in, JSON out.

A case has `home`, `variables` and `profile` (of --profile, or null). The answer has `key` and `token`; or `by`, the provider that
would ask a service of AWS; or `error`. All are null where botocore finds nothing.
"""

import json
import os
import sys

import botocore.session
from botocore.exceptions import BotoCoreError

ASKS_AWS = {"assume-role", "assume-role-with-web-identity", "sso", "login", "container-role", "iam-role"}


def found(case):
    os.environ.clear()
    os.environ.update(case["variables"], HOME=case["home"], PATH="/usr/bin:/bin", AWS_EC2_METADATA_DISABLED="true")
    try:
        credentials = botocore.session.Session(profile=case["profile"]).get_credentials()
        if credentials is None:
            return {}
        if credentials.method in ASKS_AWS:
            return {"by": credentials.method}
        frozen = credentials.get_frozen_credentials()
        return {"key": frozen.access_key, "token": frozen.token}
    except (BotoCoreError, OSError, ValueError, TypeError, RuntimeError) as error:
        return {"error": type(error).__name__}


with open(sys.argv[1], encoding="utf-8") as cases:
    print(json.dumps([found(case) for case in json.load(cases)]))
