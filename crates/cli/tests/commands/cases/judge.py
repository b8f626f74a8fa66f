"""Judges documents by JSON Schemas: judge.py FOLDER_OF_SCHEMAS DOCUMENTS. Prints each fault; exits 1 if there is one.

A document is {"schema": name, "place": where it was written, "document": …}. The schemas let readers ignore members that they do not know; here
a member that no schema names is a fault, so that none goes undescribed.
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator


def closed(schema):
    """The same schema, in which an object has the members that it names and no others."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "allOf" not in schema:
        result["unevaluatedProperties"] = False
    return result


def main():
    folder, documents = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
    validators, faults = {}, 0
    for one in documents:
        name = one["schema"]
        if name not in validators:
            schema = closed(json.loads((folder / f"{name.replace(' ', '-')}.json").read_text()))
            Draft202012Validator.check_schema(schema)
            validators[name] = Draft202012Validator(schema)
        for error in validators[name].iter_errors(one["document"]):
            faults += 1
            print(f"{one['place']}: {name} at {error.json_path}: {error.message[:300]}")
    if not documents:
        faults += 1
        print("no document was written")
    sys.exit(1 if faults else 0)


main()
