"""The verbs about keys and signatures, as data for the parser."""

from carevouch.cli.verb import Option, Verb

# Copies from `carevouch.identity.caller`, which the help does not import; a test compares them.
ROLES = ("provider", "payer", "app", "sponsor", "auditor")
STATUSES = ("active", "suspended")

KEY = Verb(
    "key",
    "carevouch.cli.keys.key",
    "Make a P-256 key: write the private JWK to a new file, and print the public JWK.",
    """\
  carevouch key --out operator.jwk.json > operator.pub.jwk.json
  make deploy ORIGIN=log.example.org/carevouch OPERATOR_JWK=operator.pub.jwk.json

The file holds the private key, and you alone can read it. The printed key is public and has its kid:
give it to everybody who needs the key. An organisation adds its client_id after the operator has admitted it
(--client-id), so that `carevouch assertion` can name the client.""",
    options=(
        Option("--out", required=True, metavar="FILE", help="a file that does not exist yet"),
        Option("--client-id", metavar="ID", help="your directory id, or a device's patient id"),
    ),
)
ADMIT = Verb(
    "admit",
    "carevouch.cli.keys.admit",
    "Sign the admission of an organisation, or a change of it, with the operator's key that genesis names.",
    """\
  curl -s $BASE/ledger/genesis -o genesis
  carevouch admit --key operator.jwk.json --genesis genesis --organization org.json \\
      --role payer --jwks keys.json > payer-1.json
  curl -s $BASE/fhir/Organization -H 'Content-Type: application/json' -d @payer-1.json

org.json is a FHIR R4 Organization. keys.json is a JWK set of the organisation's public keys, each
with a kid. The number of the operator's last event is kept in operator.jwk.json.n: keep both files safe.
Keep each posted file too, because a later change starts from it. To suspend an organisation, so
that it gets no more tokens and its present ones stop working:

  carevouch admit --key operator.jwk.json --genesis genesis \\
      --change payer-1.json --status suspended > payer-2.json

The next change is made from payer-2.json. --organization, --role and --jwks replace the earlier
values; values that you leave out stay as they were.""",
    options=(
        Option("--key", required=True, metavar="FILE", help="the operator's private JWK"),
        Option("--genesis", required=True, metavar="FILE", help="from /ledger/genesis"),
        Option("--organization", metavar="FILE", help="a FHIR Organization"),
        Option("--role", action="append", choices=ROLES, help="may be repeated"),
        Option("--jwks", metavar="FILE", help="its public keys (JWK set)"),
        Option("--status", choices=STATUSES, help="whether it may call (a new one: active)"),
        Option("--change", metavar="FILE", help="the file posted last about this organisation"),
    ),
)
EPOCH = Verb(
    "epoch",
    "carevouch.cli.keys.epoch",
    "Sign the order to open the next epoch, with the operator's key that genesis names.",
    """\
  curl -s $BASE/ledger/genesis -o genesis; curl -s $BASE/ledger/epochs -o epochs
  carevouch epoch --key operator.jwk.json --genesis genesis --epochs epochs --strands 4 > order
  aws lambda invoke --function-name SEALER --cli-binary-format raw-in-base64-out \\
      --payload "{\\"open_epoch\\": \\"$(cat order)\\"}" /dev/stdout

Entries never move: events signed under the epoch before stay in the strand they belong to. New keys
are certified for the new epoch as the services' environments are replaced. The number of strands
never shrinks. SEALER is the stack's output SealerFunction.""",
    options=(
        Option("--key", required=True, metavar="FILE", help="the operator's private JWK"),
        Option("--genesis", required=True, metavar="FILE", help="from /ledger/genesis"),
        Option("--epochs", metavar="FILE", help="from /ledger/epochs (default: none yet)"),
        Option("--strands", type=int, required=True, metavar="N", help="how many from then on"),
        Option("--from", dest="start", metavar="TIME", help="when it begins (default: now)"),
    ),
)
ASSERTION = Verb(
    "assertion",
    "carevouch.cli.keys.assertion",
    "Sign a client assertion with your private key. It can be used once, within four minutes.",
    """\
The key file is a private P-256 JWK of yours with one more member, client_id: your organisation's
directory id, or the patient id of your device. To get a token:

  curl -s $BASE/auth/token -d grant_type=client_credentials -d scope='system/*.rs' \\
    -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \\
    -d client_assertion=$(carevouch assertion --key key.jwk.json --aud $BASE/auth/token)""",
    options=(
        Option("--key", required=True, metavar="FILE", help="your private JWK with client_id"),
        Option("--aud", required=True, metavar="URL", help="the token endpoint"),
    ),
)
SIGN = Verb(
    "sign",
    "carevouch.cli.keys.sign",
    "Sign a consent request with the private key of a patient's device.",
    """\
The command reads a request, as GET /consent/requests lists it, from standard input. It prints the
body to post to /consent/requests/{id}/grant:

  carevouch sign --key device.jwk.json < request.json > grant.json

Read the consent in the request first: you sign exactly that content, as that version.""",
    options=(Option("--key", required=True, metavar="FILE", help="the device's private JWK"),),
)
