"""`python -m infra.story.ask PATIENT ORGANIZATION`: the body with which the insurer asks for consent."""

import json
import sys

from infra.story.scenes import asked_consent

if __name__ == "__main__":
    patient, organization = sys.argv[1:]
    print(json.dumps({"patient": patient, "consent": asked_consent(patient, organization)}))
