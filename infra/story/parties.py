"""The parties of the story: the operator, a hospital, an insurer, and patients' devices.

Each acts with its own key over HTTP. The enrolment code goes from the hospital's screen to the device like a
QR code, and never over the network.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.cli.keys.admit import draw, next_number
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.identity.admit import admission_request
from carevouch.identity.links import SEED_BYTES, answer_offer, make_offer, one_time_key
from carevouch.kernel.jws import KeyInMemory, private_jwk, private_key
from carevouch.kernel.times import instant
from infra.stack import Cloud
from infra.story.client import Http, Party, Surprise

OFFER_MINUTES = 15


@dataclass(frozen=True, slots=True)
class Keys:
    """The parties' key files: private JWKs with their client id, readable by their owner alone."""

    folder: Path

    def make(self, name: str, client_id: str, key: ec.EllipticCurvePrivateKey) -> KeyInMemory:
        """Write a key to its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.jwk.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**private_jwk(key), "client_id": client_id}))
        return KeyInMemory(key)

    def load(self, name: str) -> tuple[str, KeyInMemory]:
        """Client id and key of a file."""
        kept = json.loads((self.folder / f"{name}.jwk.json").read_text())
        return str(kept.pop("client_id")), KeyInMemory(private_key(kept))


class Operator:
    """Admits organisations with the key that genesis names."""

    def __init__(self, cloud: Cloud, http: Http, state: Path) -> None:
        self._key = KeyInMemory(private_key(dict(cloud.operator_jwk)))
        self._http = http
        self._counter = state / "operator.jwk.json.n"
        note = http.call("GET", "/ledger/genesis").body.decode("utf-8")
        self.genesis: Genesis = parse_genesis(note.split("\n\n", 1)[0] + "\n")
        self.genesis_file = note

    def admit(self, name: str, roles: Sequence[str], keys: Keys) -> Party:
        """Admit a new organisation, and write its key file."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = KeyInMemory(key)
        body = admission_request(
            {"resourceType": "Organization", "active": True, "name": f"{name} (of the story)"},
            tuple(roles),
            ({**public.jwk, "kid": public.kid},),
            operator=self._key,
            genesis=self.genesis,
            n=next_number(self._counter),
            time=instant(datetime.now(UTC)),
            entropy=draw(),
        )
        raw = json.dumps(body).encode()
        answer = self._http.call("POST", "/fhir/Organization", raw, {"Content-Type": "application/json"})
        if answer.status != 201:
            raise Surprise(f"the operator could not admit {name}: {answer.said()}")
        client_id = str(body["documents"][0]["doc"]).partition("/")[2]
        return Party(name, self._http, client_id, keys.make(name, client_id, key))


def enrol_device(hospital: Party, patient: str, name: str, keys: Keys) -> tuple[Party, str]:
    """Bind a new device with the code on the hospital's screen; returns its party and device id."""
    seed = os.urandom(SEED_BYTES)
    exp = instant(datetime.now(UTC) + timedelta(minutes=OFFER_MINUTES))
    offer = make_offer(patient, one_time_key(seed).jwk, exp, hospital.client_id, hospital.key)
    key = ec.generate_private_key(ec.SECP256R1())
    posted = json.dumps(answer_offer(offer, seed, KeyInMemory(key))).encode()
    answer = hospital.http.call("POST", "/identity/devices", posted, {"Content-Type": "application/json"})
    if answer.status != 201:
        raise Surprise(f"the device could not be bound: {answer.said()}")
    device = Party(name, hospital.http, patient, keys.make(name, patient, key), "patient/*.cruds")
    return device, str(answer.json()["device"])
